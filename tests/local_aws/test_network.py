"""VPC networks: what depends on what, and what AWS refuses."""

import pytest
from refusals import refused

from local_aws.config import DEFAULT_REGION


@pytest.fixture
def vpc(aws):
    vpc_id = aws.ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    for name in ("EnableDnsHostnames", "EnableDnsSupport"):
        aws.ec2.modify_vpc_attribute(VpcId=vpc_id, **{name: {"Value": True}})
    return vpc_id


def subnet(aws, vpc, number=0, zone="a"):
    zone = f"{DEFAULT_REGION}{zone}"
    request = {"VpcId": vpc, "CidrBlock": f"10.40.{number}.0/24", "AvailabilityZone": zone}
    return aws.ec2.create_subnet(**request)["Subnet"]["SubnetId"]


def group(aws, vpc, name="workers"):
    return aws.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]


def interfaces(aws, vpc):
    return aws.ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [vpc]}])[
        "NetworkInterfaces"
    ]


def delete_vpc_with_all(aws, vpc):
    for item in aws.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]:
        aws.ec2.delete_subnet(SubnetId=item["SubnetId"])
    aws.ec2.delete_vpc(VpcId=vpc)


def test_subnet_blocks_and_zones(aws, vpc):
    first = aws.ec2.create_subnet(VpcId=vpc, CidrBlock="10.40.0.9/24")["Subnet"]
    assert first["CidrBlock"] == "10.40.0.0/24"
    assert first["DefaultForAz"] is first["MapPublicIpOnLaunch"] is False
    assert first["AvailabilityZone"].startswith(DEFAULT_REGION)
    create = aws.ec2.create_subnet
    refused(create, "InvalidSubnet.Conflict", "conflicts", VpcId=vpc, CidrBlock="10.40.0.128/25")
    refused(create, "InvalidSubnet.Range", "10.41.0.0/24", VpcId=vpc, CidrBlock="10.41.0.0/24")
    refused(create, "InvalidSubnet.Range", "10.40.9.0/29", VpcId=vpc, CidrBlock="10.40.9.0/29")
    refused(create, "InvalidParameterValue", "not a valid CIDR", VpcId=vpc, CidrBlock="10.40.0.300/24")
    other = {"VpcId": vpc, "CidrBlock": "10.40.2.0/24", "AvailabilityZone": "eu-west-1a"}
    refused(create, "InvalidParameterValue", "Value (eu-west-1a) for parameter availabilityZone", **other)
    delete_vpc_with_all(aws, vpc)


def test_a_vpc_waits_for_all_that_is_in_it(aws, vpc):
    sg, table = group(aws, vpc), aws.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = aws.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    aws.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    steps = [
        lambda: aws.ec2.delete_security_group(GroupId=sg),
        lambda: aws.ec2.delete_route_table(RouteTableId=table),
        lambda: aws.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc),
    ]
    for step in steps:
        refused(aws.ec2.delete_vpc, "DependencyViolation", f"The vpc '{vpc}' has dependencies", VpcId=vpc)
        step()
    aws.ec2.delete_vpc(VpcId=vpc)
    acls = aws.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
    assert acls == []


def test_a_deleted_subnet_leaves_its_route_table_free(aws, vpc):
    table, net = aws.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"], subnet(aws, vpc)
    aws.ec2.associate_route_table(RouteTableId=table, SubnetId=net)
    refused(aws.ec2.delete_route_table, "DependencyViolation", table, RouteTableId=table)
    aws.ec2.delete_subnet(SubnetId=net)
    aws.ec2.delete_route_table(RouteTableId=table)
    aws.ec2.delete_vpc(VpcId=vpc)


