"""Run the labs headlessly with papermill: `python -m tools.run_labs [--force] [LAB …]`.

Starts local_aws when it is not running and stops it again; a lab whose inputs have not changed since
its last run is skipped. Ctrl-C ends every process that was started.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import papermill
import psutil
from nbclient.exceptions import DeadKernelError

from lab_lib.registry import list_versions
from lab_lib.settings import Lab, LabError
from local_aws import LocalAwsError
from tools import processes
from tools.backend import backend
from tools.labs import BUILD, RUNS, STAMPS, SUMMARY, Run, fingerprint

NEEDS_GIT = "01-Pipeline-Deployment"  # the last lab: told before the first one runs
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write(path: Path, content: dict) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1), encoding="utf-8")
    part.replace(path)


def outdated(runs: tuple[Run, ...], stamps: dict[str, str], backend: str, force: bool) -> list[Run]:
    """The runs to do: from the first one that has changed on, since a lab builds on the ones before it."""
    for index, run in enumerate(runs):
        if force or not run.output.exists() or stamps.get(run.name) != fingerprint(run, backend):
            return list(runs[index:])
    return []


def execute(run: Run) -> float:
    """Run one lab; returns the seconds it took. A failing cell raises papermill's error."""
    start = time.perf_counter()
    partial = run.output.with_suffix(".running.ipynb")
    papermill.execute_notebook(
        run.source,
        partial,
        parameters=run.parameters,
        cwd=run.source.parent,
        kernel_name="python3",
        progress_bar=True,
        start_timeout=120,
        extra_arguments=["--log-level=ERROR"],  # of the kernel, whose warnings would break the progress bar
    )
    partial.replace(run.output)
    return time.perf_counter() - start


def report(summary: dict) -> None:
    """Print what the labs made."""
    print("\nLabs (executed notebooks in build/labs/)")
    for name, seconds in summary.get("seconds", {}).items():
        print(f"  {name:<40} {seconds:6.1f} s")
    print(f"Model versions in {summary.get('model_package_group', 'no group')} (macro-F1 on the test split)")
    for row in summary.get("versions", []):
        score = "no metrics" if pd.isna(row["macro_f1"]) else f"{row['macro_f1']:.3f}"
        print(f"  version {row['version']:<3} {row['framework']:<12} {score}  {row['status']}")
    if "peak_memory_gib" in summary:
        wall, memory = summary["wall_seconds"], summary["peak_memory_gib"]
        print(f"The last run of all labs: wall time {wall:.0f} s, peak memory {memory:.2f} GiB")


def run_all(
    todo: list[Run], lab: Lab, local_pid: int | None, backend_name: str, stamps: dict, summary: dict
) -> int:
    """Run the labs one after the other and keep what came out; returns the exit status."""
    begin = time.perf_counter()
    try:
        with processes.PeakMemory(os.getpid(), *([local_pid] if local_pid else [])) as memory:
            for run in todo:
                print(f"\n{run.name}  {run.parameters or ''}", flush=True)
                stamp = fingerprint(run, backend_name)
                stamps.pop(run.name, None)
                try:
                    seconds = execute(run)
                except papermill.PapermillExecutionError as error:
                    partial = run.output.with_suffix(".running.ipynb")
                    print(f"\n{run.name} failed in cell {error.exec_count}:", file=sys.stderr)
                    print(f"{error.ename}: {error.evalue}", file=sys.stderr)
                    print(f"The notebook as far as it got: {partial}", file=sys.stderr)
                    return 1
                except DeadKernelError:
                    print(
                        f"\n{run.name}: its kernel died. When that happens on its own, the machine had too little "
                        "memory: the labs need up to 5 GiB.",
                        file=sys.stderr,
                    )
                    return 1
                stamps[run.name] = stamp
                summary.setdefault("seconds", {})[run.name] = round(seconds, 1)
                _write(STAMPS, stamps)
            # the group that the labs began with: stacks that a lab deploys bring one of their own
            summary["model_package_group"] = lab.model_package_group
            summary["versions"] = list_versions(lab).drop(columns="arn").to_dict("records")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
        processes.end(psutil.Process().children(recursive=True))
    if len(todo) == len(RUNS):  # figures of the whole workshop, not of a part of it
        summary["wall_seconds"] = round(time.perf_counter() - begin, 1)
        summary["peak_memory_gib"] = round(memory.peak / 2**30, 2)
    _write(SUMMARY, summary)
    report(summary)
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labs", nargs="*", help="names of runs (default: all that have changed)")
    parser.add_argument("--force", action="store_true", help="run the labs even when nothing has changed")
    args = parser.parse_args(argv)
    unknown = set(args.labs) - {run.name for run in RUNS}
    if unknown:
        parser.error(f"no lab {', '.join(sorted(unknown))}; there are: {', '.join(run.name for run in RUNS)}")

    backend_name = os.environ.get("LAB_BACKEND", "")
    stamps, summary = _read(STAMPS), _read(SUMMARY)
    todo = [run for run in RUNS if run.name in args.labs] or outdated(RUNS, stamps, backend_name, args.force)
    if not todo:
        print("The labs have not changed since their last run. `make workshop FORCE=1` runs them again.")
        report(summary)
        return 0

    if NEEDS_GIT in [run.name for run in todo] and not shutil.which("git"):
        print(
            f"git is not installed, and the lab {NEEDS_GIT} pushes with it. On Debian and Ubuntu: "
            "apt-get install git",
            file=sys.stderr,
        )
        return 1

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        BUILD.mkdir(parents=True, exist_ok=True)
        with backend() as (lab, local_pid):
            return run_all(todo, lab, local_pid, backend_name, stamps, summary)
    except (LabError, LocalAwsError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        print(f"The labs' results cannot be written: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; everything that was started has ended.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
