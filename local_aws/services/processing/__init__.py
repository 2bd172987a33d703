"""SageMaker processing jobs that really run."""

from local_aws.server.app import LocalAwsApp
from local_aws.services.jobs.api import JobApi
from local_aws.services.processing.executor import ProcessingRunner
from local_aws.services.processing.validation import KIND, validate


def register(app: LocalAwsApp) -> None:
    JobApi(KIND, ProcessingRunner(app), validate).install()
