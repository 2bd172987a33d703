"""One local AWS for all tests of this folder: a real server process on a free port, with a home of its own."""

import pytest
from servers import Jobs, clients_of, running_server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("local_aws")) as local:
        yield local


@pytest.fixture(scope="session")
def aws(server):
    return clients_of(server.endpoint_url)


@pytest.fixture(scope="session")
def bucket(aws):
    aws.s3.create_bucket(Bucket="lab-bucket")
    return "lab-bucket"


@pytest.fixture(scope="session")
def jobs(aws, bucket):
    return Jobs(aws, bucket)
