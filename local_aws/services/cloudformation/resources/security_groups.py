"""AWS::EC2::SecurityGroup with inline rules, SecurityGroupIngress, SecurityGroupEgress."""

from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, ResourceError, missing_is_fine
from local_aws.services.cloudformation.resources.shapes import (
    Properties,
    ec2_tags,
    list_changes,
    picked,
    retag_ec2,
)

_ALL = [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]  # the egress of a group that names none
_PEERS = {
    "ingress": ("SourceSecurityGroupId", "SourcePrefixListId"),
    "egress": ("DestinationSecurityGroupId", "DestinationPrefixListId"),
}
_RULE = {"IpProtocol", "FromPort", "ToPort", "CidrIp", "CidrIpv6", "Description"}


def permission(rule: Properties, way: str) -> dict[str, Any]:
    """A rule of a template as the API's IpPermission. `way`: `ingress` or `egress`.

    Raises `ResourceError` for a rule without exactly one peer and for properties that are not honored.
    """
    group, prefix_list = _PEERS[way]
    for name in rule:
        if name not in _RULE | {group, prefix_list, "SourceSecurityGroupOwnerId"}:
            raise ResourceError(f"local_aws does not honor {name} of a security group's {way} rule.")
    peers = [name for name in ("CidrIp", "CidrIpv6", group, prefix_list) if name in rule]
    if len(peers) != 1:
        raise ResourceError(
            f"Exactly one of CidrIp, CidrIpv6, {prefix_list} or {group} must be specified and not empty."
        )
    made: dict[str, Any] = {"IpProtocol": str(rule["IpProtocol"]), **picked(rule, "FromPort", "ToPort")}
    words = picked(rule, "Description")
    value = rule[peers[0]]
    if peers[0] == "CidrIp":
        made["IpRanges"] = [{"CidrIp": value, **words}]
    elif peers[0] == "CidrIpv6":
        made["Ipv6Ranges"] = [{"CidrIpv6": value, **words}]
    elif peers[0] == group:
        made["UserIdGroupPairs"] = [{"GroupId": value, **words}]
    else:
        made["PrefixListIds"] = [{"PrefixListId": value, **words}]
    return made


def authorize(ctx: Context, way: str, group: str, rules: list[Properties]) -> list[str]:
    """Add rules; their ids."""
    if not rules:
        return []
    call = getattr(ctx.client("ec2"), f"authorize_security_group_{way}")
    answer = call(GroupId=group, IpPermissions=[permission(rule, way) for rule in rules])
    return [rule["SecurityGroupRuleId"] for rule in answer.get("SecurityGroupRules", [])]


def revoke(ctx: Context, way: str, group: str, rules: list[Properties]) -> None:
    call = getattr(ctx.client("ec2"), f"revoke_security_group_{way}")
    for rule in rules:
        with missing_is_fine():
            call(GroupId=group, IpPermissions=[permission(rule, way)])


class SecurityGroup(Handler):
    type = "AWS::EC2::SecurityGroup"
    properties = {
        "GroupDescription",
        "GroupName",
        "VpcId",
        "SecurityGroupIngress",
        "SecurityGroupEgress",
        "Tags",
    }
    attributes = {"VpcId"}
    name_property = "GroupName"

    def validate(self, properties: Properties) -> None:
        for way in ("ingress", "egress"):
            for rule in properties.get(f"SecurityGroup{way.capitalize()}", []):
                permission(rule, way)

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> tuple[str, dict[str, Any]]:
        name = properties.get("GroupName") or ctx.physical_name(logical_id, limit=255)
        group = ctx.client("ec2").create_security_group(
            GroupName=name,
            Description=properties["GroupDescription"],
            **picked(properties, "VpcId"),
            **ec2_tags(ctx, "security-group", properties),
        )["GroupId"]
        ctx.made(group, {"GroupId": group, "Id": group})
        authorize(ctx, "ingress", group, properties.get("SecurityGroupIngress", []))
        self._change(ctx, "egress", group, _ALL, self._egress(properties))
        return group, self._read(ctx, group)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        ingress = old.get("SecurityGroupIngress"), new.get("SecurityGroupIngress")
        self._change(ctx, "ingress", physical_id, *ingress)
        self._change(ctx, "egress", physical_id, self._egress(old), self._egress(new))
        retag_ec2(ctx, physical_id, old, new)
        return self._read(ctx, physical_id)

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("ec2").delete_security_group(GroupId=physical_id)

    @staticmethod
    def _egress(properties: Properties) -> list[Properties]:
        return properties.get("SecurityGroupEgress") or _ALL

    @staticmethod
    def _change(ctx: Context, way: str, group: str, old: list | None, new: list | None) -> None:
        added, removed = list_changes(old, new)
        revoke(ctx, way, group, removed)
        authorize(ctx, way, group, added)

    @staticmethod
    def _read(ctx: Context, group: str) -> dict[str, Any]:
        found = ctx.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        return {"GroupId": group, "Id": group, "VpcId": found["VpcId"]}


class _Rule(Handler):
    """A rule as a resource of its own; `way` is set by the two below."""

    way = ""

    def validate(self, properties: Properties) -> None:
        permission(self._rule(properties), self.way)

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> tuple[str, dict[str, Any]]:
        (rule,) = authorize(ctx, self.way, properties["GroupId"], [self._rule(properties)])
        return rule, {"Id": rule}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        """Only the description can change in place."""
        call = getattr(ctx.client("ec2"), f"update_security_group_rule_descriptions_{self.way}")
        words = permission({**self._rule(new), "Description": new.get("Description", "")}, self.way)
        call(GroupId=new["GroupId"], IpPermissions=[words])
        return {"Id": physical_id}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        revoke(ctx, self.way, properties["GroupId"], [self._rule(properties)])

    @staticmethod
    def _rule(properties: Properties) -> Properties:
        return {k: v for k, v in properties.items() if k != "GroupId"}


class SecurityGroupIngress(_Rule):
    type = "AWS::EC2::SecurityGroupIngress"
    way = "ingress"
    properties = {*_RULE, "GroupId", "SourceSecurityGroupOwnerId", *_PEERS["ingress"]}


class SecurityGroupEgress(_Rule):
    type = "AWS::EC2::SecurityGroupEgress"
    way = "egress"
    properties = {*_RULE, "GroupId", *_PEERS["egress"]}
