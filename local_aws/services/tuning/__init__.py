"""Hyperparameter tuning jobs that really search: each try is a training job."""

from local_aws.server.app import LocalAwsApp
from local_aws.server.emulated import provides
from local_aws.services.jobs.api import JobApi

_VERBS = ("Create", "Describe", "List", "Stop", "Delete")


def register(app: LocalAwsApp) -> None:
    from local_aws.services.tuning import responses
    from local_aws.services.tuning.executor import TuningRunner
    from local_aws.services.tuning.record import TuningJob
    from local_aws.services.tuning.validation import KIND, validate

    api = JobApi(KIND, TuningRunner(app, app.jobs["Training"]), validate, TuningJob)
    api.install()
    responses.install(api)
    provides(*(f"sagemaker:{verb}HyperParameterTuningJob{'s' * (verb == 'List')}" for verb in _VERBS))
