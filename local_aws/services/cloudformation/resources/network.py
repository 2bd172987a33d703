"""AWS::EC2: VPCs, subnets, route tables, gateways, flow logs."""

from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, ResourceError, missing_is_fine
from local_aws.services.cloudformation.resources.shapes import Properties, ec2_tags, picked, retag_ec2

_Made = tuple[str, dict[str, Any]]


class VPC(Handler):
    type = "AWS::EC2::VPC"
    properties = {"CidrBlock", "EnableDnsHostnames", "EnableDnsSupport", "InstanceTenancy", "Tags"}
    attributes = {"CidrBlock"}
    replaces = {"InstanceTenancy"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        request = picked(properties, "CidrBlock", "InstanceTenancy")
        vpc = ctx.client("ec2").create_vpc(**request, **ec2_tags(ctx, "vpc", properties))["Vpc"]["VpcId"]
        ctx.made(vpc)
        self._dns(ctx, vpc, properties)
        return vpc, self._read(ctx, vpc)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        self._dns(ctx, physical_id, new)
        retag_ec2(ctx, physical_id, old, new)
        return self._read(ctx, physical_id)

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("ec2").delete_vpc(VpcId=physical_id)

    @staticmethod
    def _dns(ctx: Context, vpc: str, properties: Properties) -> None:
        for name, default in (("EnableDnsSupport", True), ("EnableDnsHostnames", False)):
            value = {"Value": properties.get(name, default)}
            ctx.client("ec2").modify_vpc_attribute(VpcId=vpc, **{name: value})

    @staticmethod
    def _read(ctx: Context, vpc: str) -> dict[str, Any]:
        ec2, of_vpc = ctx.client("ec2"), {"Name": "vpc-id", "Values": [vpc]}
        found = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]
        default = [of_vpc, {"Name": "group-name", "Values": ["default"]}]
        groups = ec2.describe_security_groups(Filters=default)["SecurityGroups"]
        acls = ec2.describe_network_acls(Filters=[of_vpc, {"Name": "default", "Values": ["true"]}])[
            "NetworkAcls"
        ]
        return {
            "VpcId": vpc,
            "CidrBlock": found["CidrBlock"],
            "CidrBlockAssociations": [a["AssociationId"] for a in found["CidrBlockAssociationSet"]],
            "DefaultSecurityGroup": groups[0]["GroupId"],
            "DefaultNetworkAcl": acls[0]["NetworkAclId"],
            "Ipv6CidrBlocks": [],
        }


class Subnet(Handler):
    type = "AWS::EC2::Subnet"
    properties = {
        "VpcId",
        "CidrBlock",
        "AvailabilityZone",
        "AvailabilityZoneId",
        "MapPublicIpOnLaunch",
        "Tags",
    }
    attributes = {"AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "VpcId"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        request = picked(properties, "VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId")
        made = ctx.client("ec2").create_subnet(**request, **ec2_tags(ctx, "subnet", properties))["Subnet"]
        ctx.made(made["SubnetId"])
        self._map(ctx, made["SubnetId"], properties)
        return made["SubnetId"], self._read(ctx, made["SubnetId"])

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        self._map(ctx, physical_id, new)
        retag_ec2(ctx, physical_id, old, new)
        return self._read(ctx, physical_id)

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("ec2").delete_subnet(SubnetId=physical_id)

    @staticmethod
    def _map(ctx: Context, subnet: str, properties: Properties) -> None:
        public = {"Value": properties.get("MapPublicIpOnLaunch", False)}
        ctx.client("ec2").modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch=public)

    @staticmethod
    def _read(ctx: Context, subnet: str) -> dict[str, Any]:
        ec2 = ctx.client("ec2")
        found = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]
        acls = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])
        associations = [
            a for acl in acls["NetworkAcls"] for a in acl["Associations"] if a["SubnetId"] == subnet
        ]
        return {
            **picked(found, "SubnetId", "VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId"),
            "NetworkAclAssociationId": associations[0]["NetworkAclAssociationId"],
            "Ipv6CidrBlocks": [],
        }


