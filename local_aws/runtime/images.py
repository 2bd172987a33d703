"""Container images by their URI, and the Python environment that stands for one.

The Python of a framework image is the workshop's own environment: an overlay (a small virtual environment
of its own whose path includes the workshop's packages) gives a job `python3`, `pip3`, `torchrun` … first on
PATH, lets `pip install -r requirements.txt` find there what the image has, and takes what is installed on
top for itself.
"""

import importlib.util
import os
import re
import sys
import sysconfig
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


def make_overlay(image: Image, home: Path, scratch: Path) -> dict[str, str]:
    """Lay out `scratch` (seen as `/opt/job`: env, home, tmp) and give the variables that select it."""
    env = scratch / "env"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = env / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (env / "bin").mkdir()
    for name in ("home", "tmp"):
        (scratch / name).mkdir()
    # A plain path line, not site.addsitedir: .pth files of the workshop (its editable checkout) stay out of jobs.
    paths = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (packages / "image.pth").write_text("\n".join(paths) + "\n", "utf-8")
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
