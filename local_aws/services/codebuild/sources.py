"""A build's source in its folder: NO_SOURCE, S3, CODECOMMIT, or the artifacts that CodePipeline hands over."""

import re
import stat
import subprocess
import zipfile
from pathlib import Path
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.server.clients import client_of
from local_aws.services.codebuild.failures import PhaseFailed
from local_aws.services.codecommit.content import resolve
from local_aws.services.codecommit.errors import CodeCommitError
from local_aws.services.codecommit.git import environment, executable
from local_aws.services.codecommit.repositories import Repositories

KINDS = ("NO_SOURCE", "S3", "CODECOMMIT", "CODEPIPELINE")
_CODECOMMIT = re.compile(
    r"(?:https://git-codecommit\.(?P<aws>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/v1/repos"
    r"|http://(?:127\.0\.0\.1|localhost):\d+/v1(?:/regions/(?P<local>[a-z0-9-]+))?/repos)/(?P<name>[\w.-]+)"
)


def codecommit_location(location: str, region: str) -> tuple[str, str] | None:
    """(repository, region) of a clone URL, AWS's or this server's; None for any other text."""
    match = _CODECOMMIT.fullmatch(location or "")
    return (match["name"], match["aws"] or match["local"] or region) if match else None


def split_location(location: str) -> tuple[str, str]:
    """`bucket/key`, also as an ARN or S3 URI -> (bucket, key)."""
    text = re.sub(r"^(arn:aws[\w-]*:s3:::|s3://)", "", location)
    bucket, _, key = text.partition("/")
    return bucket, key


def unzip(archive: Path, target: Path) -> None:
    """Unpack with the files' modes. ValueError for a file that is no zip, or one that would leave `target`."""
    try:
        with zipfile.ZipFile(archive) as packed:
            root = target.resolve()
            for item in packed.infolist():
                path = target / item.filename
                if not path.resolve().is_relative_to(root):
                    raise ValueError(f"its entry {item.filename!r} would leave the source folder")
                mode = item.external_attr >> 16
                if stat.S_ISLNK(mode):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.symlink_to(packed.read(item).decode())
                    continue
                packed.extract(item, target)
                if mode & 0o777 and not item.is_dir():
                    path.chmod(mode & 0o777)
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from None


class Sources:
    """Fetches sources for the builds of one account and region."""

    def __init__(self, app: LocalAwsApp, account: str, region: str):
        self.app, self.account, self.region = app, account, region

    def fetch(self, source: dict[str, Any], version: str | None, target: Path) -> str | None:
        """Lay out the source in `target`; its resolved version (a commit id), if it has one. `PhaseFailed` says
        why it cannot be had."""
        target.mkdir(parents=True, exist_ok=True)
        kind = source["type"]
        if kind == "NO_SOURCE":
            return None
        if kind == "CODECOMMIT":
            return self._codecommit(source, version, target)
        bucket, key = split_location(source.get("location") or "")
        if key.endswith("/"):
            self._folder(bucket, key, target)
        else:
            self._zip(bucket, key, version if kind == "S3" else None, target)
        return source.get("revision")

    def _s3(self) -> Any:
        return client_of(self.app, "s3", self.account, self.region)

    def _get(self, bucket: str, key: str, file: Path, **more: str) -> None:
        from botocore.exceptions import ClientError

        try:
            body = self._s3().get_object(Bucket=bucket, Key=key, **more)["Body"]
        except ClientError as error:
            raise PhaseFailed(
                "CLIENT_ERROR",
                f"the source s3://{bucket}/{key} cannot be read: {error.response['Error']['Message']}",
            ) from None
        with file.open("wb") as out:
            for chunk in body.iter_chunks(1 << 20):
                out.write(chunk)

    def _zip(self, bucket: str, key: str, version: str | None, target: Path) -> None:
        archive = target.parent / f"{target.name}.zip"
        self._get(bucket, key, archive, **({"VersionId": version} if version else {}))
        try:
            unzip(archive, target)
        except ValueError as error:
            raise PhaseFailed(
                "CLIENT_ERROR",
                f"the source s3://{bucket}/{key} is no zip archive that can be unpacked: {error}",
            ) from None
        archive.unlink()

    def _folder(self, bucket: str, prefix: str, target: Path) -> None:
        from botocore.exceptions import ClientError

        pages = self._s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        except ClientError as error:
            raise PhaseFailed("CLIENT_ERROR", f"the source s3://{bucket}/{prefix}: {error}") from None
        if not keys:
            raise PhaseFailed("CLIENT_ERROR", f"the source s3://{bucket}/{prefix} has no objects")
        for key in keys:
            file = target / key[len(prefix) :]
            if key.endswith("/"):
                continue
            if not file.resolve().is_relative_to(target.resolve()):
                raise PhaseFailed("CLIENT_ERROR", f"the key {key!r} would leave the source folder")
            file.parent.mkdir(parents=True, exist_ok=True)
            self._get(bucket, key, file)

    def _codecommit(self, source: dict[str, Any], version: str | None, target: Path) -> str:
        found = codecommit_location(source.get("location", ""), self.region)
        if found is None:
            raise PhaseFailed("CLIENT_ERROR", f"{source.get('location')!r} is no clone URL of CodeCommit")
        name, region = found
        repositories = Repositories(self.app)
        try:
            repository = repositories.find(name, self.account, region)
            commit = resolve(repository, version)
        except CodeCommitError as error:
            raise PhaseFailed(
                "CLIENT_ERROR", f"{error.sentence} (primary source version {version})"
            ) from None
        depth = int(source.get("gitCloneDepth") or 0)
        # No hard links into the repository: a build may write what it likes. Any commit may be asked for.
        env = environment({"uploadpack.allowAnySHA1InWant": "true", "protocol.file.allow": "always"})
        bare = f"file://{repository.git.folder}"
        what = (
            [f"--depth={depth}", bare, commit]
            if depth
            else [bare, "+refs/heads/*:refs/remotes/origin/*", commit]
        )
        for arguments in (
            ["init", "--quiet", "--template=", "--initial-branch=main"],
            ["fetch", "--quiet", *what],
            ["checkout", "--quiet", "--detach", commit],
            ["remote", "add", "origin", repositories.clone_url(repository)],
        ):
            done = subprocess.run(
                [executable(), *arguments], cwd=target, env=env, stdin=subprocess.DEVNULL, capture_output=True
            )
            if done.returncode:
                said = done.stderr.decode("utf-8", "replace").strip()
                raise PhaseFailed("CLIENT_ERROR", f"git {arguments[0]} of repository {name} failed: {said}")
        return commit
