"""AWS::CloudFormation::WaitConditionHandle."""

from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler


class WaitConditionHandle(Handler):
    """A place holder whose `Ref` is a URL. Nothing signals it: local_aws has no WaitCondition."""

    type = "AWS::CloudFormation::WaitConditionHandle"

    def create(self, ctx: Context, logical_id: str, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return f"{ctx.endpoint_url}/cloudformation-waitcondition/{ctx.physical_name(logical_id)}", {}

    def update(
        self, ctx: Context, physical_id: str, old: dict[str, Any], new: dict[str, Any]
    ) -> dict[str, Any]:
        return {}

    def delete(self, ctx: Context, physical_id: str, properties: dict[str, Any]) -> None:
        return None
