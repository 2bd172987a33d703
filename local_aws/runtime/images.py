"""Container images by their URI, and the Python environment that stands for one.

The Python of a framework image is the workshop's own environment: an overlay (a small virtual environment
of its own whose path includes the workshop's packages) gives a job `python3`, `pip3`, `torchrun` … first on
PATH, lets `pip install -r requirements.txt` find there what the image has, and takes what is installed on
top for itself.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import sysconfig
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9._/-]+?)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?"
)
# AWS's images by repository: kind, and the module that must be importable here to stand for the image.
_KNOWN = {
    "tensorflow-training": ("training", "tensorflow"),
    "tensorflow-inference": ("inference", "tensorflow"),
    "pytorch-training": ("training", "torch"),
    "pytorch-inference": ("inference", "torch"),
    "huggingface-pytorch-training": ("training", "transformers"),
    "huggingface-pytorch-inference": ("inference", "transformers"),
    "sagemaker-scikit-learn": ("processing", "sklearn"),
    "sagemaker-xgboost": ("training", "xgboost"),
}
_making = threading.Lock()
INSIDE = "/opt/job"  # where a job sees its overlay, home and tmp


class ImageError(ValueError):
    """The image cannot be used; the message is in SageMaker's words where it has some."""


@dataclass(frozen=True)
class Image:
    """`kind`: training | inference | processing. `python`: the interpreter that stands for the image."""

    uri: str
    repository: str
    tag: str
    kind: str
    python: Path


def resolve(uri: str) -> Image:
    """The image of a URI. `ImageError` for a URI that is none, an unknown repository, or a missing
    framework."""
    match = _URI.fullmatch(uri or "")
    if not match:
        raise ImageError(f"ClientError: Invalid image URI {uri!r}. It must name a repository in Amazon ECR.")
    repository, tag = match["repository"], match["tag"] or "latest"
    known = _KNOWN.get(repository.rsplit("/", 1)[-1])
    if known is None:
        raise ImageError(
            f"ClientError: Cannot find repository: {repository} in registry ID: {match['account']} Please "
            "check if "
            "your ECR repository exists and role has proper pull permissions for SageMaker. (local_aws "
            "stands in "
            f"for {', '.join(sorted(_KNOWN))}.)"
        )
    kind, module = known
    if importlib.util.find_spec(module) is None:
        raise ImageError(
            f"ClientError: local_aws stands in for {repository} with this Python environment, which has no "
            f"{module}. Install {module} in it, or use another image."
        )
    return Image(uri, repository, tag, kind, Path(os.path.realpath(sys.executable)))


@cache
def _scripts() -> dict[str, str]:
    """Console scripts of the workshop's environment, with the first `python3` on PATH as their interpreter."""
    found = {}
    for file in Path(sysconfig.get_path("scripts")).iterdir():
        if not file.is_file() or file.is_symlink() or file.stat().st_size > 20_000:
            continue
        try:
            first, _, rest = file.read_text("utf-8").partition("\n")
        except (UnicodeDecodeError, OSError):
            continue
        if first.startswith("#!") and "python" in first and not file.name.startswith("python"):
            found[file.name] = "#!/usr/bin/env python3\n" + rest
    return found


def template(home: Path) -> Path:
    """The folder of shared scripts; made once."""
    folder = home / "images" / "bin"
    marker = folder / ".complete"
    if not marker.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in _scripts().items():
            (folder / name).write_text(text, "utf-8")
            (folder / name).chmod(0o755)
        for name in ("pip3", "pip"):
            if name not in _scripts() and importlib.util.find_spec("pip"):
                (folder / name).write_text(
                    "#!/usr/bin/env python3\nimport runpy\nrunpy.run_module('pip', run_name='__main__')\n"
                )
                (folder / name).chmod(0o755)
        marker.touch()
    return folder


@cache
def _editable(packages: Path, changed: int) -> list[str]:
    """The `.dist-info` folders of what is installed in editable mode: its code is elsewhere, behind a .pth file.
    `changed` is the folder's time of change: what was found before is then no more true."""
    found = []
    for file in packages.glob("*.dist-info/direct_url.json"):
        with contextlib.suppress(ValueError, OSError):
            if json.loads(file.read_text("utf-8")).get("dir_info", {}).get("editable"):
                found.append(file.parent.name)
    return sorted(found)


def without_editable(packages: Path, home: Path) -> Path:
    """A folder of links to all that is in a site-packages folder, apart from editable installations.

    An overlay does not see their code; if it saw their metadata, `pip install` of a wheel of the same version would
    find nothing to do. Made once, and anew when something is installed.
    """
    changed = packages.stat().st_mtime_ns
    hidden = _editable(packages, changed)
    if not hidden:
        return packages
    mark = hashlib.blake2b(f"{packages} {changed} {hidden}".encode(), digest_size=8).hexdigest()
    folder = home / "images" / f"packages-{mark}"
    with _making:
        if not folder.exists():
            new = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            for entry in packages.iterdir():
                if entry.name not in hidden:
                    (new / entry.name).symlink_to(entry)
            new.rename(folder)
    return folder


def make_overlay(image: Image, home: Path, scratch: Path, editable: bool = True) -> dict[str, str]:
    """Lay out `scratch` (seen as `/opt/job`: env, home, tmp) and give the variables that select it.

    `editable=False`: hide what is installed in editable mode, for an overlay that may install a wheel of it.
    """
    env = scratch / "env"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = env / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (env / "bin").mkdir()
    for name in ("home", "tmp"):
        (scratch / name).mkdir()
    # A plain path line, not site.addsitedir: .pth files of the workshop (its editable checkout) stay out of jobs.
    paths = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    seen = [path if editable else str(without_editable(Path(path), home)) for path in paths]
    (packages / "image.pth").write_text("\n".join(seen) + "\n", "utf-8")
    (env / "pyvenv.cfg").write_text(
        f"home = {image.python.parent}\ninclude-system-site-packages = false\nversion = "
        f"{sys.version.split()[0]}\n"
    )
    for name in ("python", "python3", version):
        (env / "bin" / name).symlink_to(image.python)
    shared = template(home)
    return {
        "PATH": f"{INSIDE}/env/bin:{shared}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": f"{INSIDE}/home",
        "TMPDIR": f"{INSIDE}/tmp",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
