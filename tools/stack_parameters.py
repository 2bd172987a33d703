"""What the stacks are deployed with: the values of params/, and those that only the place knows."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from lab_lib.settings import LabError
from tools.labs import ROOT
from tools.templates import FOLDER, template

PROJECT = "sagemaker-e2e-lab"  # the name that stands in the templates and in params/


def from_file(stack: str, environment: str) -> dict[str, str]:
    """The values of params/ENVIRONMENT.json, which the AWS CLI reads, too.

    Raises `LabError` when there is no such file or it is not a list of ParameterKey and ParameterValue.
    """
    file = FOLDER / stack / "params" / f"{environment}.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {entry["ParameterKey"]: str(entry["ParameterValue"]) for entry in content}
    except FileNotFoundError as error:
        known = ", ".join(sorted(path.stem for path in file.parent.glob("*.json")))
        raise LabError(f"There is no {file.relative_to(ROOT)}; there are: {known}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise LabError(
            f"{file.relative_to(ROOT)} is not a JSON list of ParameterKey and ParameterValue: {error!r}."
        ) from error


def repository_url() -> str:
    """The https address that this checkout was cloned from, without any user and password; "" when it has none."""
    command = ["git", "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.fullmatch(r"https://(?:[^@/]*@)?([A-Za-z0-9._~/-]+)", done.stdout.strip())
    return f"https://{found[1]}" if found else ""


def bucket_name(settings: dict[str, Any], account: str) -> str:
    """The bucket that 03 makes: the one of settings.ini, else PROJECT-ml-ACCOUNT-REGION.

    Not the bucket that the labs make for themselves where nothing is deployed, so that both may exist.
    """
    workshop = settings["workshop"]
    return settings["storage"]["bucket"] or f"{workshop['project']}-ml-{account}-{workshop['region']}"


def parameters(
    stack: str,
    settings: dict[str, Any],
    account: str,
    environment: str = "dev",
    given: dict[str, str] | None = None,
) -> dict[str, str]:
    """Name and value of each parameter of `stack`: what is `given`, else the file, else what the place knows.

    Names that begin with the workshop's default project begin with the project of `settings` instead. Raises
    `LabError` for a given name that the template does not have.
    """
    known = template(stack)["Parameters"]
    if unknown := set(given or {}) - known.keys():
        raise LabError(f"{stack} has no parameter {', '.join(sorted(unknown))}. It has: {', '.join(known)}.")
    project = settings["workshop"]["project"]
    file = from_file(stack, environment)
    # the account of 03, which makes the bucket
    owner = (given or {}).get("AccountIdDev") or file.get("AccountIdDev") or account
    place = {
        "SageMakerDomainName": project,
        "RepositoryUrl": repository_url(),
        "S3BucketName": bucket_name(settings, account),
        "S3BucketArtifacts": bucket_name(settings, owner),
        "ModelPackageGroupName": settings["registry"]["model_package_group"],
    }
    defaults = {name: str(parameter.get("Default", "")) for name, parameter in known.items()}
    named = {name: value for name, value in defaults.items() if PROJECT in value} | file
    values = {name: value.replace(PROJECT, project) for name, value in named.items()}
    values |= {name: value for name, value in place.items() if name in known and value}
    return values | (given or {})
