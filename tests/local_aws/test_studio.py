"""SageMaker Studio's records, their order of deletion, and what a domain leaves in a VPC."""

import base64
import time

import pytest
from botocore.exceptions import ClientError
from refusals import refused
from servers import ROLE, clients_of, running_server

REGION = "us-east-1"


def until(describe, status, **request):
    deadline = time.monotonic() + 10
    while (answer := describe(**request))["Status"] != status:
        assert time.monotonic() < deadline, answer
        time.sleep(0.02)
    return answer


def until_gone(describe, **request):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            assert describe(**request)["Status"] == "Deleting"
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceNotFound"
            return
        time.sleep(0.02)
    raise AssertionError("still there")


@pytest.fixture
def network(aws):
    vpc = aws.ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        aws.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.50.{i}.0/24", AvailabilityZone=f"{REGION}{zone}")[
            "Subnet"
        ]["SubnetId"]
        for i, zone in enumerate("ab")
    ]
    group = aws.ec2.create_security_group(GroupName="studio", Description="studio", VpcId=vpc)["GroupId"]
    return vpc, subnets, group


def domain_request(network, name="lab", **more):
    vpc, subnets, group = network
    return {
        "DomainName": name,
        "AuthMode": "IAM",
        "AppNetworkAccessType": "VpcOnly",
        "VpcId": vpc,
        "SubnetIds": subnets,
        "DefaultUserSettings": {"ExecutionRole": ROLE, "SecurityGroups": [group]},
        **more,
    }


def make_domain(aws, network, **more):
    domain_id = aws.sagemaker.create_domain(**domain_request(network, **more))["DomainId"]
    until(aws.sagemaker.describe_domain, "InService", DomainId=domain_id)
    return domain_id


def delete_domain(aws, domain_id, **more):
    """Until it is gone: a domain that is being deleted still holds its name."""
    aws.sagemaker.delete_domain(DomainId=domain_id, **more)
    until_gone(aws.sagemaker.describe_domain, DomainId=domain_id)


def nfs_groups(aws, domain_id):
    names = [f"security-group-for-{way}-nfs-{domain_id}" for way in ("inbound", "outbound")]
    found = aws.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": names}])[
        "SecurityGroups"
    ]
    return {group["GroupName"].split("-")[3]: group for group in found}


def remove_network(aws, network):
    vpc, subnets, group = network
    for subnet in subnets:
        aws.ec2.delete_subnet(SubnetId=subnet)
    aws.ec2.delete_security_group(GroupId=group)
    aws.ec2.delete_vpc(VpcId=vpc)


def remove_nfs_groups(aws, domain_id):
    groups = nfs_groups(aws, domain_id)
    for way, group in groups.items():
        revoke = (
            aws.ec2.revoke_security_group_ingress
            if way == "inbound"
            else aws.ec2.revoke_security_group_egress
        )
        rules = group["IpPermissions"] if way == "inbound" else group["IpPermissionsEgress"]
        revoke(GroupId=group["GroupId"], IpPermissions=rules)
    for group in groups.values():
        aws.ec2.delete_security_group(GroupId=group["GroupId"])


def test_a_domain_that_keeps_its_files_keeps_the_vpc(aws, network):
    vpc, subnets, group = network
    domain_id = make_domain(aws, network, Tags=[{"Key": "Project", "Value": "lab"}])
    domain = aws.sagemaker.describe_domain(DomainId=domain_id)
    assert domain["DomainName"] == "lab" and domain["SubnetIds"] == subnets
    assert domain["Url"] == f"https://{domain_id}.studio.{REGION}.sagemaker.aws"
    assert aws.sagemaker.list_tags(ResourceArn=domain["DomainArn"])["Tags"] == [
        {"Key": "Project", "Value": "lab"}
    ]
    listed = aws.sagemaker.list_domains()["Domains"]
    assert [item["Status"] for item in listed if item["DomainId"] == domain_id] == ["InService"]

    files = domain["HomeEfsFileSystemId"]
    tags = aws.efs.describe_file_systems(FileSystemId=files)["FileSystems"][0]["Tags"]
    assert tags == [{"Key": "ManagedByAmazonSageMakerResource", "Value": domain["DomainArn"]}]
    targets = aws.efs.describe_mount_targets(FileSystemId=files)["MountTargets"]
    assert {target["SubnetId"] for target in targets} == set(subnets)

    delete_domain(aws, domain_id)
    refused(aws.ec2.delete_subnet, "DependencyViolation", subnets[0], SubnetId=subnets[0])
    groups = nfs_groups(aws, domain_id)
    inbound = groups["inbound"]["GroupId"]
    refused(aws.ec2.delete_security_group, "DependencyViolation", inbound, GroupId=inbound)
    for target in targets:
        aws.efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    aws.efs.delete_file_system(FileSystemId=files)
    refused(
        aws.ec2.delete_security_group, "DependencyViolation", inbound, GroupId=inbound
    )  # a rule refers to it
    refused(aws.ec2.delete_vpc, "DependencyViolation", vpc, VpcId=vpc)
    remove_nfs_groups(aws, domain_id)
    remove_network(aws, network)


