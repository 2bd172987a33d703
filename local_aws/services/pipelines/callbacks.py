"""Callback steps: a message in an SQS queue with a token, and whoever works on it answers with the token.

Source: AWS's 'Callback step', and the notes of StopPipelineExecution: such a step cannot be stopped, its
queue gets a message with the status Stopping, and the execution waits for the answer.
"""

import json
import secrets
import string
import threading
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.server.app import LocalAwsApp
from local_aws.server.clients import client_of
from local_aws.services.pipelines import outputs
from local_aws.services.pipelines.definition import Step
from local_aws.services.pipelines.engine import Ended, Engine
from local_aws.services.pipelines.records import Execution, StepRecord
from local_aws.services.pipelines.scheduler import FAILED, SUCCEEDED

_LETTERS = string.ascii_letters + string.digits


class CallbackError(ValueError):
    """An answer that is refused; the message says why."""


class Callbacks:
    """The tokens that wait for an answer. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[Engine, Step, int]] = {}

    def open(self, engine: Engine, step: Step, attempt: int) -> str:
        """A new token for an attempt at a step."""
        token = "".join(secrets.choice(_LETTERS) for _ in range(10))
        with self._lock:
            self._waiting[token] = (engine, step, attempt)
        return token

    def close(self, token: str) -> None:
        with self._lock:
            self._waiting.pop(token, None)

    def _take(self, token: str, account: str, region: str) -> tuple[Engine, Step, int]:
        with self._lock:
            found = self._waiting.get(token)
            if found is None or (found[0].execution.account, found[0].execution.region) != (account, region):
                raise LookupError(token)
            return found

    def succeed(self, account: str, region: str, token: str, given: list[dict[str, str]]) -> str:
        """SendPipelineExecutionStepSuccess; the execution's ARN. `LookupError` for an unknown token."""
        engine, step, attempt = self._take(token, account, region)
        wanted = outputs.declared(step)
        values = {item["Name"]: _typed(item, wanted) for item in given}
        lacking = [name for name in wanted if name not in values]
        if lacking:
            raise CallbackError(f"The output parameters {lacking} of the step {step.name} are missing.")
        self.close(token)
        record = engine.execution.steps[step.name]
        record.metadata["Callback"]["OutputParameters"] = outputs.listed(values)
        engine.post(step.name, attempt, Ended(SUCCEEDED, properties={"OutputParameters": values}))
        return engine.execution.arn

    def fail(self, account: str, region: str, token: str, reason: str | None) -> str:
        """SendPipelineExecutionStepFailure; the execution's ARN. `LookupError` for an unknown token."""
        engine, step, attempt = self._take(token, account, region)
        self.close(token)
        engine.post(step.name, attempt, Ended(FAILED, reason or "The callback step was reported as failed."))
        return engine.execution.arn


def _typed(item: dict[str, str], wanted: dict[str, str]) -> Any:
    name, text = item["Name"], item["Value"]
    kind = wanted.get(name)
    if kind is None:
        raise CallbackError(
            f"The step has no output parameter '{name}'. It has: {', '.join(wanted) or 'none'}."
        )
    if kind == "String":
        return text
    try:
        value = json.loads(text.lower() if kind == "Boolean" else text)
    except ValueError:
        value = None
    if not outputs.fits(value, kind):
        raise CallbackError(f"The output parameter '{name}' must be of the type {kind}, but is '{text}'.")
    return value


def send(
    app: LocalAwsApp, execution: Execution, record: StepRecord, payload: Any, status: str
) -> Ended | None:
    """Put the step's message into its queue; how the step ended if that cannot be done."""
    callback = record.metadata["Callback"]
    body = {
        "token": callback["CallbackToken"],
        "pipelineExecutionArn": execution.arn,
        "arguments": payload,
        "status": status,
    }
    sqs = client_of(app, "sqs", execution.account, execution.region)
    try:
        sqs.send_message(QueueUrl=callback["SqsQueueUrl"], MessageBody=json.dumps(body))
    except (ClientError, BotoCoreError) as error:
        text = error.response["Error"].get("Message", "") if isinstance(error, ClientError) else str(error)
        return Ended(FAILED, f"ClientError: Failed to invoke sqs:SendMessage. Error Details: {text}")
    return None
