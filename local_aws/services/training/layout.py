"""What a training container finds below /opt/ml (Developer Guide: 'How Amazon SageMaker AI provides training
information', and the files that the SDK's own drivers read)."""

import json
import threading
import time
from pathlib import Path
from typing import Any

from local_aws.server.s3access import NoSuchObject, S3Access, split_uri
from local_aws.services.jobs.inputs import download, relative_name
from local_aws.services.jobs.model import JobFailed


def resource_config(names: list[str], current: str, resources: dict[str, Any]) -> dict[str, Any]:
    """resourceconfig.json. The interface is `lo`: all hosts are on this machine."""
    instance = resources.get("InstanceType", "local")
    return {
        "current_host": current,
        "current_instance_type": instance,
        "current_group_name": "homogeneousCluster",
        "hosts": names,
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": names}
        ],
        "network_interface_name": "lo",
    }


def write_config(folder: Path, request: dict[str, Any], names: list[str], current: str) -> None:
    """The JSON files of /opt/ml/input/config, and the folders that a container may write."""
    for part in ("model", "code", "output/data", "input/config", "input/data", "checkpoints"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    channels = {
        c["ChannelName"]: {
            "TrainingInputMode": c.get("InputMode")
            or request["AlgorithmSpecification"].get("TrainingInputMode", "File"),
            "S3DistributionType": c["DataSource"]["S3DataSource"].get(
                "S3DataDistributionType", "FullyReplicated"
            ),
            "RecordWrapperType": c.get("RecordWrapperType", "None"),
            **({"ContentType": c["ContentType"]} if c.get("ContentType") else {}),
        }
        for c in request.get("InputDataConfig") or []
    }
    files: dict[str, Any] = {
        "hyperparameters": request.get("HyperParameters") or {},
        "inputdataconfig": channels,
        "resourceconfig": resource_config(names, current, request["ResourceConfig"]),
    }
    if checkpoint := request.get("CheckpointConfig"):
        files["checkpointconfig"] = checkpoint
    for name, content in files.items():
        (folder / "input" / "config" / f"{name}.json").write_text(json.dumps(content), "utf-8")


def download_channels(
    s3: S3Access, request: dict[str, Any], folder: Path, region: str, host: int, hosts: int, check: Any
) -> None:
    """Every channel of the request below /opt/ml/input/data of one host."""
    for channel in request.get("InputDataConfig") or []:
        target = folder / "input" / "data" / channel["ChannelName"]
        source = channel["DataSource"]["S3DataSource"]
        download(s3, source, target, region, request["RoleArn"], host, hosts, check)


class Checkpoints:
    """`CheckpointConfig`: the folder comes from S3 before the start and goes there while the job runs and
    after."""

    def __init__(self, s3: S3Access, config: dict[str, Any]):
        self._s3 = s3
        self.bucket, prefix = split_uri(config["S3Uri"])
        self.prefix = prefix.rstrip("/") + "/" if prefix else ""
        self.inside = config.get("LocalPath") or "/opt/ml/checkpoints"
        self._seen: dict[Path, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def folder(self, host_folder: Path) -> Path:
        return host_folder / Path(self.inside).relative_to("/opt/ml")

    def fetch(self, host_folder: Path) -> None:
        target = self.folder(host_folder)
        target.mkdir(parents=True, exist_ok=True)
        try:
            found = [o for o in self._s3.list(self.bucket, self.prefix) if not o.key.endswith("/")]
        except NoSuchObject as error:
            raise JobFailed(f"ClientError: Checkpoint download failed: {error}.") from None
        for item in found:
            file = target / relative_name(item.key, self.prefix)
            if not file.resolve().is_relative_to(target.resolve()):
                raise JobFailed(
                    f"ClientError: Checkpoint download failed: key {item.key!r} would leave the folder."
                )
            file.parent.mkdir(parents=True, exist_ok=True)
            self._s3.download(self.bucket, item.key, file)
            self._seen[file] = self._mark(file)

    @staticmethod
    def _mark(file: Path) -> tuple[int, int]:
        stat = file.stat()
        return stat.st_mtime_ns, stat.st_size

    def upload(self, host_folder: Path, settled: float = 0.0) -> None:
        """Put changed files to S3; `settled`: only those not written to for so many seconds."""
        root = self.folder(host_folder)
        with self._lock:
            for file in sorted(p for p in root.rglob("*") if p.is_file()):
                try:
                    mark = self._mark(file)
                    if self._seen.get(file) == mark or time.time() - mark[0] / 1e9 < settled:
                        continue
                    self._s3.put(self.bucket, self.prefix + file.relative_to(root).as_posix(), file)
                    self._seen[file] = mark
                except FileNotFoundError:
                    continue  # the job removed it meanwhile
