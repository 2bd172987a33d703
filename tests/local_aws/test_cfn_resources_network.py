"""The AWS::EC2 resource types: create, read back, Ref and GetAtt, update, delete."""

import json
import re

import pytest
from cfn_resources import Stack

pytestmark = pytest.mark.slow
ZONE = "us-east-1"


@pytest.fixture
def stack(server):
    return Stack(server, tags={"Project": "lab"})


def tags_of(aws, resource_id):
    found = aws.ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [resource_id]}])["Tags"]
    return {tag["Key"]: tag["Value"] for tag in found}


def make_vpc(stack, block="10.60.0.0/16"):
    return stack.create(
        "AWS::EC2::VPC", CidrBlock=block, EnableDnsSupport="true", EnableDnsHostnames="true", Tags=[]
    )


def make_subnet(stack, vpc, number=0, zone="a"):
    return stack.create(
        "AWS::EC2::Subnet",
        f"Subnet{number}",
        VpcId=vpc.ref,
        CidrBlock=f"10.60.{number}.0/24",
        AvailabilityZone=f"{ZONE}{zone}",
        MapPublicIpOnLaunch=False,
    )


def test_vpc(aws, stack):
    vpc = make_vpc(stack)
    assert re.fullmatch("vpc-[0-9a-f]{17}", vpc.ref) and vpc["VpcId"] == vpc.ref
    assert vpc["CidrBlock"] == "10.60.0.0/16" and vpc["CidrBlockAssociations"][0].startswith(
        "vpc-cidr-assoc-"
    )
    group = aws.ec2.describe_security_groups(GroupIds=[vpc["DefaultSecurityGroup"]])["SecurityGroups"][0]
    assert (group["VpcId"], group["GroupName"]) == (vpc.ref, "default")
    acl = aws.ec2.describe_network_acls(NetworkAclIds=[vpc["DefaultNetworkAcl"]])["NetworkAcls"][0]
    assert acl["VpcId"] == vpc.ref and acl["IsDefault"]

    def dns(name):
        key = name[0].upper() + name[1:]
        return aws.ec2.describe_vpc_attribute(VpcId=vpc.ref, Attribute=name)[key]["Value"]

    assert dns("enableDnsHostnames") is dns("enableDnsSupport") is True
    vpc.update(EnableDnsHostnames=False, Tags=[{"Key": "Name", "Value": "net"}])
    assert dns("enableDnsHostnames") is False
    assert tags_of(aws, vpc.ref) == {"Project": "lab", "Name": "net"}
    assert vpc.replaced_by(CidrBlock="10.61.0.0/16") == {"CidrBlock"}
    stack.delete_all()
    assert aws.ec2.describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [vpc.ref]}])["Vpcs"] == []
    stack.refuses("InvalidVpc.Range", "AWS::EC2::VPC", CidrBlock="10.0.0.0/8")
    stack.refuses("This is not a valid CIDR block", "AWS::EC2::VPC", CidrBlock="10.0.0.0/33")


def test_subnet(aws, stack):
    vpc = make_vpc(stack)
    subnet = make_subnet(stack, vpc)
    assert re.fullmatch("subnet-[0-9a-f]{17}", subnet.ref)
    assert (subnet["AvailabilityZone"], subnet["CidrBlock"], subnet["VpcId"]) == (
        f"{ZONE}a",
        "10.60.0.0/24",
        vpc.ref,
    )
    assert subnet["NetworkAclAssociationId"].startswith("aclassoc-")
    subnet.update(MapPublicIpOnLaunch=True)
    found = aws.ec2.describe_subnets(SubnetIds=[subnet.ref])["Subnets"][0]
    assert found["MapPublicIpOnLaunch"] and found["Tags"] == [{"Key": "Project", "Value": "lab"}]
    assert subnet.replaced_by(AvailabilityZone=f"{ZONE}b") == {"AvailabilityZone"}
    base = {"VpcId": vpc.ref, "AvailabilityZone": f"{ZONE}a"}
    stack.refuses("InvalidSubnet.Conflict", "AWS::EC2::Subnet", CidrBlock="10.60.0.128/25", **base)
    stack.refuses("InvalidSubnet.Range", "AWS::EC2::Subnet", CidrBlock="10.99.0.0/24", **base)
    stack.delete_all()


