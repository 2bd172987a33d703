"""Manual approval: the action waits for PutApprovalResult.

Source: CodePipeline user guide, "Manual approval action reference", "JSON data format for manual approval
notifications".
"""

import json
import time
import uuid

from botocore.exceptions import ClientError

from local_aws.services.codepipeline.actions.base import ActionFailed, Context, failed_call

DAYS = 7  # how long AWS waits


def _notify(action: Context, topic: str, expires: float) -> None:
    execution = action.execution
    link = f"{action.app.endpoint_url}/codepipeline/{execution.pipeline}"
    message = {
        "region": execution.region,
        "consoleLink": link,
        "approval": {
            "pipelineName": execution.pipeline,
            "stageName": action.run.stage,
            "actionName": action.run.action,
            "token": action.run.token,
            "expires": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(expires)),
            "externalEntityLink": action.configuration.get("ExternalEntityLink"),
            "approvalReviewLink": link,
            "customData": action.configuration.get("CustomData"),
        },
    }
    subject = f"APPROVAL NEEDED: AWS CodePipeline {execution.pipeline} for action {action.run.action}"
    try:
        action.client("sns").publish(TopicArn=topic, Subject=subject[:100], Message=json.dumps(message))
    except ClientError as error:
        raise failed_call(error, f"The topic {topic} cannot be notified") from error


def manual(action: Context) -> None:
    seconds = DAYS * 86400.0
    if minutes := action.declaration.get("timeoutInMinutes"):
        seconds = minutes * 60.0
    expires = action.run.started + seconds
    if not action.run.token:  # not after a restart: then the approval goes on waiting under its token
        action.run.token = str(uuid.uuid4())
        action.changed()
        if topic := action.configuration.get("NotificationArn"):
            _notify(action, topic, expires)
    if action.run.decision is None:  # else it was given just before the last server ended
        try:
            action.wait(("approval", action.run.token), max(0.0, expires - time.time()))
        except TimeoutError:
            raise ActionFailed(
                "JobFailed", "The approval was not given in time, so it counts as rejected"
            ) from None
    result = action.run.decision
    action.run.summary, action.run.updated_by = result["summary"], result["by"]
    action.run.variables = {"ApprovalSummary": result["summary"]}
    if result["status"] != "Approved":
        said = f": {result['summary']}" if result["summary"] else ""
        raise ActionFailed("JobFailed", f"The approval was rejected by {result['by']}{said}")
