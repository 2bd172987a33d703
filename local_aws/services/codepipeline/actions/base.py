"""What every action has to do with: its configuration, artifacts and variables, the account it acts in."""

import re
import secrets
import string
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local_aws.server.clients import client_of
from local_aws.services.accounts import trusts
from local_aws.services.codepipeline.executions import ActionRun, Execution
from local_aws.services.codepipeline.messages import Mailbox

_VARIABLE = re.compile(r"#\{([^{}.]+)\.([^{}]+)\}")
_ROLE = re.compile(r"arn:aws[\w-]*:iam::(\d{12}):role/.+")
_LETTERS = string.ascii_letters + string.digits


class ActionFailed(Exception):
    """The action's end. `code`: one of CodePipeline's (JobFailed, ConfigurationError, PermissionError …)."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def resolve(text: str, namespaces: dict[str, dict[str, str]]) -> str:
    """`text` with every `#{namespace.name}` replaced. ActionFailed when one is unknown."""

    def value(match: re.Match) -> str:
        namespace, name = match.groups()
        try:
            return namespaces[namespace][name]
        except KeyError:
            raise ActionFailed(
                "ConfigurationError",
                f"The variable {match.group(0)} cannot be resolved: no action before this one has given "
                f"{name!r} in the namespace {namespace!r}",
            ) from None

    return _VARIABLE.sub(value, text)


@dataclass
class Context:
    """One action that runs. `changed()` puts its record on disk."""

    app: Any
    mailbox: Mailbox
    execution: Execution
    declaration: dict[str, Any]
    run: ActionRun
    changed: Any

    def __post_init__(self) -> None:
        pattern = _ROLE.fullmatch(self.declaration.get("roleArn") or "")
        self.account = pattern.group(1) if pattern else self.execution.account
        self.region = self.declaration.get("region") or self.execution.region

    @property
    def configuration(self) -> dict[str, str]:
        return self.run.configuration

    def prepare(self) -> None:
        """Resolve the variables, find the input artifacts, take the action's role."""
        namespaces, made = self.execution.namespaces, self.execution.artifacts
        given = self.declaration["configuration"]
        self.run.configuration = {name: resolve(str(text), namespaces) for name, text in given.items()}
        for artifact in self.declaration["inputArtifacts"]:
            if artifact["name"] not in made:
                raise ActionFailed("JobFailed", f"The input artifact {artifact['name']} was not made")
            self.run.inputs[artifact["name"]] = made[artifact["name"]]
        self._take_role()

    def _take_role(self) -> None:
        """The pipeline's role must be able to assume the action's role (user guide, "Create a pipeline that uses
        resources from another account")."""
        arn = self.declaration.get("roleArn")
        if not arn:
            return
        with self.app.lock:
            backend = self.app.backend("iam", self.account)
            role = next((role for role in backend.roles.values() if role.arn == arn), None)
            policy = role.assume_role_policy_document if role else None
        caller = self.execution.structure["roleArn"]
        if policy is None or not trusts(policy, self.execution.account, caller):
            raise ActionFailed(
                "PermissionError",
                f"The provided role cannot be assumed: {caller} is not authorized to perform: sts:AssumeRole on "
                f"resource: {arn}",
            )

    def client(self, service: str) -> Any:
        """A client in the account of the action's role and in the action's region."""
        return client_of(self.app, service, self.account, self.region)

    # -- artifacts -----------------------------------------------------------------------------------------
    @property
    def store(self) -> dict[str, Any]:
        structure = self.execution.structure
        return structure.get("artifactStore") or structure["artifactStores"][self.execution.region]

    def new_place(self, artifact: str, suffix: str = "") -> dict[str, str]:
        """Bucket and key for an artifact to be made: parts of both names and some letters, as AWS does."""
        letters = "".join(secrets.choice(_LETTERS) for _ in range(7))
        key = f"{self.execution.pipeline[:20]}/{artifact[:10]}/{letters}{suffix}"
        return {"bucket": self.store["location"], "key": key}

    def put_artifact(self, artifact: str, data: bytes, **more: str) -> None:
        """Store the bytes of an output artifact; `more` is kept with its place (`revision`)."""
        place = self.new_place(artifact, ".zip")
        key = (self.store.get("encryptionKey") or {}).get("id")
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        s3 = client_of(self.app, "s3", self.execution.account, self.execution.region)
        try:
            s3.put_object(Bucket=place["bucket"], Key=place["key"], Body=data, **encryption)
        except ClientError as error:
            raise ActionFailed(
                "JobFailed", f"The artifact store {place['bucket']} takes nothing: {error}"
            ) from error
        self.run.artifacts[artifact] = {**place, **more}

    def get_artifact(self, artifact: str) -> bytes:
        place = self.run.inputs[artifact]
        s3 = client_of(self.app, "s3", self.execution.account, self.execution.region)
        try:
            return s3.get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
        except ClientError as error:
            raise ActionFailed(
                "JobFailed",
                f"The input artifact {artifact} (s3://{place['bucket']}/{place['key']}) is not there: {error}",
            ) from error

    def wait(self, key: Any, seconds: float) -> Any:
        """A message for this action. `Closed` when the execution is stopped and the action abandoned."""
        return self.mailbox.wait(key, seconds, also=("run", self.run.id))


def failed_call(error: ClientError, what: str) -> ActionFailed:
    """An AWS error of something that the action did, as the action's own."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return ActionFailed("JobFailed", f"{what}: {code}: {message}")
