"""What a model runs: its image, artifact and environment, and the artifact's files on disk."""

import shutil
import tarfile
import zlib
from pathlib import Path

from moto.sagemaker.exceptions import ValidationError

from local_aws.runtime import images
from local_aws.server.s3access import NoSuchObject

KINDS = {"tensorflow-inference": "tensorflow", "huggingface-pytorch-inference": "huggingface"}


class ArtifactError(Exception):
    """The model artifact cannot be laid out; the message is fit for FailureReason."""


def resolve(backend, definition: dict) -> dict:
    """A ContainerDefinition as {"Image", "ModelData", "Compressed", "Environment"}.

    With ModelPackageName, the package's InferenceSpecification says it; the definition's own Environment goes
    on top. Raises `ValidationError` as CreateModel does, also for a package that is not Approved.
    """
    environment = dict(definition.get("Environment") or {})
    name = definition.get("ModelPackageName")
    if name:
        definition = _package_container(backend, name)
        environment = {**(definition.get("Environment") or {}), **environment}
    image = definition.get("Image")
    if not image:
        raise ValidationError(message="The container has no Image and no ModelPackageName; give one of them.")
    uri, compressed = _model_data(definition)
    return {"Image": image, "ModelData": uri, "Compressed": compressed, "Environment": environment}


def _model_data(definition: dict) -> tuple[str | None, bool]:
    source = (definition.get("ModelDataSource") or {}).get("S3DataSource")
    if source:
        return source["S3Uri"], source.get("CompressionType", "Gzip") != "None"
    return definition.get("ModelDataUrl"), True


def _package_container(backend, name: str) -> dict:
    package = next(
        (
            package
            for package in backend.model_packages.values()
            if name == package.arn
            or (name == package.model_package_name and not package.model_package_group_name)
        ),
        None,
    )
    if package is None:
        raise ValidationError(message=f"Could not find model package {name}.")
    status = package.model_approval_status
    if package.model_package_group_name and status != "Approved":
        raise ValidationError(
            message=f"Model package {package.arn} cannot be deployed: its ModelApprovalStatus is "
            f"{status or 'PendingManualApproval'}, not Approved."
        )
    containers = (package.inference_specification or {}).get("Containers") or []
    if len(containers) != 1:
        raise ValidationError(
            message=f"Model package {package.arn} has {len(containers)} containers; local_aws serves one."
        )
    return containers[0]


def check(app, container: dict) -> None:
    """Image and artifact exist. Raises `ValidationError` as CreateModel does."""
    try:
        images.resolve(container["Image"])
    except images.ImageError as error:
        raise ValidationError(message=str(error)) from None
    uri = container["ModelData"]
    if uri and not _objects(app, uri, container["Compressed"]):
        raise ValidationError(message=f"Could not find model data at {uri}.")


def serving_kind(repository: str) -> str:
    """Which of `local_aws.serving`'s kinds stands for an image's repository."""
    return KINDS.get(repository.rsplit("/", 1)[-1], "toolkit")


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _objects(app, uri: str, compressed: bool) -> list:
    if not uri.startswith("s3://"):
        return []
    bucket, key = _split(uri)
    try:
        found = app.s3_list(bucket, key)
    except NoSuchObject:  # no such bucket
        return []
    return [item for item in found if not compressed or item.key == key]


def lay_out(app, container: dict, folder: Path) -> None:
    """Put the artifact's files into `folder`, the instance's /opt/ml/model. Raises `ArtifactError`."""
    folder.mkdir(parents=True)
    uri = container["ModelData"]
    if not uri:
        return
    with app.lock:
        objects = _objects(app, uri, container["Compressed"])
    if not objects:
        raise ArtifactError(f"Could not find model data at {uri}.")
    if container["Compressed"]:
        try:
            with tarfile.open(objects[0].path, "r:*") as archive:
                archive.extractall(folder, filter="data")
                while archive.fileobj.read(2**20):  # to the end, where gzip's checksum is
                    pass
        except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
            raise ArtifactError(
                f"Failed to extract model data archive from URL {uri}: {error}. Please ensure that the "
                "object located at the URL is a valid tar.gz archive."
            ) from None
        return
    prefix = _split(uri)[1]
    for item in objects:
        relative = item.key[len(prefix) :].lstrip("/") or Path(item.key).name
        target = (folder / relative).resolve()
        if item.key.endswith("/") or not target.is_relative_to(folder.resolve()):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(item.path, target)
