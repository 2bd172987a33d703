"""The Lambda invoke action: the function gets a job and answers with PutJobSuccessResult or PutJobFailureResult.

Source: CodePipeline user guide, "AWS Lambda invoke action reference"; API reference, JobDetails.
"""

import json
import time

from local_aws.config import ACCOUNT_ID, DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY
from local_aws.services.codepipeline.actions.base import ActionFailed, Context

_TIMEOUT = 20 * 60.0  # an action's default on AWS: one hour for Lambda's own jobs counts from the last answer
_AGAIN = 1.0  # seconds until a function that gave a continuation token is asked again (30 on AWS)


def _place(name: str, place: dict) -> dict:
    location = {"type": "S3", "s3Location": {"bucketName": place["bucket"], "objectKey": place["key"]}}
    return {"name": name, "revision": place.get("revision"), "location": location}


def _event(action: Context, outputs: dict, continuation: str | None) -> dict:
    given = {"FunctionName": action.configuration["FunctionName"]}
    if "UserParameters" in action.configuration:
        given["UserParameters"] = action.configuration["UserParameters"]
    account = action.execution.account
    data = {
        "actionConfiguration": {"configuration": given},
        "inputArtifacts": [_place(name, place) for name, place in action.run.inputs.items()],
        "outputArtifacts": [_place(name, place) for name, place in outputs.items()],
        "artifactCredentials": {
            "accessKeyId": DUMMY_ACCESS_KEY if account == ACCOUNT_ID else account,
            "secretAccessKey": DUMMY_SECRET_KEY,
            "sessionToken": "local",
        },
    }
    if key := action.store.get("encryptionKey"):
        data["encryptionKey"] = key
    if continuation:
        data["continuationToken"] = continuation
    return {"CodePipeline.job": {"id": action.run.id, "accountId": account, "data": data}}


def function(action: Context) -> None:
    from local_aws.services.functions import invoke

    name = action.configuration["FunctionName"]
    outputs = {one["name"]: action.new_place(one["name"]) for one in action.declaration["outputArtifacts"]}
    continuation, deadline = None, time.time() + _TIMEOUT
    while True:
        event = json.dumps(_event(action, outputs, continuation)).encode()
        try:
            answer = invoke(action.app, name, event, action.account, action.region)
        except Exception as error:
            raise ActionFailed("JobFailed", f"The function {name} cannot be invoked: {error}") from error
        if answer.function_error:
            said = answer.payload.decode("utf-8", "replace")[:500]
            raise ActionFailed(
                "JobFailed",
                f"The function {name} failed ({answer.function_error}) and gave no result: {said}",
            )
        try:
            result = action.wait(("job", action.run.id), max(0.0, deadline - time.time()))
        except TimeoutError:
            raise ActionFailed(
                "JobFailed",
                f"The function {name} gave no result within {_TIMEOUT / 60:.0f} minutes: it must call "
                "PutJobSuccessResult or PutJobFailureResult with the job's id",
            ) from None
        if details := result.get("failureDetails"):
            action.run.external_id = details.get("externalExecutionId") or ""
            raise ActionFailed(details["type"], details["message"])
        execution = result.get("executionDetails") or {}
        action.run.external_id = execution.get("externalExecutionId") or ""
        action.run.summary = execution.get("summary") or ""
        if not result.get("continuationToken"):
            break
        continuation = result["continuationToken"]
        action.changed()
        time.sleep(_AGAIN)
    action.run.variables = {k: str(v) for k, v in (result.get("outputVariables") or {}).items()}
    action.run.artifacts.update(outputs)
