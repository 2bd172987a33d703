"""VPC endpoints: gateway endpoints with their routes, interface endpoints with their interfaces.

Sources: Amazon EC2 API reference (CreateVpcEndpoint, ModifyVpcEndpoint, DeleteVpcEndpoints) and AWS PrivateLink
guide ("Gateway endpoints", "Access an AWS service using an interface VPC endpoint").
"""

import json
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import (
    EC2ClientError,
    InvalidSecurityGroupNotFoundError,
    InvalidServiceName,
    InvalidVpcEndPointIdError,
)
from moto.ec2.models import EC2Backend
from moto.ec2.models.vpcs import AWS_ENDPOINT_SERVICES, COVERED_ENDPOINT_SERVICES, VPCEndPoint
from moto.ec2.responses.vpcs import VPCs
from moto.ec2.utils import random_vpc_ep_id

from local_aws.services.network import interfaces

_GATEWAY_SERVICES = ("s3", "dynamodb")
# Those of moto's list that it makes names for elsewhere, and what AWS offers beyond it: the part after
# com.amazonaws.REGION.
_MORE_SERVICES = (
    "codeconnections.api",
    "s3-global.accesspoint",
    "sagemaker.api-fips",
    *COVERED_ENDPOINT_SERVICES,
)


class InvalidParameter(EC2ClientError):
    def __init__(self, message: str):
        super().__init__("InvalidParameter", message)


def _known(backend: EC2Backend, service: str) -> bool:
    """Whether a service has endpoints in the region. From moto's list of names: moto's own look-up imports a dozen
    services, which takes seconds."""
    region = backend.region_name
    if service in (f"aws.sagemaker.{region}.studio", f"aws.sagemaker.{region}.notebook"):
        return True
    prefix = f"com.amazonaws.{region}."
    if service.startswith(prefix) and service.removeprefix(prefix) in {
        *AWS_ENDPOINT_SERVICES,
        *_MORE_SERVICES,
    }:
        return True
    return service in {item.service_name for item in backend.configurations.values()}


def _policy(document: str | None) -> str:
    if document is None:
        return json.dumps(VPCEndPoint.DEFAULT_POLICY)
    try:
        statements = json.loads(document)["Statement"]
    except (ValueError, KeyError, TypeError):
        raise EC2ClientError("InvalidPolicyDocument", "The Policy document is not valid JSON.") from None
    for statement in statements if isinstance(statements, list) else [statements]:
        if not any(key in statement for key in ("Principal", "NotPrincipal")):
            raise EC2ClientError(
                "InvalidPolicyDocument",
                "The policy of a VPC endpoint needs a Principal in each statement.",
            )
    return document


def _check_groups(backend: EC2Backend, vpc_id: str, groups: list[str]) -> None:
    for group in groups:
        if group not in backend.groups.get(vpc_id, {}):
            raise InvalidSecurityGroupNotFoundError(group)


def _check_private_dns(backend: EC2Backend, endpoint: VPCEndPoint) -> None:
    vpc = backend.get_vpc(endpoint.vpc_id)
    if not (vpc.enable_dns_support in (True, "true") and vpc.enable_dns_hostnames in (True, "true")):
        raise InvalidParameter(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
            f"for {vpc.id}"
        )
    for other in backend.vpc_end_points.values():
        if (
            other is not endpoint
            and (other.vpc_id, other.service_name) == (endpoint.vpc_id, endpoint.service_name)
            and other.vpc_endpoint_type == "Interface"
            and other.private_dns_enabled
        ):
            raise InvalidParameter(
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
                f"{endpoint.service_name} in the VPC {vpc.id}"
            )


def _add_subnets(backend: EC2Backend, endpoint: VPCEndPoint, subnet_ids: list[str]) -> None:
    taken = {backend.get_subnet(s).availability_zone: s for s in endpoint.subnet_ids}
    subnets = [backend.get_subnet(s) for s in subnet_ids if s not in endpoint.subnet_ids]
    for subnet in subnets:
        if subnet.vpc_id != endpoint.vpc_id:
            raise InvalidParameter(f"Subnet {subnet.id} does not belong to the VPC {endpoint.vpc_id}")
        if subnet.availability_zone in taken:
            raise EC2ClientError(
                "DuplicateSubnetsInSameZone",
                f"Found another VPC endpoint subnet in the availability zone of {subnet.id}",
            )
        taken[subnet.availability_zone] = subnet.id
    for subnet in subnets:
        description = f"VPC Endpoint Interface {endpoint.id}"
        eni = interfaces.owned(backend, subnet.id, description, endpoint.security_group_ids, "vpc_endpoint")
        endpoint.subnet_ids.append(subnet.id)
        endpoint.network_interface_ids.append(eni.id)