class RouteTable(Handler):
    type = "AWS::EC2::RouteTable"
    properties = {"VpcId", "Tags"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        tags = ec2_tags(ctx, "route-table", properties)
        table = ctx.client("ec2").create_route_table(VpcId=properties["VpcId"], **tags)["RouteTable"]
        return table["RouteTableId"], {"RouteTableId": table["RouteTableId"]}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        retag_ec2(ctx, physical_id, old, new)
        return {"RouteTableId": physical_id}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("ec2").delete_route_table(RouteTableId=physical_id)


class Route(Handler):
    type = "AWS::EC2::Route"
    _target = (
        "GatewayId",
        "NatGatewayId",
        "NetworkInterfaceId",
        "InstanceId",
        "TransitGatewayId",
        "VpcPeeringConnectionId",
    )
    _destination = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
    properties = {"RouteTableId", *_destination, *_target}

    def validate(self, properties: Properties) -> None:
        for kind, names in (("destination", self._destination), ("target", self._target)):
            if sum(name in properties for name in names) != 1:
                raise ResourceError(f"A route has exactly one {kind}: give one of {', '.join(names)}.")

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        ctx.client("ec2").create_route(**properties)
        destination = next(properties[name] for name in self._destination if name in properties)
        return f"{properties['RouteTableId']}|{destination}", {"CidrBlock": destination}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        ctx.client("ec2").replace_route(**new)
        return {"CidrBlock": physical_id.split("|")[1]}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("ec2").delete_route(**picked(properties, "RouteTableId", *self._destination))


class SubnetRouteTableAssociation(Handler):
    type = "AWS::EC2::SubnetRouteTableAssociation"
    properties = {"RouteTableId", "SubnetId"}
    replaces = {"RouteTableId"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        association = ctx.client("ec2").associate_route_table(**properties)["AssociationId"]
        return association, {"Id": association}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("ec2").disassociate_route_table(AssociationId=physical_id)


class InternetGateway(Handler):
    type = "AWS::EC2::InternetGateway"
    properties = {"Tags"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        made = ctx.client("ec2").create_internet_gateway(**ec2_tags(ctx, "internet-gateway", properties))
        gateway = made["InternetGateway"]["InternetGatewayId"]
        return gateway, {"InternetGatewayId": gateway}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        retag_ec2(ctx, physical_id, old, new)
        return {"InternetGatewayId": physical_id}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("ec2").delete_internet_gateway(InternetGatewayId=physical_id)


class VPCGatewayAttachment(Handler):
    type = "AWS::EC2::VPCGatewayAttachment"
    properties = {"VpcId", "InternetGatewayId"}
    replaces = {"InternetGatewayId"}

    def validate(self, properties: Properties) -> None:
        if "InternetGatewayId" not in properties:
            raise ResourceError(
                "InternetGatewayId must be specified (local_aws has no VPN gateways in templates)."
            )

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        ctx.client("ec2").attach_internet_gateway(**properties)
        return f"IGW|{properties['VpcId']}", {"AttachmentType": "IGW"}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("ec2").detach_internet_gateway(**properties)


class EIP(Handler):
    type = "AWS::EC2::EIP"
    properties = {"Domain", "Tags"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        tags = ec2_tags(ctx, "elastic-ip", properties)
        made = ctx.client("ec2").allocate_address(Domain=properties.get("Domain", "vpc"), **tags)
        return made["PublicIp"], picked(made, "PublicIp", "AllocationId")

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        allocation = self._allocation(ctx, physical_id)
        retag_ec2(ctx, allocation, old, new)
        return {"PublicIp": physical_id, "AllocationId": allocation}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("ec2").release_address(AllocationId=self._allocation(ctx, physical_id))

    @staticmethod
    def _allocation(ctx: Context, address: str) -> str:
        return ctx.client("ec2").describe_addresses(PublicIps=[address])["Addresses"][0]["AllocationId"]


class NatGateway(Handler):
    type = "AWS::EC2::NatGateway"
    properties = {"AllocationId", "SubnetId", "ConnectivityType", "Tags"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        request = picked(properties, "AllocationId", "SubnetId", "ConnectivityType")
        made = ctx.client("ec2").create_nat_gateway(**request, **ec2_tags(ctx, "natgateway", properties))
        gateway = made["NatGateway"]["NatGatewayId"]
        ctx.made(gateway)
        ctx.wait(lambda: self._state(ctx, gateway) == "available", f"the NAT gateway {gateway}")
        return gateway, self._read(ctx, gateway)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        retag_ec2(ctx, physical_id, old, new)
        return self._read(ctx, physical_id)

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("ec2").delete_nat_gateway(NatGatewayId=physical_id)
            ctx.wait(lambda: self._state(ctx, physical_id) == "deleted", f"the end of {physical_id}")

    @staticmethod
    def _describe(ctx: Context, gateway: str) -> dict[str, Any]:
        return ctx.client("ec2").describe_nat_gateways(NatGatewayIds=[gateway])["NatGateways"][0]

    def _state(self, ctx: Context, gateway: str) -> str:
        return self._describe(ctx, gateway)["State"]

    def _read(self, ctx: Context, gateway: str) -> dict[str, Any]:
        addresses = self._describe(ctx, gateway)["NatGatewayAddresses"]
        return {"NatGatewayId": gateway, "EniId": addresses[0]["NetworkInterfaceId"]}


class FlowLog(Handler):
    type = "AWS::EC2::FlowLog"
    _request = (
        "ResourceType",
        "TrafficType",
        "LogDestinationType",
        "LogDestination",
        "LogGroupName",
        "LogFormat",
        "DeliverLogsPermissionArn",
        "MaxAggregationInterval",
    )
    properties = {*_request, "ResourceId", "Tags"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        request = {**picked(properties, *self._request), **ec2_tags(ctx, "vpc-flow-log", properties)}
        made = ctx.client("ec2").create_flow_logs(ResourceIds=[properties["ResourceId"]], **request)
        if made["Unsuccessful"]:
            error = made["Unsuccessful"][0]["Error"]
            raise ResourceError(f"{error['Message']} (Error code: {error['Code']})")
        return made["FlowLogIds"][0], {"Id": made["FlowLogIds"][0]}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        retag_ec2(ctx, physical_id, old, new)
        return {"Id": physical_id}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("ec2").delete_flow_logs(FlowLogIds=[physical_id])
