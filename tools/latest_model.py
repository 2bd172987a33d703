"""Unpack the newest registered model of a framework: `python -m tools.latest_model huggingface FOLDER`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from urllib.parse import urlparse

from botocore.exceptions import BotoCoreError, ClientError

from lab_lib.images import FRAMEWORKS
from lab_lib.registry import latest_approved
from lab_lib.settings import LabError
from local_aws import LocalAwsError
from tools.backend import backend


def unpack(framework: str, folder: str) -> str:
    """Replace `folder` by the content of the model.tar.gz of the framework's newest Approved version.

    Returns the archive's address. Raises `LookupError` when nothing is approved, and what `backend` raises.
    """
    target = Path(folder).resolve()
    with backend() as (lab, _), tempfile.TemporaryFile() as file:
        container = latest_approved(lab, framework)["InferenceSpecification"]["Containers"][0]
        place = urlparse(container["ModelDataUrl"])
        lab.client("s3").download_fileobj(place.netloc, place.path.lstrip("/"), file)
        file.seek(0)
        shutil.rmtree(target, ignore_errors=True)
        with tarfile.open(fileobj=file) as archive:
            archive.extractall(target, filter="data")
    return container["ModelDataUrl"]


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("folder", help="where the model's files go; what is there is replaced")
    args = parser.parse_args(argv)
    try:
        print(f"{unpack(args.framework, args.folder)} is in {Path(args.folder).resolve()}")
    except (LookupError, LabError, LocalAwsError) as error:
        print(error, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"The model cannot be fetched: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
