"""Is a resource there? Asked of its own service, never of CloudFormation."""

import json

from botocore.exceptions import ClientError


def _one(answer, key):
    return len(answer[key]) == 1


def _policy_of(aws, arn):
    return aws.iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] >= 1


def _rule(aws, arn):
    name = arn.rsplit("/", 1)[-1].split("|")[-1]
    return (
        aws.events.describe_rule(Name=name)["State"] == "ENABLED"
        and aws.events.list_targets_by_rule(Rule=name)["Targets"]
    )


def _route(aws, identity):
    table, destination = identity.split("|")
    (found,) = aws.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    return any(route.get("DestinationCidrBlock") == destination for route in found["Routes"])


def _association(aws, identity):
    query = [{"Name": "association.route-table-association-id", "Values": [identity]}]
    return _one(aws.ec2.describe_route_tables(Filters=query), "RouteTables")


def _attachment(aws, identity):
    found = aws.ec2.describe_internet_gateways()["InternetGateways"]
    return any(attachment["VpcId"] in identity for gateway in found for attachment in gateway["Attachments"])


def _rule_of_group(aws, identity):
    return _one(aws.ec2.describe_security_group_rules(SecurityGroupRuleIds=[identity]), "SecurityGroupRules")


def _bus_policy(aws, identity):
    policy = json.loads(aws.events.describe_event_bus().get("Policy", '{"Statement": []}'))
    return identity.split("|")[-1] in [statement["Sid"] for statement in policy["Statement"]]


CHECKS = {
    "AWS::EC2::VPC": lambda aws, i: _one(aws.ec2.describe_vpcs(VpcIds=[i]), "Vpcs"),
    "AWS::EC2::Subnet": lambda aws, i: _one(aws.ec2.describe_subnets(SubnetIds=[i]), "Subnets"),
    "AWS::EC2::RouteTable": lambda aws, i: _one(
        aws.ec2.describe_route_tables(RouteTableIds=[i]), "RouteTables"
    ),
    "AWS::EC2::SubnetRouteTableAssociation": _association,
    "AWS::EC2::Route": _route,
    "AWS::EC2::InternetGateway": lambda aws, i: _one(
        aws.ec2.describe_internet_gateways(InternetGatewayIds=[i]), "InternetGateways"
    ),
    "AWS::EC2::VPCGatewayAttachment": _attachment,
    "AWS::EC2::EIP": lambda aws, i: _one(aws.ec2.describe_addresses(PublicIps=[i]), "Addresses"),
    "AWS::EC2::NatGateway": lambda aws, i: (
        aws.ec2.describe_nat_gateways(NatGatewayIds=[i])["NatGateways"][0]["State"] == "available"
    ),
    "AWS::EC2::SecurityGroup": lambda aws, i: _one(
        aws.ec2.describe_security_groups(GroupIds=[i]), "SecurityGroups"
    ),
    "AWS::EC2::SecurityGroupIngress": _rule_of_group,
    "AWS::EC2::SecurityGroupEgress": _rule_of_group,
    "AWS::EC2::VPCEndpoint": lambda aws, i: (
        aws.ec2.describe_vpc_endpoints(VpcEndpointIds=[i])["VpcEndpoints"][0]["State"] == "available"
    ),
    "AWS::EC2::FlowLog": lambda aws, i: _one(aws.ec2.describe_flow_logs(FlowLogIds=[i]), "FlowLogs"),
    "AWS::Logs::LogGroup": lambda aws, i: (
        aws.logs.describe_log_groups(logGroupNamePrefix=i)["logGroups"][0]["retentionInDays"] > 0
    ),
    "AWS::IAM::Role": lambda aws, i: aws.iam.get_role(RoleName=i)["Role"]["AssumeRolePolicyDocument"],
    "AWS::IAM::ManagedPolicy": _policy_of,
    "AWS::SSM::Parameter": lambda aws, i: aws.ssm.get_parameter(Name=i)["Parameter"]["Value"],
    "AWS::SageMaker::Domain": lambda aws, i: (
        aws.sagemaker.describe_domain(DomainId=i)["Status"] == "InService"
    ),
    "AWS::SageMaker::UserProfile": lambda aws, i: (
        tuple(i.split("|"))
        in [(p["UserProfileName"], p["DomainId"]) for p in aws.sagemaker.list_user_profiles()["UserProfiles"]]
    ),
    "AWS::SageMaker::Space": lambda aws, i: (
        sorted(i.split("|"))
        in [sorted((s["DomainId"], s["SpaceName"])) for s in aws.sagemaker.list_spaces()["Spaces"]]
    ),
    "AWS::SageMaker::StudioLifecycleConfig": lambda aws, i: aws.sagemaker.describe_studio_lifecycle_config(
        StudioLifecycleConfigName=i.rsplit("/", 1)[-1]
    )["StudioLifecycleConfigContent"],
    "AWS::SageMaker::ModelPackageGroup": lambda aws, i: (
        aws.sagemaker.describe_model_package_group(ModelPackageGroupName=i.rsplit("/", 1)[-1])[
            "ModelPackageGroupStatus"
        ]
        == "Completed"
    ),
    "AWS::Lambda::Function": lambda aws, i: getattr(aws, "lambda").get_function(FunctionName=i)[
        "Configuration"
    ],
    "AWS::CodeCommit::Repository": lambda aws, i: (
        i in [r["repositoryId"] for r in aws.codecommit.list_repositories()["repositories"]]
    ),
    "AWS::CodeBuild::Project": lambda aws, i: _one(aws.codebuild.batch_get_projects(names=[i]), "projects"),
    "AWS::CodePipeline::Pipeline": lambda aws, i: aws.codepipeline.get_pipeline(name=i)["pipeline"]["stages"],
    "AWS::Events::Rule": _rule,
    "AWS::Events::EventBusPolicy": _bus_policy,
    "AWS::S3::Bucket": lambda aws, i: aws.s3.get_bucket_encryption(Bucket=i)[
        "ServerSideEncryptionConfiguration"
    ],
    "AWS::S3::BucketPolicy": lambda aws, i: aws.s3.get_bucket_policy(Bucket=i)["Policy"],
    "AWS::KMS::Key": lambda aws, i: aws.kms.describe_key(KeyId=i)["KeyMetadata"]["KeyState"] == "Enabled",
    "AWS::KMS::Alias": lambda aws, i: i in [a["AliasName"] for a in aws.kms.list_aliases()["Aliases"]],
}


