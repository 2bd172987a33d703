"""A build's artifacts: files chosen by the buildspec's patterns, to S3 as a zip or one by one (CodeBuild User Guide,
"Build specification reference", artifacts; API, `ProjectArtifacts`)."""

import glob
import hashlib
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.server.clients import client_of
from local_aws.services.codebuild.buildspec import Artifacts
from local_aws.services.codebuild.failures import PhaseFailed


@dataclass(frozen=True)
class Target:
    """Where an artifact goes: an S3 key (of the zip), or the prefix of its files when `zipped` is false."""

    bucket: str
    key: str
    zipped: bool


def _expression(pattern: str) -> re.Pattern:
    """A glob with `**` as a regular expression over relative paths."""
    out, index = "", 0
    while index < len(pattern):
        if pattern.startswith("**/", index):
            out, index = out + "(?:.*/)?", index + 3
        elif pattern.startswith("**", index):
            out, index = out + ".*", index + 2
        elif pattern[index] == "*":
            out, index = out + "[^/]*", index + 1
        elif pattern[index] == "?":
            out, index = out + "[^/]", index + 1
        elif pattern[index] == "[" and "]" in pattern[index + 2 :]:
            end = pattern.index("]", index + 2)
            inner = pattern[index + 1 : end]
            inner = "^" + inner[1:] if inner.startswith("!") else inner
            out, index = out + "[" + re.sub(r"([\\\\\[&~|])", r"\\\1", inner) + "]", end + 1
        else:
            out, index = out + re.escape(pattern[index]), index + 1
    return re.compile(out, re.DOTALL)


def collect(spec: Artifacts, source: Path) -> dict[str, Path]:
    """{name in the artifact: file}, sorted. `PhaseFailed` when the base folder or every file is missing."""
    root = source
    if spec.base:
        text = spec.base.rstrip("/") or "."
        found = [source / p for p in sorted(glob.glob(text, root_dir=source, include_hidden=True))]
        folders = [p for p in found if p.is_dir()]
        if not folders:
            raise PhaseFailed("CLIENT_ERROR", f"no matching base directory path found for {spec.base}")
        root = folders[0]
    if not root.resolve().is_relative_to(source.resolve()):
        raise PhaseFailed("CLIENT_ERROR", f"the base directory {spec.base} is outside of the source folder")
    excluded = [_expression(p.removeprefix("./")) for p in spec.exclude]
    files: dict[str, Path] = {}
    for pattern in spec.files:
        wanted = _expression(pattern.removeprefix("./"))
        if "*" in pattern or "?" in pattern or "[" in pattern:
            names = [p.relative_to(root).as_posix() for p in root.rglob("*")]
        else:
            names = [pattern.removeprefix("./")]
        for name in sorted(names):
            path = root / name
            if wanted.fullmatch(name) and path.is_file() and not any(e.fullmatch(name) for e in excluded):
                if ".." in Path(name).parts or name.startswith("/"):
                    raise PhaseFailed("CLIENT_ERROR", f"the artifact {name} is outside of the source folder")
                files[path.name if spec.discard_paths else name] = path
    if not files:
        raise PhaseFailed("CLIENT_ERROR", f"no matching artifact paths found for {', '.join(spec.files)}")
    return files


def target_of(artifact: dict[str, Any], build_id: str, name: str) -> Target:
    """Where `ProjectArtifacts` sends an artifact called `name`."""
    parts = [p for p in (artifact.get("path") or "").split("/") if p]
    if artifact.get("namespaceType") == "BUILD_ID":
        parts.append(build_id.partition(":")[2])
    parts += [p for p in name.split("/") if p]
    return Target(artifact["location"], "/".join(parts), artifact.get("packaging") == "ZIP")


def _zip(files: dict[str, Path], archive: Path) -> None:
    with zipfile.ZipFile(
        archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False
    ) as packed:
        for name, path in files.items():
            packed.write(path, name)


def upload(
    app: LocalAwsApp, account: str, region: str, files: dict[str, Path], target: Target, work: Path
) -> dict[str, str]:
    """Upload; the `BuildArtifacts` that BatchGetBuilds shows. `PhaseFailed` when S3 refuses."""
    from botocore.exceptions import ClientError

    s3 = client_of(app, "s3", account, region)
    try:
        if not target.zipped:
            for name, path in files.items():
                with path.open("rb") as body:
                    s3.put_object(Bucket=target.bucket, Key=f"{target.key}/{name}".lstrip("/"), Body=body)
            return {"location": f"arn:aws:s3:::{target.bucket}/{target.key}"}
        archive = work / "artifact.zip"
        _zip(files, archive)
        with archive.open("rb") as body:
            s3.put_object(Bucket=target.bucket, Key=target.key, Body=body)
    except ClientError as error:
        raise PhaseFailed(
            "CLIENT_ERROR", f"Error in uploading artifacts to s3://{target.bucket}/{target.key}: {error}"
        ) from None
    answer = {"location": f"arn:aws:s3:::{target.bucket}/{target.key}"}
    with archive.open("rb") as data:
        answer["sha256sum"] = hashlib.file_digest(data, "sha256").hexdigest()
        data.seek(0)
        answer["md5sum"] = hashlib.file_digest(data, "md5").hexdigest()
    archive.unlink()
    return answer
