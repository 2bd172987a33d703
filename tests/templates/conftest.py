"""A local AWS of these tests' own, and the tool that deploys, run as a person would run it."""

import pytest
from places import ACCOUNT, Checkout, clients

from local_aws import client
from tools.stack_events import Stacks


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    made = Checkout(tmp_path_factory.mktemp("stacks"))
    yield made
    client.stop(made.folder / ".local_aws")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    local = client.ensure_started(tmp_path_factory.mktemp("local_aws"), 0, quiet=True)
    yield local
    client.stop(local.home)


@pytest.fixture
def region_of(server):
    """Clients of a region of the server in which nothing else happens, and the stacks there."""

    def make(region, account=ACCOUNT):
        aws = clients(server.endpoint_url, account, region)
        return aws, Stacks(aws.cloudformation, pause_seconds=0.1)

    return make