def test_routes(aws, stack):
    vpc = make_vpc(stack)
    subnet = make_subnet(stack, vpc)
    gateway = stack.create("AWS::EC2::InternetGateway", "Gateway")
    attachment = stack.create(
        "AWS::EC2::VPCGatewayAttachment", "Attachment", VpcId=vpc.ref, InternetGatewayId=gateway.ref
    )
    assert attachment.ref == f"IGW|{vpc.ref}" and attachment["AttachmentType"] == "IGW"
    table = stack.create("AWS::EC2::RouteTable", "Table", VpcId=vpc.ref)
    route = stack.create(
        "AWS::EC2::Route",
        "Route",
        RouteTableId=table.ref,
        DestinationCidrBlock="0.0.0.0/0",
        GatewayId=gateway.ref,
    )
    assert route.ref == f"{table.ref}|0.0.0.0/0" and route["CidrBlock"] == "0.0.0.0/0"
    association = stack.create(
        "AWS::EC2::SubnetRouteTableAssociation", "Association", RouteTableId=table.ref, SubnetId=subnet.ref
    )
    assert association["Id"] == association.ref
    address = stack.create("AWS::EC2::EIP", "Address", Domain="vpc")
    assert re.fullmatch(r"\d+(\.\d+){3}", address.ref) and address["AllocationId"].startswith("eipalloc-")
    nat = stack.create(
        "AWS::EC2::NatGateway", "Nat", SubnetId=subnet.ref, AllocationId=address["AllocationId"]
    )
    assert nat["NatGatewayId"] == nat.ref

    def routes():
        found = aws.ec2.describe_route_tables(RouteTableIds=[table.ref])["RouteTables"][0]
        assert [a["RouteTableAssociationId"] for a in found["Associations"]] == [association.ref]
        return [r for r in found["Routes"] if r["DestinationCidrBlock"] == "0.0.0.0/0"]

    assert routes()[0]["GatewayId"] == gateway.ref
    route.update(GatewayId=None, NatGatewayId=nat.ref)
    assert routes()[0]["NatGatewayId"] == nat.ref
    address.update(Tags=[{"Key": "Name", "Value": "out"}])
    assert tags_of(aws, address["AllocationId"]) == {"Project": "lab", "Name": "out"}
    stack.delete_all()
    assert aws.ec2.describe_addresses(PublicIps=[])["Addresses"] == []
    refused = {"RouteTableId": table.ref, "DestinationCidrBlock": "0.0.0.0/0"}
    stack.refuses("exactly one target", "AWS::EC2::Route", **refused)


def test_security_groups(aws, stack):
    vpc = make_vpc(stack)
    https = {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "CidrIp": "10.60.0.0/16",
        "Description": "inside",
    }
    group = stack.create(
        "AWS::EC2::SecurityGroup",
        "Group",
        GroupDescription="jobs",
        VpcId=vpc.ref,
        SecurityGroupIngress=[https],
    )
    assert re.fullmatch("sg-[0-9a-f]{17}", group.ref) and group["GroupId"] == group.ref

    def rules(way=""):
        found = aws.ec2.describe_security_groups(GroupIds=[group.ref])["SecurityGroups"][0]
        return found[f"IpPermissions{way}"]

    assert rules()[0]["IpRanges"] == [{"CidrIp": "10.60.0.0/16", "Description": "inside"}]
    assert rules("Egress")[0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]
    group.update(SecurityGroupEgress=[{**https, "CidrIp": "0.0.0.0/0"}], SecurityGroupIngress=None)
    assert rules() == []
    assert [(r["FromPort"], r["IpRanges"][0]["CidrIp"]) for r in rules("Egress")] == [(443, "0.0.0.0/0")]
    group.update(SecurityGroupEgress=None)
    assert [r["IpProtocol"] for r in rules("Egress")] == ["-1"]
    itself = {"GroupId": group.ref, "IpProtocol": "-1"}
    ingress = stack.create(
        "AWS::EC2::SecurityGroupIngress", "In", **itself, SourceSecurityGroupId=group.ref, Description="self"
    )
    assert ingress.ref.startswith("sgr-") and ingress["Id"] == ingress.ref
    stack.create("AWS::EC2::SecurityGroupEgress", "Out", **itself, DestinationSecurityGroupId=group.ref)
    assert rules()[0]["UserIdGroupPairs"][0]["GroupId"] == group.ref
    ingress.update(Description="between the hosts")
    assert rules()[0]["UserIdGroupPairs"][0]["Description"] == "between the hosts"
    assert ingress.replaced_by(IpProtocol="tcp") == {"IpProtocol"}
    ingress.delete()
    assert rules() == []
    both = {**https, "SourceSecurityGroupId": group.ref}
    stack.refuses("Exactly one of CidrIp", "AWS::EC2::SecurityGroupIngress", GroupId=group.ref, **both)
    wrong = {**https, "CidrIp": "10.0.0.300/8"}
    stack.refuses("InvalidParameterValue", "AWS::EC2::SecurityGroupIngress", GroupId=group.ref, **wrong)
    stack.delete_all()


