"""The runs of the labs that make up the workshop, in their order, and where their results go."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "labs"
STAMPS = BUILD / "fingerprints.json"
SUMMARY = BUILD / "summary.json"


@dataclass(frozen=True)
class Run:
    """One execution of a notebook with papermill."""

    name: str  # of the executed notebook and on the screen
    notebook: str  # relative to the checkout
    parameters: dict = field(default_factory=dict)

    @property
    def source(self) -> Path:
        return ROOT / self.notebook

    @property
    def output(self) -> Path:
        return BUILD / f"{self.name}.ipynb"


TRAIN = "nbs/00-ml-build-train/01-Train-Build-Model.ipynb"
RUNS = (
    Run("00-Data-Visualization", "nbs/00-ml-build-train/00-Data-Visualization.ipynb"),
    Run("01-Train-Build-Model-tensorflow", TRAIN, {"framework": "tensorflow"}),
    Run("01-Train-Build-Model", TRAIN, {"framework": "huggingface"}),
    Run("03-SageMaker-Pipeline-Training", "nbs/00-ml-build-train/03-SageMaker-Pipeline-Training.ipynb"),
    Run(
        "00-Deploy-SageMaker-Endpoint-Monitor", "nbs/01-ml-deploy/00-Deploy-SageMaker-Endpoint-Monitor.ipynb"
    ),
    # the last one: it deploys the stacks, and the names that labs work with are then theirs
    Run("01-Pipeline-Deployment", "nbs/01-ml-deploy/01-Pipeline-Deployment.ipynb"),
)

# Everything that a lab's outputs depend on, dependencies included: a changed pin runs the labs again.
_INPUTS = (
    "lab_lib/**/*.py",
    "local_aws/**/*.py",
    "data/*",
    "infrastructure_templates/*/*",
    "infrastructure_templates/*/params/*",
    "seed_code/**/*",
    "settings.ini",
    "pyproject.toml",
    "constraints.txt",
)


def fingerprint(run: Run, backend: str, root: Path = ROOT) -> str:
    """SHA-256 over the notebook, its parameters and all that its outputs depend on."""
    digest = hashlib.sha256(
        json.dumps([run.name, run.parameters, backend, platform.python_version()]).encode()
    )
    files = {root / run.notebook} | {
        path for pattern in _INPUTS for path in root.glob(pattern) if path.is_file()
    }
    for path in sorted(files):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
