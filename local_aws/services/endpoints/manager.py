"""Brings fleets up and down behind the endpoints' records: create, update, scale, delete, restart, stop.

Locks: `app.lock` guards the records (moto's state), the manager's own lock the fleets that serve. A thread
that needs both takes `app.lock` first. Bringing instances up happens in threads that hold neither.
"""

import copy
import logging
import shutil
import threading
import time
from datetime import UTC
from secrets import token_hex

from moto.core.utils import utcnow

from .capture import Capture
from .fleet import Fleet, Variant, stop_all
from .instance import MODEL_TIMEOUT, Instance
from .metrics import Metrics

log = logging.getLogger("local_aws")

STARTUP_SECONDS = 480  # how long a container may take until /ping answers, unless the variant says otherwise
METRICS_SECONDS = 5
MAX_REASON = 1024  # characters of a FailureReason


class DeploymentFailed(Exception):
    """A fleet did not come up; the message is the FailureReason."""


class Manager:
    """`fleets` maps (account, region, endpoint name) to the fleet that serves."""

    def __init__(self, app):
        self.app = app
        self.folder = app.home / "endpoints"
        self.metrics = Metrics(app)
        self._fleets: dict[tuple[str, str, str], Fleet] = {}
        self._starting: set[Instance] = set()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._ending = threading.Event()

    # -- the server's life ----------------------------------------------------------------------------------
    def start(self) -> None:
        """Bring back what the records say was there. Returns at once: the instances come up after it."""
        self._remove_old_folders()
        with self.app.lock:
            for backend, record in self._records():
                self._resume(backend, record)
        threading.Thread(target=self._housekeeping, name="endpoints", daemon=True).start()

    def stop(self) -> None:
        """End every process and write every captured record."""
        self._ending.set()
        with self._lock:
            fleets, self._fleets = list(self._fleets.values()), {}
            starting = list(self._starting)
        stop_all(starting + [instance for fleet in fleets for instance in fleet.instances])
        for fleet in fleets:
            if fleet.capture:
                fleet.capture.flush()
        for thread in list(self._threads):
            thread.join(10)
        self.metrics.publish()

    def status(self) -> list[dict]:
        """One entry an endpoint for `local-aws status`."""
        with self.app.lock:
            return [
                {
                    "kind": "endpoint",
                    "name": record.endpoint_name,
                    "status": record.endpoint_status,
                    "since": record.last_modified_time.replace(tzinfo=UTC).timestamp(),
                }
                for _, record in self._records()
            ]

    def _records(self):
        import moto.backends

        for _, _, backend in moto.backends.get_backend("sagemaker").iter_backends():
            for record in list(backend.endpoints.values()):
                yield backend, record

    def _resume(self, backend, record) -> None:
        if record.endpoint_status == "Deleting":
            self._thread(self._delete, backend, record)
        elif record.deployed:
            record.endpoint_status = "SystemUpdating"
            self._thread(self._restart, backend, record)
        elif record.pending:
            self._thread(self._deploy, backend, record)

    def _remove_old_folders(self) -> None:
        if self.folder.is_dir():
            for fleet in self.folder.glob("*/*/fleet-*"):
                shutil.rmtree(fleet, ignore_errors=True)

    def _housekeeping(self) -> None:
        ticks = 0
        while not self._ending.wait(1.0):
            ticks += 1
            with self._lock:
                fleets = list(self._fleets.values())
            for fleet in fleets:
                if fleet.capture:
                    try:
                        fleet.capture.flush_due()
                    except Exception:
                        log.exception("captured data cannot be written")
            if ticks % METRICS_SECONDS == 0:
                self.metrics.publish()

    # -- for the records ------------------------------------------------------------------------------------
    def deploy(self, backend, record) -> None:
        """Bring up `record.pending`; then it serves instead of what served before."""
        self._thread(self._deploy, backend, record)

    def scale(self, backend, record) -> None:
        """Give the serving fleet the weights and instance counts that the record asks for."""
        self._thread(self._scale, backend, record)

    def delete(self, backend, record) -> None:
        self._thread(self._delete, backend, record)

    def fleet(self, account: str, region: str, name: str) -> Fleet | None:
        """The fleet that serves, with one more request counted as under way: call its `leave` afterwards."""
        with self._lock:
            fleet = self._fleets.get((account, region, name))
            if fleet:
                fleet.enter()
            return fleet

    def _thread(self, work, backend, record) -> None:
        def run():
            try:
                work(backend, record)
            except Exception as error:
                log.exception("endpoint %s", record.endpoint_name)
                self._finish(backend, record, "Failed", f"local_aws: {error!r}")
            finally:
                self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=f"endpoint-{record.endpoint_name}", daemon=True)
        self._threads.add(thread)
        thread.start()

    # -- work in threads ------------------------------------------------------------------------------------
    def _deploy(self, backend, record) -> None:
        plan = record.pending
        try:
            fleet = self._bring_up(backend, record, plan)
        except DeploymentFailed as error:
            if not self._ending.is_set():
                # an update goes back to what served; a first deployment has nothing to go back to
                with self.app.lock:
                    record.pending = None
                with self._lock:
                    serves = _key(backend, record) in self._fleets
                self._finish(backend, record, "InService" if serves else "Failed", str(error))
            return
        if self._ending.is_set():
            fleet.stop()
            return
        with self.app.lock:
            old = self._serve(backend, record, fleet)
            record.deployed, record.pending = plan, None
            record.endpoint_config_name = plan["ConfigName"]
        self._finish(backend, record, "InService", None)
        if old:
            self._retire(old)

    def _restart(self, backend, record) -> None:
        try:
            fleet = self._bring_up(backend, record, record.deployed)
        except DeploymentFailed as error:
            if not self._ending.is_set():
                self._finish(backend, record, "Failed", str(error))
            return
        if self._ending.is_set():
            fleet.stop()
            return
        self._serve(backend, record, fleet)
        if record.pending:  # an update was under way when the server ended
            self._set(backend, record, "Updating")
            self._deploy(backend, record)
        else:
            self._finish(backend, record, "InService", record.failure_reason)

    def _scale(self, backend, record) -> None:
        key = _key(backend, record)
        with self._lock:
            fleet = self._fleets[key]
        plan = copy.deepcopy(record.deployed)
        surplus: list[Instance] = []
        new: dict[str, list[Instance]] = {}
        try:
            for wanted in plan["Variants"]:
                variant = fleet.variants[wanted["VariantName"]]
                missing = wanted["DesiredInstanceCount"] - len(variant.instances)
                new[variant.name] = [
                    self._new_instance(backend, record, wanted, self._fleet_folder(backend, record))
                    for _ in range(missing)
                ]
            self._wait(plan, new)
        except DeploymentFailed as error:
            if self._ending.is_set():  # the next server brings up as many as were asked for
                return
            for wanted in record.deployed["Variants"]:
                wanted["DesiredInstanceCount"] = wanted["CurrentInstanceCount"]
                wanted["DesiredWeight"] = wanted["CurrentWeight"]
            self._finish(backend, record, "InService", str(error))
            return
        with self.app.lock:
            for wanted in record.deployed["Variants"]:
                variant = fleet.variants[wanted["VariantName"]]
                instances = variant.instances + new[variant.name]
                count = wanted["DesiredInstanceCount"]
                surplus += instances[count:]
                variant.instances, variant.weight = instances[:count], wanted["DesiredWeight"]
                wanted["CurrentInstanceCount"], wanted["CurrentWeight"] = count, wanted["DesiredWeight"]
        self._finish(backend, record, "InService", None)
        if surplus:
            self._retire_instances(surplus)

    def _delete(self, backend, record) -> None:
        key = _key(backend, record)
        with self._lock:
            fleet = self._fleets.pop(key, None)
        if fleet:
            self._retire(fleet)
        else:
            capture = self._capture(backend, record, record.deployed)
            if capture:
                capture.flush()
        if self._ending.is_set():
            return
        shutil.rmtree(self._folder(backend, record), ignore_errors=True)
        with self.app.lock:
            if backend.endpoints.get(record.endpoint_name) is record:
                del backend.endpoints[record.endpoint_name]
            self.app.changed("sagemaker", backend.account_id, backend.region_name)

    # -- parts ----------------------------------------------------------------------------------------------
    def _folder(self, backend, record):
        account = backend.account_id
        place = backend.region_name if account == self.app.account_id else f"{account}-{backend.region_name}"
        return self.folder / place / record.endpoint_name

    def _fleet_folder(self, backend, record):
        return self._folder(backend, record) / f"fleet-{token_hex(4)}"

    def _capture(self, backend, record, plan) -> Capture | None:
        config = plan and plan["DataCaptureConfig"]
        if not config or not config.get("EnableCapture", True):
            return None
        # a folder of its own for each destination: what is left there must not go elsewhere
        spool = self._folder(backend, record) / "capture" / plan["Id"]
        return Capture(self.app, record.endpoint_name, config, spool)

    def _new_instance(self, backend, record, variant: dict, folder) -> Instance:
        group = f"/aws/sagemaker/Endpoints/{record.endpoint_name}"
        name, container = variant["VariantName"], variant["Container"]
        place = (backend.account_id, backend.region_name)
        instance = Instance(self.app, name, container, folder, place, group)
        with self._lock:
            self._starting.add(instance)
        instance.start()
        return instance

    def _bring_up(self, backend, record, plan: dict) -> Fleet:
        """Start all instances of a plan and wait for their /ping. Raises `DeploymentFailed`."""
        folder = self._fleet_folder(backend, record)
        instances = {
            variant["VariantName"]: [
                self._new_instance(backend, record, variant, folder)
                for _ in range(variant["DesiredInstanceCount"])
            ]
            for variant in plan["Variants"]
        }
        self._wait(plan, instances)
        with self.app.lock:
            for variant in plan["Variants"]:
                variant["CurrentInstanceCount"] = variant["DesiredInstanceCount"]
                variant["CurrentWeight"] = variant["DesiredWeight"]
        variants = [
            Variant(variant["VariantName"], variant["DesiredWeight"], instances[variant["VariantName"]])
            for variant in plan["Variants"]
        ]
        return Fleet(variants, self._capture(backend, record, plan))

    def _wait(self, plan: dict, instances: dict[str, list[Instance]]) -> None:
        everyone = [instance for group in instances.values() for instance in group]
        began = time.monotonic()
        try:
            for variant in plan["Variants"]:
                allowed = variant["StartupSeconds"] or STARTUP_SECONDS
                for instance in instances[variant["VariantName"]]:
                    if not instance.wait_settled(max(0.0, began + allowed - time.monotonic())):
                        raise DeploymentFailed(_reason(variant["VariantName"], instance))
                    if self._ending.is_set():
                        raise DeploymentFailed("local_aws was stopped.")
        except DeploymentFailed:
            stop_all(everyone)
            raise
        finally:
            with self._lock:
                self._starting.difference_update(everyone)

    def _serve(self, backend, record, fleet: Fleet) -> Fleet | None:
        key = _key(backend, record)
        with self._lock:
            old = self._fleets.get(key)
            self._fleets[key] = fleet
        return old

    def _retire_instances(self, instances: list[Instance]) -> None:
        time.sleep(0.1)  # for a request that has chosen its instance but not reached it
        end = time.monotonic() + MODEL_TIMEOUT
        while any(instance.busy for instance in instances) and time.monotonic() < end:
            time.sleep(0.05)
        stop_all(instances)

    def _retire(self, fleet: Fleet) -> None:
        fleet.drain(MODEL_TIMEOUT + 5)
        fleet.stop()

    def _finish(self, backend, record, status: str, reason: str | None) -> None:
        record.failure_reason = reason
        self._set(backend, record, status)

    def _set(self, backend, record, status: str) -> None:
        with self.app.lock:
            record.endpoint_status = status
            record.last_modified_time = utcnow()
            self.app.changed("sagemaker", backend.account_id, backend.region_name)


def _key(backend, record) -> tuple[str, str, str]:
    return backend.account_id, backend.region_name, record.endpoint_name


def _reason(variant: str, instance: Instance) -> str:
    if instance.failure:
        text = (
            f"The primary container for production variant {variant} could not be started. {instance.failure}"
        )
        return text[:MAX_REASON]
    text = (
        f"The primary container for production variant {variant} did not pass the ping health check. Please "
        "check CloudWatch logs for this endpoint."
    )
    tail = "\n".join(instance.tail).strip()
    room = MAX_REASON - len(text) - 1
    return f"{text}\n{tail[-room:]}" if tail else text
