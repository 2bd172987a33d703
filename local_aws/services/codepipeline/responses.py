"""The API of pipelines: records in moto's backend, executions in the engine."""

import json
from typing import Any

from moto.codepipeline.models import CodePipeline
from moto.codepipeline.responses import CodePipelineResponse
from moto.core.utils import utcnow
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends

from local_aws.services.accounts import shown_caller
from local_aws.services.codepipeline import structure
from local_aws.services.codepipeline.engine import Engine
from local_aws.services.codepipeline.errors import error, no_pipeline
from local_aws.services.codepipeline.starting import begin

_PIPELINE = [
    "CreatePipeline", "GetPipeline", "UpdatePipeline", "DeletePipeline", "ListPipelines", "ListTagsForResource",
    "TagResource", "UntagResource",
]  # fmt: skip


def _trusts_codepipeline(role: Any) -> bool:
    policy = role.assume_role_policy_document
    statements = (json.loads(policy) if isinstance(policy, str) else policy).get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal")
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        if "codepipeline.amazonaws.com" in ([services] if isinstance(services, str) else services):
            return statement.get("Effect") == "Allow"
    return False


def _check_role(account: str, arn: str) -> None:
    backend = iam_backends[account]["aws"]
    try:
        known = _trusts_codepipeline(backend.get_role_by_arn(arn))
    except NotFoundException:
        known = False
    if not known:
        raise error(
            "InvalidStructureException", f"CodePipeline is not authorized to perform AssumeRole on role {arn}"
        )


def _check_buckets(declared: dict[str, Any]) -> None:
    stores = (
        [declared["artifactStore"]] if declared.get("artifactStore") else declared["artifactStores"].values()
    )
    for store in stores:
        if store["location"] not in s3_backends.bucket_accounts:
            raise error("InvalidStructureException", f"No bucket with the name {store['location']} was found")


def _declared(response: CodePipelineResponse) -> dict[str, Any]:
    """The request's pipeline with defaults, checked."""
    try:
        filled = structure.with_defaults(dict(response._get_param("pipeline")))
        structure.check(filled, response.region)
    except (KeyError, TypeError, AttributeError) as fault:  # sent without an SDK, which would have refused it
        raise error("ValidationException", f"The pipeline declaration is not complete: {fault!r}") from fault
    _check_role(response.current_account, filled["roleArn"])
    _check_buckets(filled)
    return filled


def install(engine: Engine) -> list[str]:
    """Give moto's response class these operations; the actions that it then answers."""

    def create_pipeline(self: CodePipelineResponse) -> str:
        backend, filled = self.codepipeline_backend, _declared(self)
        name, tags = filled["name"], self._get_param("tags") or []
        if name in backend.pipelines:
            raise error(
                "PipelineNameInUseException",
                f"A pipeline with the name '{name}' already exists in account '{self.current_account}'",
            )
        made = CodePipeline(self.current_account, self.region, filled)
        made.validate_tags(tags)
        made.tags.update({tag["key"]: tag["value"] for tag in tags})
        backend.pipelines[name] = made
        trigger = {
            "triggerType": "CreatePipeline",
            "triggerDetail": shown_caller(self),
        }
        begin(engine, name, self.current_account, self.region, trigger)
        return json.dumps({"pipeline": made.pipeline, "tags": sorted(tags, key=lambda tag: tag["key"])})

    def get_pipeline(self: CodePipelineResponse) -> str:
        found = self.codepipeline_backend.pipelines.get(self._get_param("name"))
        if found is None:
            raise no_pipeline(self.current_account, self._get_param("name"))
        wanted = self._get_param("version")
        if wanted is not None and wanted != found.pipeline["version"]:
            raise error(
                "PipelineVersionNotFoundException",
                f"local_aws keeps the newest version of a pipeline only: {found.pipeline['version']}",
            )
        return json.dumps({"pipeline": found.pipeline, "metadata": found.metadata})

    def update_pipeline(self: CodePipelineResponse) -> str:
        filled = _declared(self)
        found = self.codepipeline_backend.pipelines.get(filled["name"])
        if found is None:
            raise no_pipeline(self.current_account, filled["name"])
        filled["version"] = found.pipeline["version"] + 1
        found.pipeline, found._updated = filled, utcnow()
        return json.dumps({"pipeline": filled})

    def list_pipelines(self: CodePipelineResponse) -> str:
        found = []
        for name, pipeline in sorted(self.codepipeline_backend.pipelines.items()):
            declared = pipeline.pipeline
            found.append(
                {
                    "name": name,
                    "version": declared["version"],
                    "pipelineType": declared["pipelineType"],
                    "executionMode": declared["executionMode"],
                    "created": pipeline.metadata["created"],
                    "updated": pipeline.metadata["updated"],
                }
            )
        return json.dumps({"pipelines": found})

    def delete_pipeline(self: CodePipelineResponse) -> str:
        name = self._get_param("name")
        self.codepipeline_backend.delete_pipeline(name)
        engine.forget((self.current_account, self.region, name))
        return ""

    for function in (create_pipeline, get_pipeline, update_pipeline, list_pipelines, delete_pipeline):
        setattr(CodePipelineResponse, function.__name__, function)
    return _PIPELINE
