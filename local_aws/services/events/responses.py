"""PutEvents and TestEventPattern on moto's records of rules and buses."""

import json
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.events.exceptions import ResourceNotFoundException, ValidationException
from moto.events.models import EventPattern
from moto.events.responses import EventsHandler

from local_aws.server.app import LocalAwsApp
from local_aws.services.events.delivery import make_event
from local_aws.services.events.policy import may_send
from local_aws.services.events.schedules import parse

_WITH_ROLE = (["codepipeline"], ["codebuild"], ["sagemaker"])  # their targets are started in a role's name
_MOST_ENTRIES, _MOST_BYTES = 10, 1_048_576


def _size(entry: dict) -> int:
    """Bytes as AWS counts them (user guide, "Calculating PutEvents event entry size")."""
    texts = [
        entry.get("Source"),
        entry.get("DetailType"),
        entry.get("Detail"),
        *(entry.get("Resources") or []),
    ]
    return sum(len(text.encode()) for text in texts if text) + (14 if entry.get("Time") else 0)


def _refusal(entry: dict) -> tuple[str, str] | None:
    """Code and message of an entry that is not taken."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return "InvalidArgument", message
    if entry["Source"].startswith("aws."):
        return "NotAuthorizedForSourceException", "Not authorized for the source."
    try:
        if not isinstance(json.loads(entry["Detail"]), dict):
            raise ValueError
    except ValueError:
        return "MalformedDetail", "Detail is malformed."
    return None


def _bus(
    app: LocalAwsApp, name: str, account: str, region: str, source: str, detail_type: str
) -> tuple[str, str, str]:
    """(name, account, region) of the bus that the caller may send such an event to. Bus names and ARNs are taken."""
    owner, place = account, region
    if name.startswith("arn:"):
        place, owner, name = name.split(":", 5)[3:]
        name = name.removeprefix("event-bus/")
    bus = app.backend("events", owner, place).event_buses.get(name)
    if bus is None:
        raise ResourceNotFoundException(f"Event bus {name} does not exist.")
    statements = [s.describe() for s in bus._statements.values()]
    if owner != account and not may_send(statements, bus.arn, account, source, detail_type):
        raise JsonRESTError(
            "AccessDeniedException",
            f"Account {account} is not authorized to perform: events:PutEvents on resource: {bus.arn} because no "
            "resource-based policy allows the events:PutEvents action",
        )
    return name, owner, place


def _check_target(target: dict) -> None:
    given = [name for name in ("Input", "InputPath", "InputTransformer") if target.get(name)]
    if len(given) > 1:
        raise ValidationException(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}."
        )
    if target["Arn"].split(":")[2:3] in _WITH_ROLE and not target.get("RoleArn"):
        raise ValidationException(f"RoleArn is required for target {target['Arn']}.")


def install(app: LocalAwsApp) -> None:
    """Give moto's response class the methods that deliver."""

    def put_events(self: EventsHandler) -> str:
        entries = self._get_param("Entries") or []
        if not 0 < len(entries) <= _MOST_ENTRIES:
            side = "greater than or equal to 1" if not entries else f"less than or equal to {_MOST_ENTRIES}"
            raise ValidationException(
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: "
                f"Member must have length {side}"
            )
        if sum(map(_size, entries)) > _MOST_BYTES:
            raise ValidationException("Total size of the entries in the request is over the limit.")
        account, region = self.current_account, self.region
        kinds = {(_name(e), e.get("Source") or "", e.get("DetailType") or "") for e in entries}
        buses = {name: _bus(app, name, account, region, *kind) for name, *kind in sorted(kinds)}
        answers: list[dict[str, Any]] = []
        for entry in entries:
            if refusal := _refusal(entry):
                answers.append({"ErrorCode": refusal[0], "ErrorMessage": refusal[1]})
                continue
            when = datetime.fromtimestamp(float(entry["Time"]), UTC) if entry.get("Time") else None
            detail, resources = json.loads(entry["Detail"]), entry.get("Resources") or []
            event = make_event(entry["Source"], entry["DetailType"], detail, resources, account, region, when)
            answers.append({"EventId": app.events.accept(event, *buses[_name(entry)])})
        failed = sum("ErrorCode" in answer for answer in answers)
        return json.dumps({"FailedEntryCount": failed, "Entries": answers})

    def test_event_pattern(self: EventsHandler) -> str:
        try:
            event = json.loads(self._get_param("Event"))
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise ValidationException("Parameter Event is not valid. Reason: it must be a JSON object.")
        needed = ("id", "account", "source", "time", "region", "resources", "detail-type")
        if missing := [name for name in needed if name not in event]:
            raise ValidationException(
                f"Parameter Event is not valid. Reason: the field {missing[0]} is missing."
            )
        pattern = EventPattern.load(self._get_param("EventPattern"))
        return json.dumps({"Result": pattern.matches_event(event)})

    plain_rule, plain_targets = EventsHandler.put_rule, EventsHandler.put_targets

    def put_rule(self: EventsHandler) -> Any:
        if expression := self._get_param("ScheduleExpression"):
            try:
                parse(expression)
            except ValueError as error:
                raise ValidationException("Parameter ScheduleExpression is not valid.") from error
        return plain_rule(self)

    def put_targets(self: EventsHandler) -> Any:
        for target in self._get_param("Targets") or []:
            _check_target(target)
        return plain_targets(self)

    if not getattr(plain_rule, "checks", False):
        put_rule.checks = True
        EventsHandler.put_rule, EventsHandler.put_targets = put_rule, put_targets
    EventsHandler.put_events = put_events
    EventsHandler.test_event_pattern = test_event_pattern


def _name(entry: dict) -> str:
    return entry.get("EventBusName") or "default"
