"""The workshop's backend for as long as a tool needs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from lab_lib.settings import Lab, get_lab
from local_aws import client
from local_aws.config import load_settings
from tools.labs import ROOT


@contextmanager
def backend() -> Iterator[tuple[Lab, int | None]]:
    """The lab, and the process id of local_aws (None on AWS); a local_aws that was not running before is stopped.

    Raises `LabError` or `LocalAwsError` with the remedy when the backend cannot be used.
    """
    os.chdir(ROOT)
    home = load_settings().home
    before = client.find(home)
    local = None
    try:
        lab = get_lab(root=ROOT)
        local = client.find(home) if lab.backend == "local" else None
        yield lab, local.pid if local else None
    finally:
        if before is None:
            client.stop(home)
