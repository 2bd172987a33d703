"""SageMaker training jobs that really run."""

from local_aws.server.app import LocalAwsApp
from local_aws.services.jobs.api import JobApi
from local_aws.services.training.executor import TrainingRunner
from local_aws.services.training.validation import KIND, validate


def register(app: LocalAwsApp) -> None:
    JobApi(KIND, TrainingRunner(app), validate).install()
