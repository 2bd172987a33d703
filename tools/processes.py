"""Memory and end of a process tree."""

from __future__ import annotations

import threading

import psutil


def tree(*roots: int) -> list[psutil.Process]:
    """The processes with these ids and all their descendants, each once; what has ended is left out."""
    found: dict[int, psutil.Process] = {}
    for pid in roots:
        try:
            process = psutil.Process(pid)
            for member in (process, *process.children(recursive=True)):
                found[member.pid] = member
        except psutil.NoSuchProcess:
            continue
    return list(found.values())


def end(processes: list[psutil.Process], grace_seconds: float = 5) -> None:
    """Ask the processes to end, and kill those that have not after the grace."""
    for process in processes:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    stubborn = psutil.wait_procs(processes, timeout=grace_seconds)[1]
    for process in stubborn:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(stubborn, timeout=grace_seconds)


class PeakMemory:
    """Samples the resident memory of process trees from a thread: `peak` in bytes.

    Pages that processes share are counted once for each, so the figure is an upper bound.
    """

    def __init__(self, *roots: int, interval_seconds: float = 0.5):
        self.roots, self.interval, self.peak = list(roots), interval_seconds, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.interval):
            total = 0
            for process in tree(*self.roots):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, total)
