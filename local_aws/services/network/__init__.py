"""VPC networks: what AWS refuses and moto accepts, and who owns which network interface.

Subnets in their VPC's zones, deletes that wait for what depends on them (DependencyViolation), interfaces of
NAT gateways, interface endpoints and EFS mount targets that live in the subnet and cannot be deleted by hand.
"""

import os

from local_aws.server.app import LocalAwsApp
from local_aws.services.network import dependencies, endpoints, interfaces, rules, subnets


def register(app: LocalAwsApp) -> None:
    """Mend moto's EC2 and EFS backends."""
    # Without Amazon's machine images: no instance can be started here, and they are nine tenths of the state that
    # each change of a network writes.
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    interfaces.install()
    rules.install()
    subnets.install()
    endpoints.install()
    dependencies.install()
