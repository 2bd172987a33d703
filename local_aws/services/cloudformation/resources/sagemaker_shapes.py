"""What the AWS::SageMaker handlers share: tags by ARN, waiting for a status."""

from typing import Any

from botocore.exceptions import ClientError

from local_aws.services.cloudformation.resources.base import Context, ResourceError, is_missing
from local_aws.services.cloudformation.resources.shapes import Properties


def tags_of(ctx: Context, properties: Properties) -> dict[str, Any]:
    """`Tags` of a Create call, nothing without tags."""
    tags = ctx.tag_list(properties.get("Tags"))
    return {"Tags": tags} if tags else {}


def retag(ctx: Context, arn: str, old: Properties, new: Properties) -> None:
    changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
    sagemaker = ctx.client("sagemaker")
    if removed:
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=removed)
    if changed:
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": k, "Value": v} for k, v in changed.items()])


def settled(ctx: Context, call: str, field: str = "Status", **request: str) -> dict[str, Any]:
    """Wait until a Describe call says that the thing is in service; its answer.

    Raises `ResourceError` with the service's FailureReason when it has failed.
    """
    describe = getattr(ctx.client("sagemaker"), call)
    found: dict[str, Any] = {}

    def done() -> bool:
        found.clear()
        found.update(describe(**request))
        status = found[field]
        if status == "Failed" or status.endswith(("_Failed", "RollbackFailed")):
            raise ResourceError(f"{status}: {found.get('FailureReason') or 'the service gave no reason'}")
        return status in ("InService", "Completed")

    ctx.wait(done, f"{call.removeprefix('describe_')} {'/'.join(request.values())}", seconds=1800)
    return found


def gone(ctx: Context, call: str, **request: str) -> None:
    """Wait until a Describe call no longer finds the thing."""
    describe = getattr(ctx.client("sagemaker"), call)

    def absent() -> bool:
        try:
            describe(**request)
        except ClientError as error:
            if is_missing(error):
                return True
            raise
        return False

    ctx.wait(absent, f"the end of {'/'.join(request.values())}", seconds=600)
