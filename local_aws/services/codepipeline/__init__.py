"""CodePipeline: executions really run their actions, stage by stage.

Not emulated: execution mode PARALLEL, stage conditions, RollbackStage, custom actions, webhooks, and the action
types that `catalog` does not mark as run here.
"""

from typing import Any

from local_aws.config import ACCOUNT_ID, DEFAULT_REGION
from local_aws.server.app import LocalAwsApp
from local_aws.server.emulated import provides


def start(
    app: LocalAwsApp,
    name: str,
    account: str = ACCOUNT_ID,
    region: str = DEFAULT_REGION,
    *,
    trigger: dict[str, str],
    **given: Any,
) -> str:
    """Start a pipeline from within; the execution's id. `trigger`: `triggerType` and `triggerDetail`; `given`:
    `variables` and `sourceRevisions` as in StartPipelineExecution. CodePipeline's errors are moto's
    `JsonRESTError`."""
    from local_aws.services.codepipeline.starting import begin

    return begin(app.codepipeline, name, account, region, trigger, **given)


def register(app: LocalAwsApp) -> None:
    from local_aws.services.codebuild import on_finished
    from local_aws.services.codepipeline import control, responses
    from local_aws.services.codepipeline.engine import Engine
    from local_aws.services.codepipeline.starting import start_after_push, start_after_put
    from local_aws.services.events.buckets import on_object_created

    app.codepipeline = Engine(app)
    app.events.listen(lambda event: start_after_push(app.codepipeline, event))
    on_object_created(lambda account, bucket, key: start_after_put(app.codepipeline, bucket, key))
    actions = responses.install(app.codepipeline) + control.install(app.codepipeline)
    provides(*(f"codepipeline:{action}" for action in actions))
    on_finished(
        lambda build_id, status, account, region: app.codepipeline.mailbox.post(("build", build_id), status)
    )