def test_a_domain_may_take_its_files_with_it(aws, network):
    domain_id = make_domain(aws, network)
    files = aws.sagemaker.describe_domain(DomainId=domain_id)["HomeEfsFileSystemId"]
    delete_domain(aws, domain_id, RetentionPolicy={"HomeEfsFileSystem": "Delete"})
    with pytest.raises(aws.efs.exceptions.FileSystemNotFound):
        aws.efs.describe_file_systems(FileSystemId=files)
    assert set(nfs_groups(aws, domain_id)) == {"inbound", "outbound"}
    remove_nfs_groups(aws, domain_id)
    remove_network(aws, network)


def test_a_domain_without_home_leaves_nothing(aws, network):
    domain_id = make_domain(aws, network, HomeEfsFileSystemCreation="Disabled")
    assert "HomeEfsFileSystemId" not in aws.sagemaker.describe_domain(DomainId=domain_id)
    delete_domain(aws, domain_id)
    remove_nfs_groups(aws, domain_id)
    remove_network(aws, network)


def test_domains_that_aws_refuses(aws, network):
    def create(**request):
        aws.sagemaker.create_domain(**{"DomainName": "refused", **request})

    elsewhere = aws.ec2.create_vpc(CidrBlock="10.51.0.0/16")["Vpc"]["VpcId"]
    refused(
        create,
        "ValidationException",
        "does not belong",
        **domain_request(network, "refused") | {"VpcId": elsewhere},
    )
    missing = ["subnet-0123456789abcdef0"]
    refused(
        create,
        "ValidationException",
        missing[0],
        **domain_request(network, "refused") | {"SubnetIds": missing},
    )
    settings = {"DefaultUserSettings": {"ExecutionRole": ROLE, "SecurityGroups": ["sg-0123456789abcdef0"]}}
    refused(
        create, "ValidationException", "sg-0123456789abcdef0", **domain_request(network, "refused") | settings
    )
    lab = {
        "JupyterLabAppSettings": {"LifecycleConfigArns": [f"arn:aws:sagemaker:{REGION}:123456789012:x/none"]}
    }
    settings["DefaultUserSettings"] = {"ExecutionRole": ROLE, **lab}
    refused(create, "ValidationException", "does not exist", **domain_request(network, "refused") | settings)
    refused(
        create,
        "ValidationException",
        "IAM Identity Center",
        **domain_request(network, "refused") | {"AuthMode": "SSO"},
    )
    refused(create, "ValidationException", "domainName", **domain_request(network, name="no_underscore"))
    refused(
        aws.sagemaker.describe_domain, "ResourceNotFound", "[d-nothing] does not exist", DomainId="d-nothing"
    )
    assert aws.efs.describe_file_systems()["FileSystems"] == []
    aws.ec2.delete_vpc(VpcId=elsewhere)
    remove_network(aws, network)


@pytest.mark.slow
def test_members_go_before_their_domain(aws, network):
    sm, subnets = aws.sagemaker, network[1]
    script = base64.b64encode(b"#!/bin/bash\necho hello\n").decode()
    config = sm.create_studio_lifecycle_config(
        StudioLifecycleConfigName="clone",
        StudioLifecycleConfigContent=script,
        StudioLifecycleConfigAppType="JupyterLab",
    )["StudioLifecycleConfigArn"]
    domain_id = make_domain(aws, network)
    refused(
        sm.create_domain, "ResourceInUse", "Domain with name lab already exists", **domain_request(network)
    )
    user = {"DomainId": domain_id, "UserProfileName": "learner"}
    sm.create_user_profile(**user, UserSettings={"ExecutionRole": ROLE})
    space = {"DomainId": domain_id, "SpaceName": "workshop"}
    lab = {
        "AppType": "JupyterLab",
        "JupyterLabAppSettings": {"DefaultResourceSpec": {"LifecycleConfigArn": config}},
    }
    sm.create_space(
        **space,
        OwnershipSettings={"OwnerUserProfileName": "learner"},
        SpaceSharingSettings={"SharingType": "Private"},
        SpaceSettings=lab,
    )
    app = {**space, "AppType": "JupyterLab", "AppName": "default"}
    refused(sm.create_app, "ResourceInUse", "Pending", **app)
    until(sm.describe_space, "InService", **space)
    refused(sm.create_app, "ValidationException", "JupyterLab", **{**app, "AppType": "CodeEditor"})
    sm.create_app(**app, ResourceSpec={"InstanceType": "ml.t3.medium"})
    assert until(sm.describe_app, "InService", **app)["ResourceSpec"] == {"InstanceType": "ml.t3.medium"}
    found = aws.ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": subnets}])
    eni = next(e for e in found["NetworkInterfaces"] if domain_id in e["Description"])
    outbound = nfs_groups(aws, domain_id)["outbound"]["GroupId"]
    assert {g["GroupId"] for g in eni["Groups"]} == {network[2], outbound}

    whole = {"DomainId": domain_id, "RetentionPolicy": {"HomeEfsFileSystem": "Delete"}}
    refused(sm.delete_domain, "ResourceInUse", "because App(s) are associated", **whole)
    refused(sm.delete_space, "ResourceInUse", "because App(s) are associated", **space)
    refused(sm.delete_user_profile, "ResourceInUse", "because Space(s) are associated", **user)
    refused(sm.delete_studio_lifecycle_config, "ResourceInUse", "uses it", StudioLifecycleConfigName="clone")
    sm.delete_app(**app)
    assert until(sm.describe_app, "Deleted", **app)
    assert [a["Status"] for a in sm.list_apps(DomainIdEquals=domain_id)["Apps"]] == ["Deleted"]
    sm.delete_space(**space)
    until_gone(sm.describe_space, **space)
    sm.delete_studio_lifecycle_config(StudioLifecycleConfigName="clone")
    refused(sm.delete_domain, "ResourceInUse", "because UserProfile(s) are associated", **whole)
    sm.delete_user_profile(**user)
    until_gone(sm.describe_user_profile, **user)
    sm.delete_domain(**whole)
    until_gone(sm.describe_domain, DomainId=domain_id)
    remove_nfs_groups(aws, domain_id)
    remove_network(aws, network)


