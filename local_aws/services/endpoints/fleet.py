"""A deployment of an endpoint: its variants, their instances, and which of them takes a request."""

import itertools
import random
import threading
import time
from collections.abc import Iterator

from .capture import Capture
from .instance import Instance


class NoVariant(Exception):
    """The request's TargetVariant is not one of the endpoint's."""


class Variant:
    """Instances that serve the same model, in turn; `weight` is the share of the traffic."""

    def __init__(self, name: str, weight: float, instances: list[Instance]):
        self.name, self.weight, self.instances = name, weight, instances
        self._turn = itertools.count()

    def pick_in_turn(self) -> Iterator[Instance]:
        """The ready instances, another one first at every call; none while all of them are down."""
        instances = self.instances
        start = next(self._turn)
        for offset in range(len(instances)):
            instance = instances[(start + offset) % len(instances)]
            if instance.ready:
                yield instance


class Fleet:
    """All variants of one deployment. Requests are counted, so that it can be drained before it stops."""

    def __init__(self, variants: list[Variant], capture: Capture | None):
        self.variants = {variant.name: variant for variant in variants}
        self.capture = capture
        self._inflight = 0
        self._changed = threading.Condition()

    @property
    def instances(self) -> list[Instance]:
        return [instance for variant in self.variants.values() for instance in variant.instances]

    def choose(self, target: str | None) -> Variant:
        """`target` by name, else one at random by weight. Raises `NoVariant`."""
        if target:
            try:
                return self.variants[target]
            except KeyError:
                raise NoVariant(target) from None
        variants = list(self.variants.values())
        if len(variants) == 1:
            return variants[0]
        weights = [variant.weight for variant in variants]
        return random.choices(variants, weights if sum(weights) > 0 else None)[0]

    def enter(self) -> None:
        with self._changed:
            self._inflight += 1

    def leave(self) -> None:
        with self._changed:
            self._inflight -= 1
            if not self._inflight:
                self._changed.notify_all()

    def drain(self, seconds: float) -> bool:
        """Wait until no request is under way; False when that took longer than `seconds`."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._inflight:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def stop(self) -> None:
        """End all instances, side by side, and write what was captured."""
        stop_all(self.instances)
        if self.capture:
            self.capture.flush()


def stop_all(instances: list[Instance]) -> None:
    threads = [threading.Thread(target=instance.stop) for instance in instances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
