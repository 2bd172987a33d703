"""How each kind of target is invoked. A target of another kind fails, by name, as a failed invocation.

The codes of failures are those that EventBridge writes to a dead-letter queue (user guide, "Using dead-letter
queues to process undelivered events").
"""

import contextlib
import re
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError

from local_aws.server.clients import client_of
from local_aws.services.events.inputs import as_text, payload
from local_aws.services.events.policy import may_send
from local_aws.state.documents import Document

_MISSING = ("NotFound", "NonExistent", "DoesNotExist", "NoSuch")


class NotDelivered(Exception):
    """`code` as in a dead-letter queue; `retry`: another attempt may succeed."""

    def __init__(self, code: str, message: str, retry: bool = False):
        super().__init__(message)
        self.code, self.retry = code, retry


def _from_client(error: ClientError) -> NotDelivered:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    if any(word in code for word in _MISSING):
        return NotDelivered("NO_RESOURCE", f"{code}: {message}")
    again = "Throttling" in code or code == "AccountLimitExceededException" or status in (500, 503, 507)
    return NotDelivered("SDK_CLIENT_ERROR", f"{code}: {message}", retry=again)


def queue_url(sqs: Any, arn: str) -> str:
    account, name = arn.split(":")[4:6]
    return sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]


class Sending:
    """One invocation on its way: `arn` of the target in six parts, `input` what the target is given."""

    def __init__(self, app: Any, invocation: Document):
        self.app, self.event, self.target = app, invocation.value["event"], invocation.value["target"]
        self.rule, self.account, self.region = invocation.value["rule"], invocation.account, invocation.region
        self.arn = self.target["Arn"]
        parts = self.arn.split(":", 5)
        if len(parts) != 6:
            raise NotDelivered("INVALID_PARAMETER", f"{self.arn} is no ARN")
        self.service, self.to_region, self.to_account, self.resource = parts[2:]
        self.to_region, self.to_account = self.to_region or self.region, self.to_account or self.account
        self.changed = any(self.target.get(k) for k in ("InputTransformer", "Input", "InputPath"))

    @property
    def input(self) -> Any:
        try:
            return payload(self.target, self.event, self.rule)
        except LookupError as error:
            raise NotDelivered("INVALID_JSON", f"InputPath {error} names nothing in the event") from error
        except ValueError as error:
            raise NotDelivered("INVALID_JSON", str(error)) from error

    def client(self, service: str) -> Any:
        return client_of(self.app, service, self.to_account, self.to_region)

    def own_fields(self, *names: str) -> dict[str, Any]:
        """Parameters of the started thing that the rule's Input or template sets; none without one."""
        value = self.input if self.changed else {}
        return {k: value[k] for k in names if k in value} if isinstance(value, dict) else {}


def _sqs(to: Sending) -> None:
    sqs, group = to.client("sqs"), (to.target.get("SqsParameters") or {}).get("MessageGroupId")
    more = {"MessageGroupId": group} if group else {}
    sqs.send_message(QueueUrl=queue_url(sqs, to.arn), MessageBody=as_text(to.input), **more)


def _sns(to: Sending) -> None:
    to.client("sns").publish(TopicArn=to.arn, Message=as_text(to.input))


def _logs(to: Sending) -> None:
    """Each event is a stream of its own, as on AWS."""
    group, stream = to.resource.removeprefix("log-group:").removesuffix(":*"), to.event["id"]
    logs = to.client("logs")
    # there already when delivered a second time, or by two rules
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    entry = {"timestamp": int(time.time() * 1000), "message": as_text(to.input)}
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[entry])


def _lambda(to: Sending) -> None:
    """The function's own failure is its own affair (its log has it), as with any asynchronous invocation."""
    to.client("lambda").invoke(
        FunctionName=to.arn, InvocationType="Event", Payload=as_text(to.input).encode()
    )


def _codepipeline(to: Sending) -> None:
    from local_aws.services.codepipeline import start

    own = to.own_fields("sourceRevisions", "variables")
    trigger = {"triggerType": "CloudWatchEvent", "triggerDetail": to.rule}
    start(to.app, to.resource, to.to_account, to.to_region, trigger=trigger, **own)


def _codebuild(to: Sending) -> None:
    own = to.own_fields(
        *to.client("codebuild").meta.service_model.operation_model("StartBuild").input_shape.members
    )
    own.pop("projectName", None)
    to.client("codebuild").start_build(projectName=to.resource.removeprefix("project/"), **own)


def _sagemaker(to: Sending) -> None:
    kind, _, name = to.resource.partition("/")
    if kind != "pipeline":
        raise NotDelivered("INVALID_PARAMETER", f"{to.arn}: the only target of SageMaker is a pipeline")
    listed = (to.target.get("SageMakerPipelineParameters") or {}).get("PipelineParameterList") or []
    to.client("sagemaker").start_pipeline_execution(PipelineName=name, PipelineParameters=listed)


def _bus(to: Sending) -> None:
    name = to.resource.removeprefix("event-bus/")
    if to.to_account != to.account != to.event["account"]:  # it came from another account already
        raise NotDelivered(
            "THIRD_ACCOUNT_HOP_DETECTED",
            f"the event of account {to.event['account']} goes no further than here",
        )
    with to.app.lock:
        bus = to.app.backend("events", to.to_account, to.to_region).event_buses.get(name)
        statements = [s.describe() for s in bus._statements.values()] if bus else []
    if bus is None:
        raise NotDelivered("NO_RESOURCE", f"the event bus {to.arn} does not exist")
    kind = to.event["source"], to.event["detail-type"]
    if to.to_account != to.account and not may_send(statements, bus.arn, to.account, *kind):
        raise NotDelivered(
            "NO_PERMISSIONS",
            f"the policy of {to.arn} does not let account {to.account} send events: PutPermission",
        )
    event = to.event if not to.changed else {**to.event, "detail": to.input}
    to.app.events.accept({**event, "region": to.event["region"]}, name, to.to_account, to.to_region)


def _archive(to: Sending) -> None:
    """moto makes a rule of its own for each archive, whose template names it."""
    name, mark = re.search(
        r":archive/([^:\"]+):([^\"]+)", to.target["InputTransformer"]["InputTemplate"]
    ).groups()
    with to.app.lock:
        archive = to.app.backend("events", to.account, to.region).archives.get(name)
        if archive is not None and archive.uuid == mark:
            archive.events.append(to.event)
            to.app.changed("events", to.account, to.region)


SENDERS: dict[str, Callable[[Sending], None]] = {
    "codebuild": _codebuild,
    "codepipeline": _codepipeline,
    "lambda": _lambda,
    "logs": _logs,
    "sagemaker": _sagemaker,
    "sns": _sns,
    "sqs": _sqs,
}


def send(app: Any, invocation: Document) -> None:
    """Invoke the target. `NotDelivered` when it was not."""
    to = Sending(app, invocation)
    sender = SENDERS.get(to.service)
    if to.service == "events":
        sender = (
            _bus if to.resource.startswith("event-bus/") else _archive if not to.resource.strip(":") else None
        )
    if sender is None:
        raise NotDelivered("INVALID_PARAMETER", f"local_aws invokes no target like {to.arn}. Use AWS for it.")
    try:
        sender(to)
    except ClientError as error:
        raise _from_client(error) from error
    except JsonRESTError as error:  # of a service that is called within this process
        missing = any(word in error.error_type for word in _MISSING)
        code = "NO_RESOURCE" if missing else "SDK_CLIENT_ERROR"
        raise NotDelivered(code, f"{error.error_type}: {error.message}") from error
