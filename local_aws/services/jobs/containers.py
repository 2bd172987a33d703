"""What every container of a job gets: its folders, its image's environment, its variables."""

from pathlib import Path
from typing import Any

from local_aws import telemetry
from local_aws.config import ACCOUNT_ID, DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY
from local_aws.runtime.images import INSIDE, Image, ImageError, make_overlay, resolve
from local_aws.runtime.sandbox import Sandbox
from local_aws.server.app import LocalAwsApp
from local_aws.services.jobs.hosts import Host
from local_aws.services.jobs.model import JobFailed


def image_of(uri: str) -> Image:
    """`JobFailed` in SageMaker's words when the image cannot be used."""
    try:
        return resolve(uri)
    except ImageError as error:
        raise JobFailed(str(error)) from None


def base_environment(app: LocalAwsApp, region: str, account: str = ACCOUNT_ID) -> dict[str, str]:
    """AWS access for a container: this server and dummy keys of the account, nothing of the caller's."""
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": app.endpoint_url,
        "AWS_ACCESS_KEY_ID": DUMMY_ACCESS_KEY if account == ACCOUNT_ID else account,
        "AWS_SECRET_ACCESS_KEY": DUMMY_SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        telemetry.VARIABLE: str(telemetry.opt_out_file(app.home)),
    }


def make_host(
    app: LocalAwsApp,
    work: Path,
    name: str,
    names: list[str],
    image: Image,
    variables: dict[str, str],
    log: Any,
    code: list[str],
    network: bool,
) -> Host:
    """A host's folders below `work/NAME`: `ml` is its /opt/ml, `job` its environment."""
    folder, scratch = work / name / "ml", work / name / "job"
    folder.mkdir(parents=True)
    scratch.mkdir()
    env = {**make_overlay(image, app.home, scratch), **variables}
    sandbox = Sandbox(
        folder, hostname=name, env=env, hosts=names, binds={INSIDE: scratch}, code=code, network=network
    )
    return Host(name, folder, sandbox, log)
