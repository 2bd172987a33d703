"""What the API's handlers share: looking pipelines and executions up, definitions, pages, times."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.sagemaker.exceptions import ResourceNotFound, ValidationError
from moto.sagemaker.responses import SageMakerResponse

from local_aws.server.app import LocalAwsApp
from local_aws.server.s3access import NoSuchObject
from local_aws.services.pipelines.book import Book
from local_aws.services.pipelines.definition import Definition, InvalidDefinition, parse
from local_aws.services.pipelines.records import Execution

DEFINITION_LIMIT = 1_048_576  # characters in a request; a definition in S3 may be longer


def check_parallelism(config: dict[str, Any] | None) -> dict[str, int] | None:
    if config is None:
        return None
    return {"MaxParallelExecutionSteps": config["MaxParallelExecutionSteps"]}


def find_pipeline(response: SageMakerResponse, name: str | None) -> Any:
    """moto's record of a pipeline given by name or ARN."""
    short = (name or "").rsplit("/", 1)[-1]
    found = response.sagemaker_backend.pipelines.get(short)
    if found is None or (name or "").startswith("arn:") and found.arn != name:
        arn = f"arn:aws:sagemaker:{response.region}:{response.current_account}:pipeline/{short}"
        raise ResourceNotFound(message=f"Pipeline '{arn}' does not exist.")
    return found


def find_execution(
    response: SageMakerResponse, book: Book, member: str = "PipelineExecutionArn"
) -> Execution:
    arn = response._get_param(member)
    found = book.get(arn or "")
    if found is None or (found.account, found.region) != (response.current_account, response.region):
        raise ResourceNotFound(message=f"Pipeline execution '{arn}' does not exist.")
    return found


def _from_s3(app: LocalAwsApp, account: str, location: dict[str, str]) -> str:
    bucket, key, version = location["Bucket"], location["ObjectKey"], location.get("VersionId")
    try:
        if version:
            found = app.backend("s3", account).get_object(bucket, key, version_id=version)
            if found is None:
                raise NoSuchObject(f"version {version} of s3://{bucket}/{key}")
            data = found.value
        else:
            data = app.s3.get(bucket, key)
        return data.decode("utf-8")
    except (NoSuchObject, UnicodeDecodeError) as error:
        raise ValidationError(
            message=f"The pipeline definition cannot be read from s3://{bucket}/{key}: {error}"
        ) from None


def given_definition(response: SageMakerResponse, app: LocalAwsApp, needed: bool) -> str | None:
    """The request's definition text, checked. None when there is none and none is `needed`."""
    text = response._get_param("PipelineDefinition")
    location = response._get_param("PipelineDefinitionS3Location")
    if text and location:
        raise ValidationError(
            message="PipelineDefinition and PipelineDefinitionS3Location cannot both be given."
        )
    if text and len(text) > DEFINITION_LIMIT:
        raise ValidationError(
            message=f"1 validation error detected: Value at 'pipelineDefinition' has {len(text)} characters, and "
            f"failed to satisfy constraint: Member must have length less than or equal to {DEFINITION_LIMIT}. "
            "Put it in S3 and give PipelineDefinitionS3Location."
        )
    if location:
        text = _from_s3(app, response.current_account, location)
    if not text:
        if needed:
            raise ValidationError(
                message="Either PipelineDefinition or PipelineDefinitionS3Location must be given."
            )
        return None
    parsed(text)
    return text


def parsed(text: str) -> Definition:
    """`ValidationException` with what is wrong."""
    try:
        return parse(text)
    except InvalidDefinition as error:
        raise ValidationError(message=str(error)) from None


def moment(value: Any) -> datetime:
    """A request's timestamp as UTC without a zone."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return datetime.fromtimestamp(float(value), UTC).replace(tzinfo=None)


def created_within(params: dict[str, Any], created: Callable[[Any], datetime]) -> Callable[[Any], bool]:
    """The filter of CreatedAfter and CreatedBefore."""
    after, before = params.get("CreatedAfter"), params.get("CreatedBefore")

    def fits(item: Any) -> bool:
        at = created(item)
        return (after is None or at > moment(after)) and (before is None or at < moment(before))

    return fits


def page(name: str, items: list[Any], params: dict[str, Any], default: int) -> dict[str, Any]:
    """A List answer's page under `name`, with the NextToken of the next one."""
    token, size = params.get("NextToken"), int(params.get("MaxResults") or default)
    if token and not str(token).isdigit():
        raise ValidationError(message=f"Invalid NextToken: {token}")
    start = int(token or 0)
    answer: dict[str, Any] = {name: items[start : start + size]}
    if start + size < len(items):
        answer["NextToken"] = str(start + size)
    return answer
