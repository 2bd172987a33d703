"""The environment of a build: the built-in variables, and those of the buildspec, the project and StartBuild.

Where a name is in several places, StartBuild wins over the project, and the project over the buildspec (User Guide,
"Environment variables in build environments").
"""

import json
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.server.clients import client_of
from local_aws.services.codebuild.buildspec import Buildspec
from local_aws.services.codebuild.failures import PhaseFailed


def split_secret(reference: str) -> tuple[str, str, str, str]:
    """`secret-id:json-key:version-stage:version-id` -> its four parts, empty where they are missing. The id may be
    an ARN, which has colons of its own."""
    parts = reference.split(":")
    head = 7 if reference.startswith("arn:") else 1
    rest = parts[head:] + ["", "", ""]
    return ":".join(parts[:head]), rest[0], rest[1], rest[2]


class Variables:
    """Resolves the variables of a build; `secrets` are the values that no log may show."""

    def __init__(self, app: LocalAwsApp, account: str, region: str):
        self.app, self.account, self.region = app, account, region
        self.secrets: list[str] = []
        self.hidden: set[str] = set()  # names whose values are secrets

    def resolve(self, spec: Buildspec, given: list[dict[str, str]]) -> dict[str, str]:
        """{name: value}. `given`: `EnvironmentVariable`s of project and StartBuild, in this order."""
        wanted = [(n, "PLAINTEXT", v) for n, v in spec.variables.items()]
        wanted += [(n, "PARAMETER_STORE", v) for n, v in spec.parameters.items()]
        wanted += [(n, "SECRETS_MANAGER", v) for n, v in spec.secrets.items()]
        wanted += [(v["name"], v.get("type") or "PLAINTEXT", v["value"]) for v in given]
        last = {name: (kind, value) for name, kind, value in wanted}
        found = {}
        for name, (kind, value) in last.items():
            if kind == "PARAMETER_STORE":
                value = self._parameter(name, value)
            elif kind == "SECRETS_MANAGER":
                value = self._secret(name, value)
            found[name] = value
        return found

    def _hide(self, name: str, value: str) -> str:
        self.secrets.append(value)
        self.hidden.add(name)
        return value

    def _parameter(self, name: str, parameter: str) -> str:
        from botocore.exceptions import ClientError

        ssm = client_of(self.app, "ssm", self.account, self.region)
        try:
            found = ssm.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            missing = "parameter does not exist" if code == "ParameterNotFound" else str(error)
            raise PhaseFailed(
                "Decrypted Variables Error", f"{missing}: {parameter} (for the variable {name})"
            ) from None
        return self._hide(name, found["Value"])  # of whatever type, as AWS does

    def _secret(self, name: str, reference: str) -> str:
        from botocore.exceptions import ClientError

        identifier, key, stage, version = split_secret(reference)
        request = {"SecretId": identifier}
        request |= {"VersionStage": stage} if stage else {}
        request |= {"VersionId": version} if version else {}
        secrets = client_of(self.app, "secretsmanager", self.account, self.region)
        try:
            text = secrets.get_secret_value(**request).get("SecretString")
        except ClientError as error:
            said = error.response["Error"]
            raise PhaseFailed(
                "Secrets Manager Error Message",
                f"{said['Code']}: {said['Message']} ({identifier}, for the variable {name})",
            ) from None
        if text is None:
            raise PhaseFailed(
                "Secrets Manager Error Message", f"the secret {identifier} is binary: it has no text"
            )
        if not key:
            return self._hide(name, text)
        self.secrets.append(text)
        try:
            value = json.loads(text)[key]
        except (ValueError, KeyError, TypeError):
            raise PhaseFailed(
                "Secrets Manager Error Message",
                f"the secret {identifier} has no JSON key {key} (variable {name})",
            ) from None
        return self._hide(name, value if isinstance(value, str) else json.dumps(value))


def builtin(
    record: dict[str, Any], folder: str, secondary: dict[str, str], resolved: str | None
) -> dict[str, str]:
    """The variables that CodeBuild sets. `folder`: of the source, inside; `secondary`: {identifier: folder}."""
    source, logs = record["source"], record["logs"]
    kind, location = source["type"], source.get("location") or ""
    found = {
        "CODEBUILD_BUILD_ARN": record["arn"],
        "CODEBUILD_BUILD_ID": record["id"],
        "CODEBUILD_BUILD_IMAGE": record["environment"]["image"],
        "CODEBUILD_BUILD_NUMBER": str(record["buildNumber"]),
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_CI": "true",
        "CI": "true",
        "CODEBUILD_INITIATOR": record["initiator"],
        "CODEBUILD_KMS_KEY_ID": record.get("encryptionKey") or "",
        "CODEBUILD_LOG_PATH": logs.get("streamName") or "",
        "CODEBUILD_PROJECT_ARN": record["arn"].split(":build/")[0] + f":project/{record['projectName']}",
        "CODEBUILD_SOURCE_REPO_URL": f"s3://{location}"
        if kind == "S3"
        else location
        if kind == "CODECOMMIT"
        else "",
        "CODEBUILD_SOURCE_VERSION": record.get("sourceVersion") or "",
        "CODEBUILD_SRC_DIR": folder,
        "CODEBUILD_START_TIME": str(int(record["startTime"] * 1000)),
    }
    if resolved:
        found["CODEBUILD_RESOLVED_SOURCE_VERSION"] = resolved
    return {**found, **{f"CODEBUILD_SRC_DIR_{name}": path for name, path in secondary.items()}}