def _remove_subnets(backend: EC2Backend, endpoint: VPCEndPoint, subnet_ids: list[str]) -> None:
    for eni_id in list(endpoint.network_interface_ids):
        eni = backend.enis.get(eni_id)
        if eni is None or eni.subnet.id in subnet_ids:
            interfaces.release(backend, eni_id)
            endpoint.network_interface_ids.remove(eni_id)
    endpoint.subnet_ids = [s for s in endpoint.subnet_ids if s not in subnet_ids]


def _add_routes(backend: EC2Backend, endpoint: VPCEndPoint, tables: list[str]) -> None:
    prefix_list = endpoint.destination_prefix_list_id
    for table_id in tables:
        table = backend.get_route_table(table_id)
        if table.vpc_id != endpoint.vpc_id:
            raise InvalidParameter(f"Route table {table_id} does not belong to the VPC {endpoint.vpc_id}")
        if any(route.destination_prefix_list_id == prefix_list for route in table._routes.values()):
            raise EC2ClientError(
                "RouteAlreadyExists",
                f"route table {table_id} already has a route with destination-prefix-list-id {prefix_list}",
            )
    for table_id in tables:
        backend.create_route(table_id, None, gateway_id=endpoint.id, destination_prefix_list_id=prefix_list)
        endpoint.route_table_ids.append(table_id)


def _remove_routes(backend: EC2Backend, endpoint: VPCEndPoint, tables: list[str]) -> None:
    for table_id in [t for t in endpoint.route_table_ids if t in tables]:
        if table_id in backend.route_tables:
            backend.delete_route(table_id, endpoint.destination_prefix_list_id)
        endpoint.route_table_ids.remove(table_id)


def create_vpc_endpoint(
    self: EC2Backend,
    vpc_id: str,
    service_name: str,
    endpoint_type: str | None = None,
    policy_document: str | None = None,
    route_table_ids: list[str] | None = None,
    subnet_ids: list[str] | None = None,
    network_interface_ids: list[str] | None = None,
    dns_entries: Any = None,
    client_token: str | None = None,
    security_group_ids: list[str] | None = None,
    tags: dict[str, str] | None = None,
    private_dns_enabled: bool | None = None,
) -> VPCEndPoint:
    kind = endpoint_type or "Gateway"
    self.get_vpc(vpc_id)
    if not _known(self, service_name):
        raise InvalidServiceName(service_name)
    if kind not in ("Gateway", "Interface"):
        raise InvalidParameter(
            f"local_aws has no VPC endpoints of the type {kind}: use Gateway or Interface."
        )
    if kind == "Gateway" and service_name.rsplit(".", 1)[-1] not in _GATEWAY_SERVICES:
        raise InvalidParameter(
            "Endpoint type (Gateway) does not match available service types ([Interface])."
        )
    wrong = {"Gateway": ("SubnetIds", subnet_ids), "Interface": ("RouteTableIds", route_table_ids)}[kind]
    if wrong[1]:
        raise InvalidParameter(f"{wrong[0]} cannot be given for an endpoint of the type {kind}.")
    _check_groups(self, vpc_id, security_group_ids or [])
    groups = security_group_ids or []
    if kind == "Interface" and not groups:
        groups = [self.get_default_security_group(vpc_id).id]
    endpoint = VPCEndPoint(
        self, random_vpc_ep_id(), vpc_id, service_name, kind, _policy(policy_document), [], [], [], [],
        client_token, list(groups), tags, kind == "Interface" and bool(private_dns_enabled),
    )  # fmt: skip
    if kind == "Interface":
        if endpoint.private_dns_enabled:
            _check_private_dns(self, endpoint)
        _add_subnets(self, endpoint, subnet_ids or [])
        endpoint.dns_entries = _dns_entries(self, endpoint)
        self.vpc_end_points[endpoint.id] = endpoint
        return endpoint
    endpoint.destination_prefix_list_id = next(
        item.id for item in self.managed_prefix_lists.values() if item.prefix_list_name == service_name
    )
    self.vpc_end_points[endpoint.id] = endpoint  # its routes refer to it
    try:
        _add_routes(self, endpoint, route_table_ids or [])
    except EC2ClientError:
        del self.vpc_end_points[endpoint.id]
        raise
    return endpoint


