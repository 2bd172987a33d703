"""The engine: it keeps the stacks, and runs their operations, one at a time for each stack."""

import logging
import threading
from collections.abc import Callable

from local_aws.server.app import LocalAwsApp
from local_aws.services.cloudformation.model import Resource, Stack
from local_aws.services.cloudformation.runner import Superseded, set_state
from local_aws.services.cloudformation.store import Stacks
from local_aws.services.cloudformation.updates import Updater

log = logging.getLogger("local_aws")
# What becomes of a state in which the server ended.
_INTERRUPTED = {
    "CREATE_IN_PROGRESS": "CREATE_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_FAILED",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
}
_STOPPED = "local_aws was stopped while this was under way"


class Engine:
    """One for the server. `stacks` is read and changed with the app's lock held."""

    def __init__(self, app: LocalAwsApp):
        self.app, self.stacks = app, Stacks()
        self._running: dict[str, tuple[Updater, threading.Thread]] = {}

    def launch(
        self, stack: Stack, work: Callable[[Updater], None], token: str = "", after: bool = False
    ) -> Updater:
        """Run `work` in a thread. `after`: take the stack over from what runs on it now, when that has stopped."""
        runner = Updater(self.app, self.stacks, stack, token)
        earlier = self._running.get(stack.id) if after else None
        if earlier:
            earlier[0].superseded.set()

        def run() -> None:
            if earlier:
                earlier[1].join()
            try:
                work(runner)
            except Superseded:
                return
            except Exception as error:
                log.exception("an operation on the stack %s failed", stack.name)
                self._interrupted(
                    stack, f"Internal failure of local_aws: {type(error).__name__}: {error}", runner
                )
            finally:
                self._forget(stack, runner)

        thread = threading.Thread(target=run, name=f"stack-{stack.name}", daemon=True)
        self._running[stack.id] = (runner, thread)
        thread.start()
        return runner

    def _forget(self, stack: Stack, runner: Updater) -> None:
        with self.app.lock:
            if self._running.get(stack.id, (None,))[0] is runner:
                del self._running[stack.id]

    def running(self, stack: Stack) -> Updater | None:
        """What runs on the stack now."""
        found = self._running.get(stack.id)
        return found[0] if found else None

    # -- the server's life ---------------------------------------------------------------------------------
    def start(self) -> None:
        """Load the stacks. One that was in progress has failed, and can be deleted; a clean-up goes on."""
        with self.app.lock:
            self.stacks.load(self.app.documents)
            for stack in list(self.stacks.by_id.values()):
                if stack.status in _INTERRUPTED:
                    self._interrupted(stack, _STOPPED)
                elif stack.status.endswith("_CLEANUP_IN_PROGRESS"):
                    # the clean-up calls services over HTTP: it waits until the server answers
                    self.launch(stack, lambda runner: runner.clean_up())

    def _interrupted(self, stack: Stack, why: str, runner: Updater | None = None) -> None:
        with self.app.lock:
            if runner and runner.superseded.is_set():
                return
            for resource in stack.resources.values():
                self._resource_interrupted(stack, resource, why)
            if stack.status.endswith("_CLEANUP_IN_PROGRESS"):  # what is left over stays; the update is done
                status = stack.status.removesuffix("_CLEANUP_IN_PROGRESS")
                set_state(self.app, self.stacks, stack, status, why)
                return
            status = _INTERRUPTED.get(stack.status)
            if status is None:
                return
            set_state(self.app, self.stacks, stack, status, f"{why}. {_advice(status)}")

    def _resource_interrupted(self, stack: Stack, resource: Resource, why: str) -> None:
        if not resource.status.endswith("_IN_PROGRESS"):
            return
        resource.status = resource.status.replace("_IN_PROGRESS", "_FAILED")
        resource.reason = why
        self.stacks.save_resource(stack, resource)
        self.stacks.event(
            stack,
            resource.logical_id,
            resource.physical_id,
            resource.type,
            resource.status,
            why,
            resource.declared,
        )

    def stop(self) -> None:
        """The server ends: nothing new is begun. What was under way is failed at the next start."""
        for runner, _ in list(self._running.values()):
            runner.superseded.set()

    def status(self) -> list[dict]:
        """For `local-aws status`."""
        with self.app.lock:
            return [
                {
                    "kind": "stack",
                    "name": stack.name,
                    "status": stack.status,
                    "since": stack.updated or stack.created,
                }
                for stack in self.stacks.by_id.values()
                if stack.busy
            ]


def _advice(status: str) -> str:
    return {
        "CREATE_FAILED": "Delete the stack, or roll it back (RollbackStack).",
        "UPDATE_FAILED": "Roll the stack back (RollbackStack), or delete it.",
        "DELETE_FAILED": "Delete the stack again.",
        "ROLLBACK_FAILED": "Delete the stack.",
        "UPDATE_ROLLBACK_FAILED": "Continue the rollback (ContinueUpdateRollback), or delete the stack.",
    }[status]
