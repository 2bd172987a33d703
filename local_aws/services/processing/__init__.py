"""SageMaker processing jobs that really run."""

from local_aws.server.app import LocalAwsApp
from local_aws.services.processing.executor import ProcessingRunner
from local_aws.services.processing.responses import install


def register(app: LocalAwsApp) -> None:
    install(ProcessingRunner(app))
