"""Fail when `lab_lib` is not what the notebooks export: `python -m tools.check_export`."""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.labs import ROOT


def differences(root: Path = ROOT) -> list[str]:
    """Files of `lab_lib` that differ from a fresh export of the notebooks, relative to `root`."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, root.name)
        copy.mkdir()
        shutil.copy(root / "pyproject.toml", copy)
        shutil.copytree(root / "nbs", copy / "nbs")
        (copy / "lab_lib").mkdir()
        (copy / "lab_lib" / "__init__.py").touch()
        command = [str(Path(sys.executable).with_name("nbdev-export"))]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"nbdev-export failed:\n{done.stderr}")
        mine = {path.relative_to(root) for path in (root / "lab_lib").rglob("*.py")}
        made = {path.relative_to(copy) for path in (copy / "lab_lib").rglob("*.py")}
        changed = {path for path in mine & made if not filecmp.cmp(root / path, copy / path, shallow=False)}
        return sorted(str(path) for path in (mine ^ made) | changed)


if __name__ == "__main__":
    different = differences()
    if different:
        sys.exit(
            f"lab_lib and the notebooks differ in {', '.join(different)}. Run `make export` and commit both."
        )
    print("lab_lib is what the notebooks export.")
