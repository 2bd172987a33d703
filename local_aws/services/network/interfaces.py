"""Network interfaces that a service owns: in use, described as on AWS, and only removed with their owner.

Sources: Amazon EC2 API reference (DeleteNetworkInterface, DeleteNatGateway), Amazon EFS API reference
(CreateMountTarget: "Creates a new network interface in the subnet").
"""

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError, InvalidNetworkInterfaceIdError
from moto.ec2.models import EC2Backend
from moto.ec2.models.nat_gateways import NatGateway
from moto.ec2.responses.elastic_network_interfaces import ElasticNetworkInterfaces
from moto.efs.models import EFSBackend, FileSystem, MountTarget


class NatGatewayNotFound(EC2ClientError):
    def __init__(self, gateway_id: str):
        super().__init__("NatGatewayNotFound", f"The Nat Gateway {gateway_id} was not found")


class InterfaceInUse(EC2ClientError):
    def __init__(self, eni_id: str):
        super().__init__("InvalidParameterValue", f"Network interface '{eni_id}' is currently in use.")


def owned(
    backend: EC2Backend,
    subnet_id: str,
    description: str,
    groups: list[str] | None = None,
    kind: str = "interface",
) -> Any:
    """A new interface with a free address of the subnet, managed by a service.

    `groups`: ids of existing security groups; the VPC's default group without them.
    """
    subnet = backend.get_subnet(subnet_id)
    eni = backend.create_network_interface(
        subnet, subnet.get_available_subnet_ip(description), group_ids=groups, description=description
    )
    own(eni, description, kind)
    return eni


def own(eni: Any, description: str, kind: str = "interface") -> None:
    """Mark an interface as its service's."""
    eni.description, eni.requester_managed, eni.status, eni.interface_type = description, True, "in-use", kind


def release(backend: EC2Backend, eni_id: str | None) -> None:
    """Remove an owned interface and free its addresses; nothing when it is gone."""
    eni = backend.enis.pop(eni_id, None)
    if eni is not None:
        for address in eni.private_ip_addresses:
            backend.get_subnet(eni.subnet.id).del_subnet_ip(address["PrivateIpAddress"])


def _readdress(eni: Any) -> str:
    """Give an interface a free address of its subnet, where moto took any at all."""
    address = eni.subnet.get_available_subnet_ip(eni.description)
    eni.private_ip_address, eni.private_ip_addresses[0]["PrivateIpAddress"] = address, address
    return address


def _delete_interface(self: ElasticNetworkInterfaces) -> ActionResult:
    eni_id = self._get_param("NetworkInterfaceId")
    eni = self.ec2_backend.enis.get(eni_id)
    if eni is None:
        raise InvalidNetworkInterfaceIdError(eni_id)
    if eni.requester_managed or eni.attachment_id:
        raise InterfaceInUse(eni_id)
    return _plain_delete_interface(self)


_plain_delete_interface = ElasticNetworkInterfaces.delete_network_interface


def _nat_gateways() -> None:
    plain_create = EC2Backend.create_nat_gateway

    def create_nat_gateway(
        self: EC2Backend, subnet_id: str, allocation_id: str, *args: Any, **kwargs: Any
    ) -> Any:
        kwargs["connectivity_type"] = kwargs.get("connectivity_type") or "public"
        if kwargs["connectivity_type"] == "public" and not allocation_id:
            raise EC2ClientError("MissingParameter", "The request must contain the parameter AllocationId.")
        gateway = plain_create(self, subnet_id, allocation_id, *args, **kwargs)
        own(gateway._eni, f"Interface for NAT Gateway {gateway.id}", "nat_gateway")
        gateway.private_ip = _readdress(gateway._eni)
        gateway.address_set[0]["privateIp"] = gateway.private_ip
        return gateway

    def delete_nat_gateway(self: EC2Backend, nat_gateway_id: str) -> NatGateway:
        """Its interface goes, and the Elastic IP address is free again."""
        gateway = self.nat_gateways.get(nat_gateway_id)
        if gateway is None or gateway.state == "deleted":
            raise NatGatewayNotFound(nat_gateway_id)
        for address in self.addresses:
            if address.eni is not None and address.eni.id == gateway._eni.id:
                self.disassociate_address(association_id=address.association_id)
        release(self, gateway._eni.id)
        gateway.state = "deleted"
        return gateway

    EC2Backend.create_nat_gateway, EC2Backend.delete_nat_gateway = create_nat_gateway, delete_nat_gateway


def _mount_targets() -> None:
    plain_create = EFSBackend.create_mount_target

    def create_mount_target(self: EFSBackend, file_system_id: str, *args: Any, **kwargs: Any) -> MountTarget:
        target = plain_create(self, file_system_id, *args, **kwargs)
        eni = self.ec2_backend.get_network_interface(target.network_interface_id)
        own(eni, f"EFS mount target for {file_system_id} ({target.mount_target_id})")
        return target

    def delete_mount_target(self: EFSBackend, mount_target_id: str) -> None:
        target = self.mount_targets_by_id.get(mount_target_id)
        if (
            target is not None
        ):  # after a restart the record holds a copy of the subnet: take the subnet itself
            target._subnet = self.ec2_backend.get_subnet(target.subnet_id)
        plain_delete(self, mount_target_id)

    def remove_mount_target(self: FileSystem, subnet: Any) -> None:
        self._mount_targets.pop(subnet.availability_zone, None)

    plain_delete = EFSBackend.delete_mount_target
    EFSBackend.create_mount_target, EFSBackend.delete_mount_target = create_mount_target, delete_mount_target
    FileSystem.remove_mount_target = remove_mount_target


def install() -> None:
    ElasticNetworkInterfaces.delete_network_interface = _delete_interface
    _nat_gateways()
    _mount_targets()
