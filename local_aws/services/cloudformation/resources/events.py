"""AWS::Events: Rule, EventBus, EventBusPolicy."""

import json
from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, ResourceError, missing_is_fine
from local_aws.services.cloudformation.resources.roles import check_role
from local_aws.services.cloudformation.resources.shapes import Properties, document, exists_already, picked

_Made = tuple[str, dict[str, Any]]


def _retag(ctx: Context, arn: str, old: Properties, new: Properties) -> None:
    changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
    events = ctx.client("events")
    if removed:
        events.untag_resource(ResourceARN=arn, TagKeys=removed)
    if changed:
        events.tag_resource(ResourceARN=arn, Tags=[{"Key": k, "Value": v} for k, v in changed.items()])


class Rule(Handler):
    """`Ref` is the rule's name, with `bus|` before it on a bus other than the default one."""

    type = "AWS::Events::Rule"
    _request = ("Description", "RoleArn", "ScheduleExpression")
    properties = {"Name", "EventBusName", "EventPattern", "State", "Targets", "Tags", *_request}
    name_property = "Name"

    def validate(self, properties: Properties) -> None:
        if "EventPattern" not in properties and "ScheduleExpression" not in properties:
            raise ResourceError("A rule must have an EventPattern or a ScheduleExpression, or both.")

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        events, name = ctx.client("events"), properties.get("Name") or ctx.physical_name(logical_id)
        bus = properties.get("EventBusName", "default")
        found = events.list_rules(NamePrefix=name, EventBusName=bus)["Rules"]
        if any(rule["Name"] == name for rule in found):
            raise exists_already(self.type, name)
        arn = self._put(ctx, name, bus, properties)
        physical_id = name if bus == "default" else f"{bus.rsplit('/', 1)[-1]}|{name}"
        ctx.made(physical_id, {"Arn": arn, "RuleName": name})
        if targets := properties.get("Targets"):
            self._targets(events, name, bus, targets)
        return physical_id, {"Arn": arn, "RuleName": name}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        events, name = ctx.client("events"), physical_id.rsplit("|", 1)[-1]
        bus = new.get("EventBusName", "default")
        arn = self._put(ctx, name, bus, new)
        kept = {target["Id"] for target in new.get("Targets", [])}
        gone = [target["Id"] for target in old.get("Targets", []) if target["Id"] not in kept]
        if gone:
            events.remove_targets(Rule=name, EventBusName=bus, Ids=gone)
        if targets := new.get("Targets"):
            self._targets(events, name, bus, targets)
        _retag(ctx, arn, old, new)
        return {"Arn": arn, "RuleName": name}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        events, name = ctx.client("events"), physical_id.rsplit("|", 1)[-1]
        rule = {"Rule": name, "EventBusName": properties.get("EventBusName", "default")}
        with missing_is_fine():
            ids = [target["Id"] for target in events.list_targets_by_rule(**rule)["Targets"]]
            if ids:
                events.remove_targets(**rule, Ids=ids)
            events.delete_rule(Name=name, EventBusName=rule["EventBusName"])

    def _put(self, ctx: Context, name: str, bus: str, properties: Properties) -> str:
        for role in {target.get("RoleArn") for target in properties.get("Targets", [])}:
            sentence = f"Provided role '{role}' cannot be assumed by principal 'events.amazonaws.com'."
            check_role(ctx, role, "events.amazonaws.com", sentence)
        request = picked(properties, *self._request)
        if "EventPattern" in properties:
            request["EventPattern"] = document(properties["EventPattern"])
        if tags := ctx.tag_list(properties.get("Tags")):
            request["Tags"] = tags
        state = properties.get("State", "ENABLED")
        return ctx.client("events").put_rule(Name=name, EventBusName=bus, State=state, **request)["RuleArn"]

    @staticmethod
    def _targets(events: Any, name: str, bus: str, targets: list[Properties]) -> None:
        failed = events.put_targets(Rule=name, EventBusName=bus, Targets=targets)["FailedEntries"]
        if failed:
            raise ResourceError(
                f"Target {failed[0]['TargetId']}: {failed[0]['ErrorMessage']} ({failed[0]['ErrorCode']})"
            )


class EventBus(Handler):
    type = "AWS::Events::EventBus"
    properties = {"Name", "Description", "Tags"}
    name_property = "Name"
    replaces = {"Description"}
    attributes = {"Name"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        tags = ctx.tag_list(properties.get("Tags"))
        request = {**picked(properties, "Name", "Description"), **({"Tags": tags} if tags else {})}
        arn = ctx.client("events").create_event_bus(**request)["EventBusArn"]
        return properties["Name"], {"Arn": arn, "Name": properties["Name"]}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        arn = ctx.client("events").describe_event_bus(Name=physical_id)["Arn"]
        _retag(ctx, arn, old, new)
        return {"Arn": arn, "Name": physical_id}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("events").delete_event_bus(Name=physical_id)


class EventBusPolicy(Handler):
    """One statement of a bus's policy; the others stay."""

    type = "AWS::Events::EventBusPolicy"
    properties = {"EventBusName", "StatementId", "Statement", "Action", "Principal", "Condition"}

    def validate(self, properties: Properties) -> None:
        if ("Statement" in properties) == ("Principal" in properties):
            raise ResourceError("Give either Statement, or Action and Principal.")

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        self._put(ctx, properties)
        return f"{properties.get('EventBusName', 'default')}|{properties['StatementId']}", {}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        self._put(ctx, new)
        return {}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        bus, statement = physical_id.split("|")
        with missing_is_fine():
            ctx.client("events").remove_permission(EventBusName=bus, StatementId=statement)

    @staticmethod
    def _put(ctx: Context, properties: Properties) -> None:
        events, bus = ctx.client("events"), properties.get("EventBusName", "default")
        if "Statement" not in properties:
            request = picked(properties, "StatementId", "Action", "Principal", "Condition")
            events.put_permission(EventBusName=bus, **request)
            return
        text = events.describe_event_bus(Name=bus).get("Policy") or '{"Statement": []}'
        others = [s for s in json.loads(text)["Statement"] if s.get("Sid") != properties["StatementId"]]
        statement = properties["Statement"]
        statement = json.loads(statement) if isinstance(statement, str) else statement
        mine = {**statement, "Sid": properties["StatementId"]}
        policy = {"Version": "2012-10-17", "Statement": [*others, mine]}
        events.put_permission(EventBusName=bus, Policy=json.dumps(policy))
