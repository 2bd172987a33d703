"""Lambda steps: invoke the function with the step's arguments, and read its output parameters."""

import json
import logging
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.services.pipelines import outputs
from local_aws.services.pipelines.definition import Step
from local_aws.services.pipelines.engine import Ended
from local_aws.services.pipelines.records import Execution
from local_aws.services.pipelines.scheduler import FAILED, SUCCEEDED

log = logging.getLogger("local_aws")


def _outputs(step: Step, answer: Any) -> dict[str, Any]:
    """{name: value} of the step's declared outputs from the function's answer. `ValueError` for one that is
    missing or of another type."""
    wanted = outputs.declared(step)
    if wanted and not isinstance(answer, dict):
        raise ValueError("the function's answer is no JSON object")
    found = {}
    for name, kind in wanted.items():
        if name not in answer:
            raise ValueError(f"the function's answer lacks the output parameter '{name}'")
        if not outputs.fits(answer[name], kind):
            raise ValueError(
                f"the output parameter '{name}' must be of the type {kind}, but is {answer[name]!r}"
            )
        found[name] = answer[name]
    return found


def invoke(
    app: LocalAwsApp, execution: Execution, step: Step, arn: str, payload: dict[str, Any]
) -> tuple[Ended, list[dict[str, str]]]:
    """Run the function to its end; how the step ended, and its `OutputParameters` for the metadata."""
    from local_aws.services.functions import invoke as run

    try:
        result = run(app, arn, json.dumps(payload).encode(), execution.account, execution.region)
        answer = json.loads(result.payload) if result.payload else None
        if result.function_error:
            said = answer.get("errorMessage") if isinstance(answer, dict) else None
            text = said or result.payload.decode("utf-8", "replace")
            return Ended(FAILED, f"ClientError: The Lambda function {arn} failed: {text}"), []
        values = _outputs(step, answer)
    except ValueError as error:
        return Ended(FAILED, f"ClientError: Lambda step {step.name}: {error}."), []
    except Exception as error:
        log.exception("lambda step %s", step.name)
        return Ended(
            FAILED, f"ClientError: Failed to invoke lambda:Invoke of {arn}. Error Details: {error}"
        ), []
    return Ended(SUCCEEDED, properties={"OutputParameters": values}), outputs.listed(values)
