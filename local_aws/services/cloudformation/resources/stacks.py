"""AWS::CloudFormation: WaitConditionHandle, Stack (a nested stack)."""

from typing import Any

from botocore.exceptions import ClientError

from local_aws.services.cloudformation.resources.base import Context, Handler, ResourceError, is_missing

_Made = tuple[str, dict[str, Any]]


class WaitConditionHandle(Handler):
    """A place holder whose `Ref` is a URL. Nothing signals it: local_aws has no WaitCondition."""

    type = "AWS::CloudFormation::WaitConditionHandle"

    def create(self, ctx: Context, logical_id: str, properties: dict[str, Any]) -> _Made:
        return f"{ctx.endpoint_url}/cloudformation-waitcondition/{ctx.physical_name(logical_id)}", {}

    def update(
        self, ctx: Context, physical_id: str, old: dict[str, Any], new: dict[str, Any]
    ) -> dict[str, Any]:
        return {}

    def delete(self, ctx: Context, physical_id: str, properties: dict[str, Any]) -> None:
        return None


class NestedStack(Handler):
    """A stack of its own, made from TemplateURL. Its outputs are the attributes `Outputs.Name`. The parent's caller
    acknowledges IAM resources for it, as on AWS."""

    type = "AWS::CloudFormation::Stack"
    properties = {"TemplateURL", "Parameters", "Tags", "TimeoutInMinutes", "NotificationARNs"}

    def has_attribute(self, name: str) -> bool:
        return name.startswith("Outputs.")

    def create(self, ctx: Context, logical_id: str, properties: dict[str, Any]) -> _Made:
        request = self._request(ctx, properties)
        if "TimeoutInMinutes" in properties:
            request["TimeoutInMinutes"] = properties["TimeoutInMinutes"]
        client = ctx.client("cloudformation")
        name = ctx.physical_name(logical_id, limit=128)
        stack_id = client.create_stack(StackName=name, OnFailure="DO_NOTHING", **request)["StackId"]
        ctx.made(stack_id)
        ctx.adopt(stack_id)
        return stack_id, self._settled(ctx, stack_id, "CREATE_COMPLETE")

    def update(
        self, ctx: Context, physical_id: str, old: dict[str, Any], new: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            ctx.client("cloudformation").update_stack(StackName=physical_id, **self._request(ctx, new))
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
            return self._outputs(ctx, physical_id)
        return self._settled(ctx, physical_id, "UPDATE_COMPLETE")

    def delete(self, ctx: Context, physical_id: str, properties: dict[str, Any]) -> None:
        client = ctx.client("cloudformation")
        try:
            if client.describe_stacks(StackName=physical_id)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE":
                return
        except ClientError as error:
            if is_missing(error):
                return
            raise
        client.delete_stack(StackName=physical_id)
        self._settled(ctx, physical_id, "DELETE_COMPLETE")

    @staticmethod
    def _request(ctx: Context, properties: dict[str, Any]) -> dict[str, Any]:
        parameters = properties.get("Parameters", {})
        return {
            "TemplateURL": properties["TemplateURL"],
            "Parameters": [
                {
                    "ParameterKey": key,
                    "ParameterValue": ",".join(map(str, v)) if isinstance(v, list) else str(v),
                }
                for key, v in parameters.items()
            ],
            "Tags": ctx.tag_list(properties.get("Tags")),
            "NotificationARNs": properties.get("NotificationARNs", []),
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
        }

    def _settled(self, ctx: Context, stack_id: str, good: str) -> dict[str, Any]:
        client = ctx.client("cloudformation")

        def done() -> dict[str, Any] | None:
            stack = client.describe_stacks(StackName=stack_id)["Stacks"][0]
            return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

        stack = ctx.wait(done, f"the nested stack {stack_id}", seconds=3600)
        if stack["StackStatus"] != good:
            raise ResourceError(
                f"Embedded stack {stack_id} was not successfully made, updated or deleted: {stack['StackStatus']}: "
                f"{self._why(client, stack_id) or stack.get('StackStatusReason', '')}"
            )
        return self._outputs(ctx, stack_id)

    @staticmethod
    def _why(client: Any, stack_id: str) -> str:
        events = client.describe_stack_events(StackName=stack_id)["StackEvents"]
        failed = [
            e
            for e in events
            if e["ResourceStatus"].endswith("_FAILED") and e["PhysicalResourceId"] != stack_id
        ]
        return (
            f"{failed[0]['LogicalResourceId']}: {failed[0].get('ResourceStatusReason', '')}" if failed else ""
        )

    @staticmethod
    def _outputs(ctx: Context, stack_id: str) -> dict[str, Any]:
        stack = ctx.client("cloudformation").describe_stacks(StackName=stack_id)["Stacks"][0]
        return {f"Outputs.{item['OutputKey']}": item["OutputValue"] for item in stack.get("Outputs", [])}
