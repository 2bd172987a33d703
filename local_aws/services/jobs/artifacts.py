"""Results from folders to S3: as one tar.gz, or file by file."""

import tarfile
from pathlib import Path

from local_aws.server.s3access import NoSuchObject, S3Access, split_uri
from local_aws.services.jobs.model import JobFailed


def merged(folders: list[Path]) -> dict[str, Path]:
    """{relative name: file} of several hosts' folders; the first host wins where two have the same name."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() or path.is_symlink():
                found.setdefault(path.relative_to(folder).as_posix(), path)
    return found


def put_file(s3: S3Access, uri: str, file: Path, move: bool) -> None:
    try:
        s3.put(*split_uri(uri), file, move=move)
    except (NoSuchObject, ValueError) as error:
        raise JobFailed(f"ClientError: Artifact upload failed: {error}") from None


def upload_tar(s3: S3Access, folders: list[Path], uri: str, work: Path) -> None:
    """Tar and gzip the merged folders to the S3 object `uri`. `JobFailed` when its bucket does not exist."""
    archive = work / "artifact.tar.gz"
    # Level 1: weights hardly compress, and a higher level costs seconds.
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name, path in merged(folders).items():
            tar.add(path, name, recursive=False)
    put_file(s3, uri, archive, move=True)


def upload_files(s3: S3Access, folders: list[Path], uri: str) -> int:
    """Every file of the merged folders below the S3 prefix `uri`; how many."""
    files = merged(folders)
    for name, path in files.items():
        if path.is_file():
            put_file(s3, f"{uri.rstrip('/')}/{name}", path, move=False)
    return len(files)
