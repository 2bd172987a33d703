"""Waiting for what a server does on its own."""

import time


def until(look, seconds=20, every=0.03):
    """`look()` as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)
    return found