def test_endpoints(aws, stack):
    vpc = make_vpc(stack)
    subnets = [make_subnet(stack, vpc, i, zone).ref for i, zone in enumerate("ab")]
    group = stack.create("AWS::EC2::SecurityGroup", "Group", GroupDescription="endpoints", VpcId=vpc.ref)
    tables = [stack.create("AWS::EC2::RouteTable", f"Table{i}", VpcId=vpc.ref).ref for i in range(2)]
    gateway = stack.create(
        "AWS::EC2::VPCEndpoint",
        "Objects",
        VpcId=vpc.ref,
        VpcEndpointType="Gateway",
        ServiceName=f"com.amazonaws.{ZONE}.s3",
        RouteTableIds=tables[:1],
    )
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sagemaker:*", "Resource": "*"}
    interface = stack.create(
        "AWS::EC2::VPCEndpoint",
        "Studio",
        VpcId=vpc.ref,
        VpcEndpointType="Interface",
        ServiceName=f"aws.sagemaker.{ZONE}.studio",
        SubnetIds=subnets[:1],
        SecurityGroupIds=[group.ref],
        PrivateDnsEnabled=True,
        PolicyDocument={"Statement": [statement]},
    )
    assert re.fullmatch("vpce-[0-9a-f]+", gateway.ref) and gateway["NetworkInterfaceIds"] == []
    assert len(interface["NetworkInterfaceIds"]) == 1 and len(interface["DnsEntries"]) == 2
    assert re.fullmatch(r"Z\w+:vpce-.+\.amazonaws\.com", interface["DnsEntries"][0])
    interface.update(SubnetIds=subnets, PolicyDocument=None, PrivateDnsEnabled=False)
    gateway.update(RouteTableIds=tables[1:])
    found = aws.ec2.describe_vpc_endpoints(VpcEndpointIds=[interface.ref, gateway.ref])["VpcEndpoints"]
    by_id = {item["VpcEndpointId"]: item for item in found}
    assert by_id[gateway.ref]["RouteTableIds"] == tables[1:]
    assert by_id[interface.ref]["SubnetIds"] == subnets and not by_id[interface.ref]["PrivateDnsEnabled"]
    assert json.loads(by_id[interface.ref]["PolicyDocument"])["Statement"][0]["Action"] == "*"
    assert len(interface["NetworkInterfaceIds"]) == 2
    stack.delete_all()
    stack.refuses("VpcID", "AWS::EC2::VPCEndpoint", VpcId=vpc.ref, ServiceName=f"com.amazonaws.{ZONE}.s3")


def test_flow_log(aws, stack):
    vpc = make_vpc(stack)
    properties = {
        "ResourceType": "VPC",
        "ResourceId": vpc.ref,
        "TrafficType": "ALL",
        "LogDestinationType": "cloud-watch-logs",
        "LogGroupName": "flows",
        "DeliverLogsPermissionArn": "arn:aws:iam::123456789012:role/flows",
    }
    log = stack.create("AWS::EC2::FlowLog", "Flows", **properties)
    log.update(Tags=[{"Key": "Name", "Value": "flows"}])
    found = aws.ec2.describe_flow_logs(FlowLogIds=[log.ref])["FlowLogs"][0]
    assert (found["ResourceId"], found["TrafficType"], found["LogGroupName"]) == (vpc.ref, "ALL", "flows")
    assert tags_of(aws, log.ref) == {"Project": "lab", "Name": "flows"} and log["Id"] == log.ref
    assert log.replaced_by(TrafficType="REJECT") == {"TrafficType"}
    bucket = {
        "ResourceType": "VPC",
        "ResourceId": vpc.ref,
        "LogDestinationType": "s3",
        "LogDestination": "arn:aws:s3:::no-such-bucket",
    }
    stack.refuses("no-such-bucket does not exist", "AWS::EC2::FlowLog", TrafficType="ALL", **bucket)
    stack.delete_all()
    assert aws.ec2.describe_flow_logs(FlowLogIds=[log.ref])["FlowLogs"] == []
