"""Batch transform jobs over the same serving processes as endpoints."""

from local_aws.server.app import LocalAwsApp
from local_aws.server.emulated import provides
from local_aws.services.jobs.api import JobApi


def register(app: LocalAwsApp) -> None:
    from local_aws.services.transform.executor import TransformRunner
    from local_aws.services.transform.validation import KIND, validate

    JobApi(KIND, TransformRunner(app), validate).install()
    verbs = ("Create", "Describe", "List", "Stop")
    provides(*(f"sagemaker:{verb}TransformJob{'s' * (verb == 'List')}" for verb in verbs))
