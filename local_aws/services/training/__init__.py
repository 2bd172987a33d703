"""SageMaker training jobs that really run."""

from local_aws.server.app import LocalAwsApp
from local_aws.services.training.executor import TrainingRunner
from local_aws.services.training.responses import install


def register(app: LocalAwsApp) -> None:
    install(TrainingRunner(app))