def test_a_security_group_in_use_stays(aws, vpc):
    used, other = group(aws, vpc), group(aws, vpc, "other")
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": used}]}
    aws.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[rule])
    delete = aws.ec2.delete_security_group
    refused(delete, "DependencyViolation", f"resource {used} has a dependent object", GroupId=used)
    aws.ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=[rule])
    eni = aws.ec2.create_network_interface(SubnetId=subnet(aws, vpc), Groups=[used])["NetworkInterface"]
    refused(delete, "DependencyViolation", used, GroupId=used)
    aws.ec2.delete_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"])
    delete(GroupId=used)
    default = aws.ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"][0]["GroupId"]
    refused(delete, "CannotDelete", "cannot be deleted by a user", GroupId=default)
    delete(GroupId=other)
    delete_vpc_with_all(aws, vpc)


def test_interface_endpoint_owns_interfaces(aws, vpc):
    first, second, sg = subnet(aws, vpc, 0, "a"), subnet(aws, vpc, 1, "b"), group(aws, vpc)
    request = {
        "VpcId": vpc,
        "VpcEndpointType": "Interface",
        "ServiceName": f"com.amazonaws.{DEFAULT_REGION}.sagemaker.api",
        "SubnetIds": [first],
        "SecurityGroupIds": [sg],
        "PrivateDnsEnabled": True,
    }
    made = aws.ec2.create_vpc_endpoint(**request)["VpcEndpoint"]
    endpoint = made["VpcEndpointId"]
    refused(aws.ec2.create_vpc_endpoint, "InvalidParameter", "conflicting DNS domain", **request)
    same_zone = {"VpcEndpointId": endpoint, "AddSubnetIds": [subnet(aws, vpc, 2, "a")]}
    refused(aws.ec2.modify_vpc_endpoint, "DuplicateSubnetsInSameZone", "availability zone", **same_zone)
    aws.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddSubnetIds=[second])
    enis = interfaces(aws, vpc)
    assert {eni["SubnetId"] for eni in enis} == {first, second}
    for eni in enis:
        assert (eni["Description"], eni["Status"]) == (f"VPC Endpoint Interface {endpoint}", "in-use")
        assert eni["PrivateIpAddress"].startswith("10.40.")
        assert [g["GroupId"] for g in eni["Groups"]] == [sg]
    refused(aws.ec2.delete_subnet, "DependencyViolation", first, SubnetId=first)
    refused(aws.ec2.delete_security_group, "DependencyViolation", sg, GroupId=sg)
    by_hand = {"NetworkInterfaceId": enis[0]["NetworkInterfaceId"]}
    refused(aws.ec2.delete_network_interface, "InvalidParameterValue", "currently in use", **by_hand)
    aws.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSubnetIds=[second])
    assert [eni["SubnetId"] for eni in interfaces(aws, vpc)] == [first]
    assert aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])["Unsuccessful"] == []
    assert interfaces(aws, vpc) == []
    again = aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])["Unsuccessful"][0]
    assert again["Error"]["Code"] == "InvalidVpcEndpoint.NotFound"
    aws.ec2.delete_security_group(GroupId=sg)
    delete_vpc_with_all(aws, vpc)


def test_endpoints_that_aws_refuses(aws):
    vpc = aws.ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    create = aws.ec2.create_vpc_endpoint
    base = {"VpcId": vpc, "VpcEndpointType": "Interface"}
    unknown = {**base, "ServiceName": f"com.amazonaws.{DEFAULT_REGION}.sagemeker.api"}
    refused(create, "InvalidServiceName", "sagemeker.api' does not exist", **unknown)
    sts = {**base, "ServiceName": f"com.amazonaws.{DEFAULT_REGION}.sts"}
    refused(create, "InvalidParameter", "enableDnsHostnames", **sts, PrivateDnsEnabled=True)
    refused(
        create,
        "InvalidGroup.NotFound",
        "sg-0123456789abcdef0",
        **sts,
        SecurityGroupIds=["sg-0123456789abcdef0"],
    )
    refused(create, "InvalidParameter", "(Gateway) does not match", **{**sts, "VpcEndpointType": "Gateway"})
    aws.ec2.delete_vpc(VpcId=vpc)


