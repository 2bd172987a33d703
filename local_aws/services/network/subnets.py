"""CreateSubnet and CreateVpc as Amazon VPC's user guide describes them: canonical CIDR blocks between /16 and
/28, zones of the own region, no default subnet in a VPC that a user made."""

import ipaddress
from typing import Any

from moto.ec2.exceptions import EC2ClientError, InvalidAvailabilityZoneError
from moto.ec2.models import EC2Backend


class InvalidSubnetRange(EC2ClientError):
    """A block outside of /16 … /28, or outside of the VPC's blocks."""

    def __init__(self, cidr_block: str):
        super().__init__("InvalidSubnet.Range", f"The CIDR '{cidr_block}' is invalid.")


def _canonical(cidr_block: str | None) -> str | None:
    """`10.0.1.7/24` is kept as `10.0.1.0/24`; what is no IPv4 block stays as it is, for moto to refuse."""
    try:
        return str(ipaddress.IPv4Network(str(cidr_block), strict=False)) if cidr_block else cidr_block
    except ValueError:
        return cidr_block


def install() -> None:
    plain_vpc, plain_subnet = EC2Backend.create_vpc, EC2Backend.create_subnet

    def create_vpc(self: EC2Backend, cidr_block: str, *args: Any, **kwargs: Any) -> Any:
        return plain_vpc(self, _canonical(cidr_block), *args, **kwargs)

    def create_subnet(
        self: EC2Backend,
        vpc_id: str,
        cidr_block: str,
        ipv6_cidr_block: str | None = None,
        availability_zone: str | None = None,
        availability_zone_id: str | None = None,
        **more: Any,
    ) -> Any:
        zones = self.describe_availability_zones()
        if not availability_zone and not availability_zone_id:
            availability_zone = zones[0].name
        if availability_zone and availability_zone not in [zone.name for zone in zones]:
            raise InvalidAvailabilityZoneError(availability_zone, ", ".join(zone.name for zone in zones))
        cidr_block = _canonical(cidr_block)
        try:
            prefix = ipaddress.IPv4Network(cidr_block).prefixlen if cidr_block else 24
        except ValueError:
            prefix = 24  # not a block at all: moto says so
        if not 16 <= prefix <= 28:
            raise InvalidSubnetRange(cidr_block)
        subnet = plain_subnet(
            self, vpc_id, cidr_block, ipv6_cidr_block, availability_zone, availability_zone_id, **more
        )
        if not self.get_vpc(vpc_id).is_default:
            subnet.default_for_az = subnet.map_public_ip_on_launch = False
        return subnet

    EC2Backend.create_vpc, EC2Backend.create_subnet = create_vpc, create_subnet
