"""The actions that run here, by (category, owner, provider)."""

from collections.abc import Callable

from local_aws.services.codepipeline.actions import approval, build, deploy, invoke, source
from local_aws.services.codepipeline.actions.base import ActionFailed, Context

RUNNERS: dict[tuple[str, str, str], Callable[[Context], None]] = {
    ("Source", "AWS", "CodeCommit"): source.codecommit,
    ("Source", "AWS", "S3"): source.s3,
    ("Build", "AWS", "CodeBuild"): build.codebuild,
    ("Test", "AWS", "CodeBuild"): build.codebuild,
    ("Approval", "AWS", "Manual"): approval.manual,
    ("Deploy", "AWS", "S3"): deploy.s3,
    ("Invoke", "AWS", "Lambda"): invoke.function,
}


def run(action: Context) -> None:
    """Run the action to its end; its results are in `action.run`. `ActionFailed` or `Closed`."""
    kind = action.declaration["actionTypeId"]
    runner = RUNNERS.get((kind["category"], kind["owner"], kind["provider"]))
    if runner is None:
        raise ActionFailed(
            "ConfigurationError",
            f"{kind['category']} actions of {kind['provider']} are not emulated by local_aws. Use AWS for them.",
        )
    if not action.run.token:
        action.prepare()
    runner(action)


__all__ = ["ActionFailed", "Context", "run"]
