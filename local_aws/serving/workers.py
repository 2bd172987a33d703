"""The threads that run the model: the process's main thread first, as in a worker process of AWS's server.

What libraries keep per thread (thread pools of numeric libraries, signal handlers, database connections) then
behaves for handlers as it does there; threads that speak HTTP never enter the model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue


class Workers:
    """`count` threads that take calls in turn, the caller of `run` being one of them."""

    def __init__(self, count: int):
        self.count = count
        self._calls: SimpleQueue = SimpleQueue()

    def call(self, function: Callable, argument):
        """Run `function(argument)` in a worker and return its result; called from any other thread."""
        future: Future = Future()
        self._calls.put((future, function, argument))
        return future.result()

    def run(self) -> None:
        """Start the other workers, then be one; never returns."""
        for number in range(1, self.count):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()
        self._work()

    def _work(self) -> None:
        while True:
            future, function, argument = self._calls.get()
            try:
                future.set_result(function(argument))
            except BaseException as error:  # the worker outlives whatever a call raises
                future.set_exception(error)
