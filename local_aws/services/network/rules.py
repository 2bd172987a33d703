"""Security group rules: a description is no part of what a rule allows (Amazon EC2 API reference,
UpdateSecurityGroupRuleDescriptionsIngress and RevokeSecurityGroupIngress)."""

import copy

from moto.ec2.models.security_groups import SecurityGroupRule


def install() -> None:
    """moto compares the description too, when the rule's peer is a security group."""
    plain = SecurityGroupRule.__eq__

    def without_words(rule: SecurityGroupRule) -> SecurityGroupRule:
        bare = copy.copy(rule)
        bare.source_group = {k: v for k, v in rule.source_group.items() if k != "Description"}
        return bare

    def equal(self: SecurityGroupRule, other: SecurityGroupRule) -> bool:
        return plain(without_words(self), without_words(other))

    SecurityGroupRule.__eq__ = equal
