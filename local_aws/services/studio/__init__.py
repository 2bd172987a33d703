"""SageMaker Studio: domains with their file system and network, user profiles, spaces, apps, lifecycle configurations.

What a domain leaves in a VPC is real here (moto's EFS and EC2 backends), and deletes are refused in AWS's order:
apps, spaces, user profiles, domain. An app is its record, network interface and status; no IDE is started.
Sources: Amazon SageMaker API reference; developer guide, "Delete an Amazon SageMaker AI domain" and "Connect Studio
notebooks in a VPC to external resources".
"""

from moto.sagemaker.responses import SageMakerResponse

from local_aws.server.app import LocalAwsApp
from local_aws.services.studio import apps, domains, lifecycle, spaces, tags, users


def register(app: LocalAwsApp) -> None:
    """Give moto's SageMaker the operations."""
    for module in (domains, users, spaces, apps, lifecycle):
        for function in module.OPERATIONS:
            setattr(SageMakerResponse, function.__name__, function)
    tags.install()
