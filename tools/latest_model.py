"""Unpack the newest registered model of a framework: `python -m tools.latest_model huggingface FOLDER`."""

from __future__ import annotations

import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from urllib.parse import urlparse

from lab_lib.images import FRAMEWORKS
from lab_lib.registry import latest_approved
from tools.backend import backend


def main(framework: str, folder: str) -> None:
    """Replace `folder` by the content of the model.tar.gz of the framework's newest Approved version."""
    target = Path(folder).resolve()
    with backend() as (lab, _), tempfile.TemporaryFile() as file:
        container = latest_approved(lab, framework)["InferenceSpecification"]["Containers"][0]
        place = urlparse(container["ModelDataUrl"])
        lab.client("s3").download_fileobj(place.netloc, place.path.lstrip("/"), file)
        file.seek(0)
        shutil.rmtree(target, ignore_errors=True)
        with tarfile.open(fileobj=file) as archive:
            archive.extractall(target, filter="data")
    print(f"{container['ModelDataUrl']} is in {target}")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in FRAMEWORKS:
        sys.exit(f"usage: python -m tools.latest_model {{{','.join(FRAMEWORKS)}}} FOLDER")
    try:
        main(*sys.argv[1:])
    except LookupError as error:
        sys.exit(str(error))
