"""Inputs and outputs of a processing container below /opt/ml/processing, and its /opt/ml/config."""

import gzip
import json
import shutil
import tarfile
import time
import zlib
from pathlib import Path
from typing import Any

from local_aws.server.s3access import S3Access
from local_aws.services.jobs.artifacts import put_file
from local_aws.services.jobs.inputs import download
from local_aws.services.jobs.model import JobFailed

ROOT = "/opt/ml/"


def local_folder(host_folder: Path, inside: str) -> Path:
    """The real folder of a path that the container sees below /opt/ml."""
    return host_folder / Path(inside).relative_to(ROOT)


def write_config(folder: Path, request: dict[str, Any], arn: str, names: list[str], current: str) -> None:
    """/opt/ml/config/{processingjobconfig,resourceconfig}.json (Developer Guide, 'Build your own processing
    container')."""
    config = folder / "config"
    config.mkdir(parents=True)
    job = {
        "ProcessingJobArn": arn,
        **{
            k: v
            for k, v in request.items()
            if k
            in (
                "ProcessingJobName",
                "ProcessingInputs",
                "ProcessingOutputConfig",
                "ProcessingResources",
                "RoleArn",
            )
            or k in ("StoppingCondition", "AppSpecification", "Environment", "NetworkConfig")
        },
    }
    (config / "processingjobconfig.json").write_text(json.dumps(job, default=str), "utf-8")
    instance = request["ProcessingResources"]["ClusterConfig"]["InstanceType"]
    hosts = {"current_host": current, "hosts": names, "current_instance_type": instance}
    (config / "resourceconfig.json").write_text(json.dumps(hosts), "utf-8")


def _decompress(folder: Path) -> None:
    """`CompressionType: Gzip`: .tar.gz archives are unpacked beside themselves, .gz files decompressed."""
    for file in [p for p in folder.rglob("*.gz") if p.is_file()]:
        try:
            if tarfile.is_tarfile(file):
                with tarfile.open(file) as tar:
                    tar.extractall(file.parent, filter="data")
                    while tar.fileobj.read(2**20):  # to the end, where gzip's checksum is
                        pass
            else:
                with gzip.open(file) as source, file.with_suffix("").open("wb") as target:
                    shutil.copyfileobj(source, target)
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            raise JobFailed(
                f"ClientError: Data download failed: {file.name} is not valid gzip data ({error})."
            ) from error
        file.unlink()


def download_inputs(
    s3: S3Access, request: dict[str, Any], folder: Path, region: str, host: int, hosts: int, check: Any
) -> None:
    for item in request.get("ProcessingInputs") or []:
        source = item["S3Input"]
        target = local_folder(folder, source["LocalPath"])
        download(s3, source, target, region, request["RoleArn"], host, hosts, check)
        if source.get("S3CompressionType") == "Gzip":
            _decompress(target)


class Outputs:
    """`ProcessingOutputConfig` of one host: uploads at the end, or while the job runs (Continuous)."""

    def __init__(self, s3: S3Access, request: dict[str, Any], folder: Path):
        self._s3 = s3
        outputs = (request.get("ProcessingOutputConfig") or {}).get("Outputs") or []
        self._outputs = [o["S3Output"] for o in outputs if o.get("S3Output")]
        self._folder = folder
        self._seen: dict[Path, tuple[int, int]] = {}
        for output in self._outputs:
            local_folder(folder, output["LocalPath"]).mkdir(parents=True, exist_ok=True)

    @property
    def continuous(self) -> bool:
        return any(o["S3UploadMode"] == "Continuous" for o in self._outputs)

    def upload(self, end: bool) -> None:
        """Continuous outputs whose files are settled; all outputs at the `end`. `JobFailed` for a missing
        bucket."""
        for output in self._outputs:
            if not end and output["S3UploadMode"] != "Continuous":
                continue
            root = local_folder(self._folder, output["LocalPath"])
            for file in sorted(p for p in root.rglob("*") if p.is_file()):
                uri = f"{output['S3Uri'].rstrip('/')}/{file.relative_to(root).as_posix()}"
                try:
                    stat = file.stat()
                    mark = (stat.st_mtime_ns, stat.st_size)
                    if self._seen.get(file) == mark or (not end and time.time() - stat.st_mtime < 1):
                        continue
                    put_file(self._s3, uri, file, False)
                except FileNotFoundError:  # the running job removed it meanwhile
                    if end:
                        raise
                    continue
                self._seen[file] = mark
