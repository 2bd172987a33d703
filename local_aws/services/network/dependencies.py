"""Deletes that AWS refuses with DependencyViolation while something still uses the resource.

Source: Amazon EC2 API reference (DeleteVpc, DeleteSubnet, DeleteSecurityGroup, DetachInternetGateway,
DeleteRouteTable) and its page of error codes.
"""

from typing import Any

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError, InvalidVPCIdError
from moto.ec2.models import EC2Backend


class CannotDelete(EC2ClientError):
    """The default security group of a VPC goes only with the VPC."""

    def __init__(self, group: Any):
        super().__init__(
            "CannotDelete",
            f'the specified group: "{group.id}" name: "{group.name}" cannot be deleted by a user',
        )


def dependents_of_vpc(backend: EC2Backend, vpc_id: str) -> list[str]:
    """Ids of all that keeps a VPC from being deleted."""
    found = [
        subnet.id for zone in backend.subnets.values() for subnet in zone.values() if subnet.vpc_id == vpc_id
    ]
    found += [eni.id for eni in backend.enis.values() if eni.subnet.vpc_id == vpc_id]
    found += [
        gateway.id
        for gateway in backend.nat_gateways.values()
        if gateway.vpc_id == vpc_id and gateway.state != "deleted"
    ]
    found += [endpoint.id for endpoint in backend.vpc_end_points.values() if endpoint.vpc_id == vpc_id]
    found += [g.id for g in backend.internet_gateways.values() if g.vpc and g.vpc.id == vpc_id]
    found += [g.id for g in backend.groups.get(vpc_id, {}).values() if g.name != "default"]
    found += [a.id for a in backend.network_acls.values() if a.vpc_id == vpc_id and not a.default]
    tables = [t for t in backend.route_tables.values() if t.vpc_id == vpc_id]
    return found + [t.id for t in tables if not t.main_association_id]


def _delete_vpc(self: EC2Backend, vpc_id: str) -> Any:
    if vpc_id not in self.vpcs:
        raise InvalidVPCIdError(vpc_id)
    if dependents_of_vpc(self, vpc_id):
        raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
    vpc = _plain["delete_vpc"](self, vpc_id)
    for acl in [a.id for a in self.network_acls.values() if a.vpc_id == vpc_id]:
        self.network_acls.pop(acl)
    return vpc


def _delete_subnet(self: EC2Backend, subnet_id: str) -> Any:
    self.get_subnet(subnet_id)
    if any(eni.subnet.id == subnet_id for eni in self.enis.values()):
        raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
    for table in self.route_tables.values():  # its associations end with it
        for association, associated in list(table._associations.items()):
            if associated == subnet_id:
                del table._associations[association]
    for acl in self.network_acls.values():
        for association, item in list(acl._associations.items()):
            if item.subnet_id == subnet_id:
                del acl._associations[association]
    return _plain["delete_subnet"](self, subnet_id)


def group_is_used(backend: EC2Backend, group_id: str) -> bool:
    """True when an interface has the group or a rule of another group refers to it."""
    if any(group.id == group_id for eni in backend.enis.values() for group in eni.group_set):
        return True
    return any(
        rule.source_group.get("GroupId") == group_id
        for groups in backend.groups.values()
        for group in groups.values()
        if group.id != group_id
        for rule in [*group.ingress_rules, *group.egress_rules]
    )


def _delete_security_group(self: EC2Backend, name: str | None = None, group_id: str | None = None) -> Any:
    group = self.get_security_group_by_name_or_id(group_id or name)
    if group is not None:
        if group.name == "default" and _vpc_stays(self, group.vpc_id):
            raise CannotDelete(group)
        if group_is_used(self, group.id):
            raise DependencyViolationError(f"resource {group.id} has a dependent object")
    return _plain["delete_security_group"](self, name=name, group_id=group_id)


def _vpc_stays(backend: EC2Backend, vpc_id: str | None) -> bool:
    """False while DeleteVpc itself removes the default group: then its main route table is gone already."""
    return any(table.vpc_id == vpc_id for table in backend.route_tables.values())


def _detach_internet_gateway(self: EC2Backend, internet_gateway_id: str, vpc_id: str) -> None:
    if any(eni.public_ip and eni.subnet.vpc_id == vpc_id for eni in self.enis.values()):
        raise DependencyViolationError(
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before "
            "detaching the gateway."
        )
    _plain["detach_internet_gateway"](self, internet_gateway_id, vpc_id)


_plain: dict[str, Any] = {}


def install() -> None:
    for function in (_delete_vpc, _delete_subnet, _delete_security_group, _detach_internet_gateway):
        name = function.__name__[1:]
        _plain[name] = getattr(EC2Backend, name)
        setattr(EC2Backend, name, function)
