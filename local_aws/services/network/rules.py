"""Security groups: what a description may contain, and that it is no part of what a rule allows.

Source: Amazon EC2 API reference (CreateSecurityGroup, IpRange, UpdateSecurityGroupRuleDescriptionsIngress,
RevokeSecurityGroupIngress).
"""

import copy
import re
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.security_groups import SecurityGroupRule

_DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")


class InvalidDescription(EC2ClientError):
    def __init__(self, what: str):
        super().__init__(
            "InvalidParameterValue",
            f"Invalid {what} description. Valid descriptions are strings less than 256 characters from the following "
            "set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        )


def _check(description: str | None, what: str) -> None:
    if description and not _DESCRIPTION.fullmatch(description):
        raise InvalidDescription(what)


def _checked_rules(name: str) -> None:
    plain = getattr(EC2Backend, name)

    def authorize(self: EC2Backend, *args: Any, **kwargs: Any) -> Any:
        for peers in (*args, *kwargs.values()):
            for peer in peers if isinstance(peers, list) else ():
                if isinstance(peer, dict):
                    _check(peer.get("Description"), "rule")
        return plain(self, *args, **kwargs)

    setattr(EC2Backend, name, authorize)


def install() -> None:
    """Check descriptions; moto also compares them, when the rule's peer is a security group."""
    plain, plain_create = SecurityGroupRule.__eq__, EC2Backend.create_security_group

    def without_words(rule: SecurityGroupRule) -> SecurityGroupRule:
        bare = copy.copy(rule)
        bare.source_group = {k: v for k, v in rule.source_group.items() if k != "Description"}
        return bare

    def equal(self: SecurityGroupRule, other: SecurityGroupRule) -> bool:
        return plain(without_words(self), without_words(other))

    def create_security_group(
        self: EC2Backend, name: str, description: str, *args: Any, **kwargs: Any
    ) -> Any:
        _check(description, "security group")
        if name.lower().startswith("sg-"):
            raise EC2ClientError("InvalidParameterValue", "Group names may not be in the format sg-*.")
        return plain_create(self, name, description, *args, **kwargs)

    SecurityGroupRule.__eq__ = equal
    EC2Backend.create_security_group = create_security_group
    for way in ("ingress", "egress"):
        _checked_rules(f"authorize_security_group_{way}")