def _dns_entries(backend: EC2Backend, endpoint: VPCEndPoint) -> list[dict[str, str]]:
    """The regional name and one a zone; the hosted zone is the same for all."""
    stem = f"{endpoint.id}-{endpoint.id[-8:]}"
    service = endpoint.service_name.removeprefix(f"com.amazonaws.{backend.region_name}.")
    end = f"{service}.{backend.region_name}.vpce.amazonaws.com"
    zone_id = "Z" + endpoint.id[-13:].upper()
    zones = [backend.get_subnet(s).availability_zone for s in endpoint.subnet_ids]
    names = [f"{stem}.{end}", *(f"{stem}-{zone}.{end}" for zone in zones)]
    return [{"dns_name": name, "hosted_zone_id": zone_id} for name in names]


def modify_vpc_endpoint(self: EC2Backend, endpoint_id: str, request: dict[str, Any]) -> None:
    """ModifyVpcEndpoint. `request`: the API's parameters."""
    endpoint = self.vpc_end_points.get(endpoint_id)
    if endpoint is None:
        raise InvalidVpcEndPointIdError(endpoint_id)
    if request.get("ResetPolicy"):
        endpoint.policy_document = _policy(None)
    if request.get("PolicyDocument"):
        endpoint.policy_document = _policy(request["PolicyDocument"])
    groups = [g for g in endpoint.security_group_ids if g not in request.get("RemoveSecurityGroupIds", [])]
    groups += [g for g in request.get("AddSecurityGroupIds", []) if g not in groups]
    _check_groups(self, endpoint.vpc_id, groups)
    endpoint.security_group_ids = groups
    if endpoint.vpc_endpoint_type == "Interface":
        _remove_subnets(self, endpoint, request.get("RemoveSubnetIds", []))
        _add_subnets(self, endpoint, request.get("AddSubnetIds", []))
        for eni_id in endpoint.network_interface_ids:
            self.enis[eni_id]._group_set = [self.get_security_group_from_id(g) for g in groups]
        if (wanted := request.get("PrivateDnsEnabled")) is not None:
            if wanted:
                _check_private_dns(self, endpoint)
            endpoint.private_dns_enabled = wanted
        endpoint.dns_entries = _dns_entries(self, endpoint)
    else:
        _remove_routes(self, endpoint, request.get("RemoveRouteTableIds", []))
        _add_routes(self, endpoint, request.get("AddRouteTableIds", []))


def delete_vpc_endpoints(self: EC2Backend, vpce_ids: list[str] | None = None) -> None:
    """Interfaces and routes go with the endpoint; unknown ids are for the response to report."""
    for endpoint_id in vpce_ids or []:
        endpoint = self.vpc_end_points.pop(endpoint_id, None)
        if endpoint is not None:
            _remove_routes(self, endpoint, list(endpoint.route_table_ids))
            for eni_id in endpoint.network_interface_ids:
                interfaces.release(self, eni_id)


def _delete_response(self: VPCs) -> ActionResult:
    ids = self._get_param("VpcEndpointIds", [])
    unknown = [i for i in ids if i not in self.ec2_backend.vpc_end_points]
    self.ec2_backend.delete_vpc_endpoints(vpce_ids=ids)
    failed = [
        {
            "ResourceId": i,
            "Error": {
                "Code": "InvalidVpcEndpoint.NotFound",
                "Message": f"The Vpc Endpoint Id '{i}' does not exist",
            },
        }
        for i in unknown
    ]
    return ActionResult({"Unsuccessful": failed})


def _modify_response(self: VPCs) -> ActionResult:
    request = {
        name: self._get_param(name, [])
        for action in ("Add", "Remove")
        for name in (f"{action}SubnetIds", f"{action}RouteTableIds", f"{action}SecurityGroupIds")
    }
    request["PolicyDocument"] = self._get_param("PolicyDocument")
    request["ResetPolicy"] = self._get_bool_param("ResetPolicy")
    request["PrivateDnsEnabled"] = self._get_bool_param("PrivateDnsEnabled")
    self.ec2_backend.modify_vpc_endpoint(self._get_param("VpcEndpointId"), request)
    return ActionResult({"Return": True})


def install() -> None:
    for function in (create_vpc_endpoint, modify_vpc_endpoint, delete_vpc_endpoints):
        setattr(EC2Backend, function.__name__, function)
    VPCs.delete_vpc_endpoints, VPCs.modify_vpc_endpoint = _delete_response, _modify_response
