"""Custom resources: `Custom::Anything` and AWS::CloudFormation::CustomResource, made by a Lambda function.

Source: CloudFormation user guide, "Custom resource reference" (request and response objects, timeouts). What differs: a
function that fails before it answers fails the resource at once, and one that ends without an answer is given one
minute more (or ServiceTimeout), where AWS waits for an hour.
"""

import json
import re
import threading
import time
from typing import Any
from uuid import uuid4

from local_aws.services.cloudformation.callbacks import Callback, callbacks
from local_aws.services.cloudformation.resources.base import Cancelled, Context, Handler, ResourceError

MAX_SECONDS = 3600
GRACE_SECONDS = 60
_FUNCTION = re.compile(r"arn:aws[\w-]*:lambda:[\w-]+:\d{12}:function:.+")


def _texts(value: Any) -> Any:
    """Every scalar as a string, as CloudFormation sends properties."""
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Invocation(threading.Thread):
    """Runs the function. `problem`: why it can give no answer any more. `ended`: when it ended."""

    def __init__(self, ctx: Context, function: str, event: dict[str, Any]):
        super().__init__(name=f"custom-{ctx.logical_id}", daemon=True)
        self._ctx, self._function, self._event = ctx, function, event
        self.problem, self.ended = "", 0.0

    def run(self) -> None:
        from local_aws.services.functions import InvokeError, invoke

        ctx = self._ctx
        try:
            result = invoke(
                ctx.app, self._function, json.dumps(self._event).encode(), ctx.account_id, ctx.region
            )
            if result.function_error:
                self.problem = (
                    f"its function failed before it answered: {result.payload.decode('utf-8', 'replace')[:1000]} "
                    f"(log group /aws/lambda/{self._function.split(':')[6]})"
                )
        except InvokeError as error:
            self.problem = f"its function cannot be invoked: {error}"
        except Exception as error:
            self.problem = f"its function cannot be invoked: {type(error).__name__}: {error}"
        finally:
            self.ended = time.monotonic()


class CustomResource(Handler):
    type = "AWS::CloudFormation::CustomResource"
    properties = {"ServiceToken", "ServiceTimeout"}  # all others are the function's own, `Tags` too

    def has_attribute(self, name: str) -> bool:
        return True  # whatever the function's Data has

    def unsupported(self, properties: dict[str, Any]) -> list[str]:
        return []

    def validate(self, properties: dict[str, Any]) -> None:
        token = properties.get("ServiceToken")
        if not token:
            raise ResourceError(
                "ServiceToken must be given: the ARN of the function that makes the resource."
            )
        if not _FUNCTION.fullmatch(str(token)):
            raise ResourceError(
                f"ServiceToken {token} is no ARN of a Lambda function; SNS topics are not emulated by local_aws."
            )
        timeout = str(properties.get("ServiceTimeout", MAX_SECONDS))
        if not timeout.isdigit() or not 1 <= int(timeout) <= MAX_SECONDS:
            raise ResourceError(f"ServiceTimeout must be from 1 to {MAX_SECONDS} seconds, not {timeout}.")

    def create(self, ctx: Context, logical_id: str, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return self._send(ctx, "Create", properties)

    def update(
        self, ctx: Context, physical_id: str, old: dict[str, Any], new: dict[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        """Another physical id in the answer means a replacement: the engine deletes the old one in the clean-up."""
        more = {"PhysicalResourceId": physical_id, "OldResourceProperties": _texts(old)}
        return self._send(ctx, "Update", new, **more)

    def delete(self, ctx: Context, physical_id: str, properties: dict[str, Any]) -> None:
        self._send(ctx, "Delete", properties, PhysicalResourceId=physical_id)

    def _send(
        self, ctx: Context, kind: str, properties: dict[str, Any], **more: Any
    ) -> tuple[str, dict[str, Any]]:
        callback = callbacks.open(ctx.endpoint_url)
        event = {
            "RequestType": kind,
            "ServiceToken": properties["ServiceToken"],
            "ResponseURL": callback.url,
            "StackId": ctx.stack_id,
            "RequestId": str(uuid4()),
            "LogicalResourceId": ctx.logical_id,
            "ResourceType": ctx.resource_type or self.type,
            "ResourceProperties": _texts(properties),
            **more,
        }
        try:
            self._wait(ctx, callback, _Invocation(ctx, properties["ServiceToken"], event), properties)
        finally:
            callbacks.close(callback)
        return self._read(ctx, event, callback)

    @staticmethod
    def _wait(ctx: Context, callback: Callback, invocation: _Invocation, properties: dict[str, Any]) -> None:
        timeout = properties.get("ServiceTimeout")
        begin = time.monotonic()
        invocation.start()
        while not callback.arrived.wait(0.05):
            now = time.monotonic()
            if ctx.cancelled():
                raise Cancelled("The operation ended while it waited for the custom resource's answer.")
            if invocation.ended and invocation.problem:
                raise ResourceError(f"Custom resource {ctx.logical_id}: {invocation.problem}")
            silent = invocation.ended and timeout is None and now > invocation.ended + GRACE_SECONDS
            if silent or now > begin + int(timeout or MAX_SECONDS):
                raise ResourceError(
                    "CloudFormation did not receive a response from your Custom Resource. Its function must send one "
                    f"to ResponseURL. (waited {now - begin:.0f} s)"
                )

    @staticmethod
    def _read(ctx: Context, event: dict[str, Any], callback: Callback) -> tuple[str, dict[str, Any]]:
        if callback.problem:
            raise ResourceError(callback.problem)
        answer = callback.answer
        for name in ("StackId", "RequestId", "LogicalResourceId"):
            if answer.get(name) != event[name]:
                raise ResourceError(f"Invalid Response object: {name} must be {event[name]}.")
        physical_id, data = answer.get("PhysicalResourceId"), answer.get("Data") or {}
        if answer.get("Status") not in ("SUCCESS", "FAILED"):
            raise ResourceError("Invalid Response object: Status must be SUCCESS or FAILED.")
        if not isinstance(data, dict):
            raise ResourceError("Invalid Response object: Data must be an object.")
        if answer["Status"] == "FAILED":
            if event["RequestType"] == "Create" and physical_id:
                ctx.made(physical_id)
            raise ResourceError(
                "Received response status [FAILED] from custom resource. Message returned: "
                f"{answer.get('Reason', '')} (RequestId: {event['RequestId']})"
            )
        if not physical_id:
            raise ResourceError("Invalid PhysicalResourceId: the custom resource's answer has none.")
        return physical_id, data