@pytest.mark.slow
def test_updates_and_lists(aws, network):
    sm, (_, subnets, group) = aws.sagemaker, network
    domain_id = make_domain(aws, network)
    bounds = {"DefaultEbsStorageSettings": {"DefaultEbsVolumeSizeInGb": 5, "MaximumEbsVolumeSizeInGb": 20}}
    sm.update_domain(
        DomainId=domain_id, DefaultUserSettings={"SpaceStorageSettings": bounds}, SubnetIds=subnets[:1]
    )
    settings = until(sm.describe_domain, "InService", DomainId=domain_id)
    assert settings["DefaultUserSettings"] == {
        "ExecutionRole": ROLE,
        "SecurityGroups": [group],
        "SpaceStorageSettings": bounds,
    }
    targets = aws.efs.describe_mount_targets(FileSystemId=settings["HomeEfsFileSystemId"])["MountTargets"]
    assert [target["SubnetId"] for target in targets] == subnets[:1]
    for name in ("ada", "bob", "cleo"):
        sm.create_user_profile(DomainId=domain_id, UserProfileName=name)
    first = sm.list_user_profiles(DomainIdEquals=domain_id, MaxResults=2)
    rest = sm.list_user_profiles(DomainIdEquals=domain_id, MaxResults=2, NextToken=first["NextToken"])
    names = [u["UserProfileName"] for u in first["UserProfiles"] + rest["UserProfiles"]]
    assert names == ["ada", "bob", "cleo"] and "NextToken" not in rest
    until(sm.describe_user_profile, "InService", DomainId=domain_id, UserProfileName="bob")
    role = ROLE.replace("lab", "other")
    sm.update_user_profile(DomainId=domain_id, UserProfileName="bob", UserSettings={"ExecutionRole": role})
    bob = until(sm.describe_user_profile, "InService", DomainId=domain_id, UserProfileName="bob")
    assert bob["UserSettings"] == {"ExecutionRole": role}
    space = {"DomainId": domain_id, "SpaceName": "big"}
    big = {"SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": 50}}}
    refused(sm.create_space, "ValidationException", "5 to 20", **space, SpaceSettings=big)
    for name in ("ada", "bob", "cleo"):
        until(sm.describe_user_profile, "InService", DomainId=domain_id, UserProfileName=name)
        sm.delete_user_profile(DomainId=domain_id, UserProfileName=name)
    for name in ("ada", "bob", "cleo"):
        until_gone(sm.describe_user_profile, DomainId=domain_id, UserProfileName=name)
    delete_domain(aws, domain_id, RetentionPolicy={"HomeEfsFileSystem": "Delete"})
    remove_nfs_groups(aws, domain_id)
    remove_network(aws, network)


@pytest.mark.slow
def test_studio_and_its_network_survive_a_restart(tmp_path):
    with running_server(tmp_path) as local:
        aws = clients_of(local.endpoint_url)
        vpc = aws.ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
        subnet = aws.ec2.create_subnet(VpcId=vpc, CidrBlock="10.50.0.0/24")["Subnet"]["SubnetId"]
        group = aws.ec2.create_security_group(GroupName="studio", Description="studio", VpcId=vpc)["GroupId"]
        network = vpc, [subnet], group
        domain_id = make_domain(aws, network)
    with running_server(tmp_path) as local:
        aws = clients_of(local.endpoint_url)
        domain = until(aws.sagemaker.describe_domain, "InService", DomainId=domain_id)
        delete_domain(aws, domain_id)
        refused(aws.ec2.delete_subnet, "DependencyViolation", subnet, SubnetId=subnet)
        files = domain["HomeEfsFileSystemId"]
        for target in aws.efs.describe_mount_targets(FileSystemId=files)["MountTargets"]:
            aws.efs.delete_mount_target(MountTargetId=target["MountTargetId"])
        aws.efs.delete_file_system(FileSystemId=files)
        remove_nfs_groups(aws, domain_id)
        remove_network(aws, network)