def is_there(aws, kind, physical_id):
    """Whether the service of `kind` knows the resource. KeyError for a kind without a check."""
    if kind.startswith("Custom::"):
        return True  # it is no resource of a service: what it does shows when the stack is deleted
    try:
        return bool(CHECKS[kind](aws, physical_id))
    except (ClientError, IndexError, ValueError):
        return False


def inventory(aws, project):
    """What the services hold that can come from the workshop's stacks, kind by kind."""
    ec2, sagemaker = aws.ec2, aws.sagemaker
    vpcs = [v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"] if not v["IsDefault"]]
    inside = [{"Name": "vpc-id", "Values": vpcs or ["none"]}]
    found = {
        "VPCs": vpcs,
        "subnets": [s["SubnetId"] for s in ec2.describe_subnets(Filters=inside)["Subnets"]],
        "network interfaces": [
            n["NetworkInterfaceId"] for n in ec2.describe_network_interfaces()["NetworkInterfaces"]
        ],
        "security groups": [
            g["GroupName"]
            for g in ec2.describe_security_groups()["SecurityGroups"]
            if g["GroupName"] != "default"
        ],
        "endpoints": [
            e["VpcEndpointId"]
            for e in ec2.describe_vpc_endpoints()["VpcEndpoints"]
            if e["State"] != "deleted"
        ],
        "NAT gateways": [
            n["NatGatewayId"] for n in ec2.describe_nat_gateways()["NatGateways"] if n["State"] != "deleted"
        ],
        "addresses": [a["PublicIp"] for a in ec2.describe_addresses()["Addresses"]],
        "internet gateways": [
            g["InternetGatewayId"]
            for g in ec2.describe_internet_gateways()["InternetGateways"]
            if any(a["VpcId"] in vpcs for a in g["Attachments"]) or not g["Attachments"]
        ],
        "flow logs": [f["FlowLogId"] for f in ec2.describe_flow_logs()["FlowLogs"]],
        "file systems": [f["FileSystemId"] for f in aws.efs.describe_file_systems()["FileSystems"]],
        "domains": [d["DomainId"] for d in sagemaker.list_domains()["Domains"]],
        "profiles": [p["UserProfileName"] for p in sagemaker.list_user_profiles()["UserProfiles"]],
        "spaces": [s["SpaceName"] for s in sagemaker.list_spaces()["Spaces"]],
        "apps": [a["AppName"] for a in sagemaker.list_apps()["Apps"] if a["Status"] != "Deleted"],
        "lifecycle configurations": [
            c["StudioLifecycleConfigName"]
            for c in sagemaker.list_studio_lifecycle_configs()["StudioLifecycleConfigs"]
        ],
        "groups": [
            g["ModelPackageGroupName"]
            for g in sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
        ],
        "roles": [r["RoleName"] for r in aws.iam.list_roles()["Roles"] if project in r["RoleName"]],
        "policies": [p["PolicyName"] for p in aws.iam.list_policies(Scope="Local")["Policies"]],
        "log groups": [
            g["logGroupName"]
            for g in aws.logs.describe_log_groups(logGroupNamePrefix=f"/{project}/")["logGroups"]
        ],
        "names": [
            p["Name"]
            for page in aws.ssm.get_paginator("get_parameters_by_path").paginate(
                Path=f"/{project}", Recursive=True
            )
            for p in page["Parameters"]
        ],
        "functions": [f["FunctionName"] for f in getattr(aws, "lambda").list_functions()["Functions"]],
        "buckets": [b["Name"] for b in aws.s3.list_buckets()["Buckets"]],
        "aliases": [
            a["AliasName"]
            for a in aws.kms.list_aliases()["Aliases"]
            if not a["AliasName"].startswith("alias/aws/")
        ],
        "keys": [
            k["KeyId"]
            for k in aws.kms.list_keys()["Keys"]
            if aws.kms.describe_key(KeyId=k["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled"
        ],
        "repositories": [r["repositoryName"] for r in aws.codecommit.list_repositories()["repositories"]],
        "build projects": aws.codebuild.list_projects()["projects"],
        "pipelines": [p["name"] for p in aws.codepipeline.list_pipelines()["pipelines"]],
        "rules": [r["Name"] for r in aws.events.list_rules()["Rules"]],
        "stacks": [
            s["StackName"]
            for s in aws.cloudformation.list_stacks()["StackSummaries"]
            if s["StackStatus"] != "DELETE_COMPLETE"
        ],
    }
    return {kind: things for kind, things in found.items() if things}
