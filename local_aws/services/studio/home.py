"""A domain's home: its EFS file system, mount targets, and the security groups that let apps reach it over NFS."""

from typing import Any

from moto.ec2.models import ec2_backends
from moto.efs.models import efs_backends
from moto.sagemaker.exceptions import ValidationError

_NFS = 2049


def check_network(account: str, region: str, vpc_id: str, subnets: list[str], groups: list[str]) -> None:
    """Refuse a VPC, subnets or security groups that do not exist or do not belong together."""
    ec2 = ec2_backends[account][region]
    if vpc_id not in ec2.vpcs:
        raise ValidationError(message=f"The vpc ID '{vpc_id}' does not exist.")
    known = {s.id: s.vpc_id for zone in ec2.subnets.values() for s in zone.values()}
    for subnet in subnets:
        if subnet not in known:
            raise ValidationError(message=f"The subnet ID '{subnet}' does not exist.")
        if known[subnet] != vpc_id:
            raise ValidationError(message=f"The subnet '{subnet}' does not belong to the vpc '{vpc_id}'.")
    for group in groups:
        if group not in ec2.groups.get(vpc_id, {}):
            raise ValidationError(
                message=f"The security group '{group}' does not exist in the vpc '{vpc_id}'."
            )


def nfs_group(account: str, region: str, vpc_id: str, domain_id: str, way: str) -> Any:
    """The domain's `inbound` or `outbound` group; None when somebody has deleted it."""
    name = f"security-group-for-{way}-nfs-{domain_id}"
    return ec2_backends[account][region].get_security_group_from_name(name, vpc_id)


def _make_groups(account: str, region: str, vpc_id: str, domain_id: str, arn: str) -> str:
    """Both groups, which refer to each other; the inbound one's id."""
    ec2 = ec2_backends[account][region]
    made = {}
    for way in ("inbound", "outbound"):
        name = f"security-group-for-{way}-nfs-{domain_id}"
        words = f"[DO NOT DELETE] {way.capitalize()} NFS traffic of the SageMaker domain {domain_id}"
        tags = {"ManagedByAmazonSageMakerResource": arn}
        made[way] = ec2.create_security_group(name, words, vpc_id, tags).id
        group = ec2.get_security_group_from_id(made[way])
        group.egress_rules.clear()
    inbound, outbound = made["inbound"], made["outbound"]
    peer = {"UserId": account}
    ec2.authorize_security_group_ingress(
        inbound, "tcp", _NFS, _NFS, [], source_groups=[{"GroupId": outbound, **peer}]
    )
    ec2.authorize_security_group_egress(
        outbound, "tcp", _NFS, _NFS, [], source_groups=[{"GroupId": inbound, **peer}]
    )
    return inbound


def make_home(account: str, region: str, domain_id: str, arn: str, request: dict[str, Any]) -> str:
    """EFS file system, a mount target in each zone, the NFS groups; the file system's id."""
    inbound = _make_groups(account, region, request["VpcId"], domain_id, arn)
    files = efs_backends[account][region].create_file_system(
        creation_token=domain_id,
        performance_mode="generalPurpose",
        encrypted=True,
        kms_key_id=request.get("KmsKeyId"),
        throughput_mode="bursting",
        provisioned_throughput_in_mibps=0,
        availability_zone_name=None,
        backup=False,
        tags=[{"Key": "ManagedByAmazonSageMakerResource", "Value": arn}],
    )
    add_mount_targets(account, region, files.file_system_id, request["SubnetIds"], inbound)
    return files.file_system_id


def add_mount_targets(account: str, region: str, files_id: str, subnets: list[str], group: str) -> None:
    """A mount target in each subnet whose zone has none yet."""
    efs, ec2 = efs_backends[account][region], ec2_backends[account][region]
    files = efs.file_systems_by_id[files_id]
    for subnet_id in subnets:
        if not files.has_mount_target(ec2.get_subnet(subnet_id)):
            efs.create_mount_target(files_id, subnet_id, security_groups=[group])


def remove_mount_targets(account: str, region: str, files_id: str, keep: list[str]) -> None:
    """All but those in the subnets `keep`."""
    efs = efs_backends[account][region]
    if files_id in efs.file_systems_by_id:
        for target in list(efs.file_systems_by_id[files_id].iter_mount_targets()):
            if target.subnet_id not in keep:
                efs.delete_mount_target(target.mount_target_id)


def remove_home(account: str, region: str, files_id: str) -> None:
    """The file system and its mount targets. The NFS groups stay, as they do on AWS."""
    remove_mount_targets(account, region, files_id, keep=[])
    efs = efs_backends[account][region]
    if files_id in efs.file_systems_by_id:
        efs.delete_file_system(files_id)
