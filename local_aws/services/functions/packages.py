"""What a function's process imports: its code from the zip, and what Lambda's Python runtime has."""

import importlib.metadata
import io
import os
import re
import shutil
import stat
import zipfile
from pathlib import Path

RUNTIME = Path(__file__).parent / "runtime"
MAX_UNZIPPED = 250 * 2**20  # bytes; Lambda quotas, "Deployment package (.zip file archive) size"


class BadPackage(ValueError):
    """The zip cannot be used; the message is Lambda's."""


def _distributions(name: str, found: dict[str, importlib.metadata.Distribution]) -> None:
    """`name` and all that it needs, without extras."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in found:
        return
    found[key] = importlib.metadata.distribution(name)
    for requirement in found[key].requires or []:
        if "extra ==" not in requirement:
            _distributions(re.match(r"[\w.-]+", requirement)[0], found)


def make_runtime(folder: Path) -> None:
    """Lay out /var/runtime: the bootstrap, and links to boto3 with what it needs. Nothing else of this Python
    environment is there, as on AWS: a function brings its packages in its zip."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(RUNTIME / "bootstrap.py", folder / "bootstrap.py")
    found: dict[str, importlib.metadata.Distribution] = {}
    _distributions("boto3", found)
    for distribution in found.values():
        for file in distribution.files or []:
            top = file.parts[0]
            if top in ("..", "__pycache__") or (folder / top).exists():
                continue
            (folder / top).symlink_to(Path(distribution.locate_file(top)).resolve())


def check_zip(data: bytes) -> None:
    """Raise `BadPackage` for what CreateFunction refuses."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if not archive.namelist():
                raise BadPackage("Uploaded file must be a non-empty zip")
            size = sum(item.file_size for item in archive.infolist())
            for item in archive.infolist():
                if item.filename.startswith("/") or ".." in Path(item.filename).parts:
                    raise BadPackage(f"The zip's entry {item.filename!r} would leave the function's folder.")
                if item.flag_bits & 1:
                    raise BadPackage(f"The zip's entry {item.filename!r} is encrypted.")
    except zipfile.BadZipFile:
        raise BadPackage(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from None
    if size > MAX_UNZIPPED:
        raise BadPackage(f"Unzipped size must be smaller than {MAX_UNZIPPED} bytes")


def unpack(data: bytes, folder: Path) -> Path:
    """The zip's files below `folder/task`, once: `folder` is named by the zip's digest. The task folder."""
    task = folder / "task"
    if task.is_dir():
        return task
    partial = folder / f"unpacking-{os.getpid()}-{os.urandom(4).hex()}"
    root = partial.resolve()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for item in archive.infolist():
            target = (partial / item.filename).resolve()
            if not target.is_relative_to(root):
                raise BadPackage(f"The zip's entry {item.filename!r} would leave the function's folder.")
            if item.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(item) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
            if (item.external_attr >> 16) & stat.S_IXUSR:
                target.chmod(0o755)
    try:
        partial.rename(task)
    except OSError:  # another invocation was first
        shutil.rmtree(partial)
    return task


def inline_zip(source: str) -> bytes:
    """The package that CloudFormation makes of `ZipFile` text: `index.py`, and `cfnresponse` beside it."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (
            ("index.py", source),
            ("cfnresponse.py", (RUNTIME / "cfnresponse.py").read_text()),
        ):
            entry = zipfile.ZipInfo(name)  # a fixed date: the same text has the same digest
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text)
    return data.getvalue()