def test_gateway_endpoint_writes_routes(aws, vpc):
    tables = [aws.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2)]
    request = {"VpcId": vpc, "ServiceName": f"com.amazonaws.{DEFAULT_REGION}.s3", "RouteTableIds": tables[:1]}
    endpoint = aws.ec2.create_vpc_endpoint(**request)["VpcEndpoint"]["VpcEndpointId"]

    def routes(table):
        found = aws.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        return [r["GatewayId"] for r in found if "DestinationPrefixListId" in r]

    assert (routes(tables[0]), routes(tables[1])) == ([endpoint], [])
    refused(aws.ec2.create_vpc_endpoint, "RouteAlreadyExists", tables[0], **request)
    aws.ec2.modify_vpc_endpoint(
        VpcEndpointId=endpoint, AddRouteTableIds=tables[1:], RemoveRouteTableIds=tables[:1]
    )
    assert (routes(tables[0]), routes(tables[1])) == ([], [endpoint])
    refused(aws.ec2.delete_vpc, "DependencyViolation", vpc, VpcId=vpc)
    aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    assert routes(tables[1]) == []
    for table in tables:
        aws.ec2.delete_route_table(RouteTableId=table)
    aws.ec2.delete_vpc(VpcId=vpc)


def test_nat_gateway_holds_the_subnet_and_the_address(aws, vpc):
    net = subnet(aws, vpc)
    gateway = aws.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    aws.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    address = aws.ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = aws.ec2.create_nat_gateway(SubnetId=net, AllocationId=address)["NatGateway"]["NatGatewayId"]
    (eni,) = interfaces(aws, vpc)
    assert eni["Description"] == f"Interface for NAT Gateway {nat}"
    assert eni["PrivateIpAddress"].startswith("10.40.0.")
    refused(aws.ec2.delete_subnet, "DependencyViolation", net, SubnetId=net)
    detach = {"InternetGatewayId": gateway, "VpcId": vpc}
    refused(aws.ec2.detach_internet_gateway, "DependencyViolation", "mapped public address(es)", **detach)
    aws.ec2.delete_nat_gateway(NatGatewayId=nat)
    refused(aws.ec2.delete_nat_gateway, "NatGatewayNotFound", nat, NatGatewayId=nat)
    assert "AssociationId" not in aws.ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]
    aws.ec2.detach_internet_gateway(**detach)
    aws.ec2.release_address(AllocationId=address)
    delete_vpc_with_all(aws, vpc)


def test_efs_mount_target_holds_the_subnet(aws, vpc):
    net, sg = subnet(aws, vpc), group(aws, vpc)
    files = aws.efs.create_file_system(CreationToken=vpc)["FileSystemId"]
    target = aws.efs.create_mount_target(FileSystemId=files, SubnetId=net, SecurityGroups=[sg])
    (eni,) = interfaces(aws, vpc)
    assert eni["Description"] == f"EFS mount target for {files} ({target['MountTargetId']})"
    assert eni["PrivateIpAddress"] == target["IpAddress"]
    refused(aws.ec2.delete_subnet, "DependencyViolation", net, SubnetId=net)
    refused(aws.ec2.delete_security_group, "DependencyViolation", sg, GroupId=sg)
    aws.efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    aws.efs.delete_file_system(FileSystemId=files)
    aws.ec2.delete_security_group(GroupId=sg)
    delete_vpc_with_all(aws, vpc)


def test_descriptions_of_security_groups(aws, vpc):
    words = "Invalid security group description"
    request = {"GroupName": "words", "VpcId": vpc}
    refused(aws.ec2.create_security_group, "InvalidParameterValue", words, Description="job's", **request)
    sg = aws.ec2.create_security_group(Description="jobs (all): 1-2", **request)["GroupId"]
    rule = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "an apostrophe's rule"}]}
    authorize = aws.ec2.authorize_security_group_ingress
    refused(authorize, "InvalidParameterValue", "Invalid rule description", GroupId=sg, IpPermissions=[rule])
    request["GroupName"] = "sg-1"
    refused(aws.ec2.create_security_group, "InvalidParameterValue", "sg-*", Description="x", **request)
    aws.ec2.delete_security_group(GroupId=sg)
    aws.ec2.delete_vpc(VpcId=vpc)
