"""S3 data into a host's folder, as SageMaker's File mode places it (Developer Guide, `S3DataSource`)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_aws.server.s3access import NoSuchObject, S3Access, S3Object, copy_file, split_uri
from local_aws.services.jobs.model import JobFailed


def no_objects(uri: str, region: str, role: str) -> JobFailed:
    bucket = uri[5:].split("/", 1)[0]
    return JobFailed(
        f'ClientError: Data download failed: No S3 objects found under S3 URL "{uri}" given in input data '
        "source. "
        f"Please ensure that the bucket exists in the selected region ({region}), that objects exist under "
        "that S3 "
        f'prefix, and that the role "{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )


def relative_name(key: str, prefix: str) -> str:
    """Where a key below an S3 prefix lands: below the prefix as a folder, else beside its last folder."""
    if key == prefix:
        return key.rsplit("/", 1)[-1]
    if prefix == "" or prefix.endswith("/"):
        return key[len(prefix) :]
    if key.startswith(prefix + "/"):
        return key[len(prefix) + 1 :]
    return key[prefix.rfind("/") + 1 :]


def _by_prefix(s3: S3Access, uri: str) -> list[tuple[str, S3Object]]:
    bucket, prefix = split_uri(uri)
    found = [o for o in s3.list(bucket, prefix) if not o.key.endswith("/")]
    return [(relative_name(o.key, prefix), o) for o in found]


def _by_manifest(s3: S3Access, uri: str) -> list[tuple[str, S3Object]]:
    """A ManifestFile: a JSON list whose first item is {"prefix": s3 uri} and whose others are relative
    keys."""
    bucket, key = split_uri(uri)
    try:
        manifest = json.loads(s3.get(bucket, key))
        head, names = manifest[0]["prefix"], [str(n) for n in manifest[1:]]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise JobFailed(
            f"ClientError: Data download failed: {uri} is no manifest file ({error!r})."
        ) from error
    found = []
    for name in names:
        data_bucket, data_key = split_uri(head + name)
        found.append((name, s3.head(data_bucket, data_key)))
    return found


def find(s3: S3Access, source: dict[str, Any], region: str, role: str) -> list[tuple[str, S3Object]]:
    """The objects of an `S3DataSource` with S3DataType S3Prefix or ManifestFile, and their names below it.

    Raises `JobFailed` in AWS's words when there are none.
    """
    uri = source["S3Uri"]
    try:
        listing = _by_manifest if source.get("S3DataType") == "ManifestFile" else _by_prefix
        found = listing(s3, uri)
    except (NoSuchObject, ValueError):
        found = []
    if not found:
        raise no_objects(uri, region, role)
    return found


def download(
    s3: S3Access,
    source: dict[str, Any],
    target: Path,
    region: str,
    role: str,
    host: int = 0,
    hosts: int = 1,
    check: Callable[[], None] = lambda: None,
) -> int:
    """Place an `S3DataSource`'s objects below `target`; the number of files.

    `ShardedByS3Key` gives each host its share of the sorted keys. `check` is called between files and may
    raise to give up. Raises `JobFailed` in AWS's words when there is nothing to download.
    """
    uri = source["S3Uri"]
    target.mkdir(parents=True, exist_ok=True)
    found = find(s3, source, region, role)
    if source.get("S3DataDistributionType") == "ShardedByS3Key":
        found = found[host::hosts]
    root = target.resolve()
    for name, item in found:
        check()
        file = target / name
        if not file.resolve().is_relative_to(root):
            raise JobFailed(
                f"ClientError: Data download failed: key {item.key!r} would leave the channel's folder."
            )
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            copy_file(item.path, file, item.size)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise JobFailed(
                f"ClientError: Data download failed: under {uri} the key {item.key!r} is both a file and a "
                "folder."
            ) from None
    return len(found)
