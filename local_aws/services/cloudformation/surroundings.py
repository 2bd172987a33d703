"""What a template asks of its account: parameters in the store, networks, zones, other stacks' exports.

Reads the services' state in this process, with the app's lock held, because an API call has it and may not call
another one over HTTP.
"""

import re
from typing import Any

from local_aws.server.app import LocalAwsApp
from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.evaluation import Evaluation
from local_aws.services.cloudformation.model import Stack
from local_aws.services.cloudformation.parameters import Value
from local_aws.services.cloudformation.store import Stacks
from local_aws.services.cloudformation.template import Template


class LocalAccount:
    """One account in one region, as `parameters.Account`."""

    def __init__(self, app: LocalAwsApp, account: str, region: str):
        self._app, self.account, self.region = app, account, region

    def _backend(self, service: str) -> Any:
        return self._app.backend(service, self.account, self.region)

    def exists(self, kind: str, value: str) -> bool:
        """Whether the account has the thing that a parameter of an AWS-specific type names."""
        with self._app.lock:
            ec2 = self._backend("ec2")
            match kind:
                case "AWS::EC2::VPC::Id":
                    return value in ec2.vpcs
                case "AWS::EC2::Subnet::Id":
                    return any(value in subnets for subnets in ec2.subnets.values())
                case "AWS::EC2::SecurityGroup::Id":
                    return any(value in groups for groups in ec2.groups.values())
                case "AWS::EC2::SecurityGroup::GroupName":
                    return any(g.name == value for groups in ec2.groups.values() for g in groups.values())
                case "AWS::EC2::KeyPair::KeyName":
                    return value in ec2.keypairs
                case "AWS::EC2::AvailabilityZone::Name":
                    return value in self.zones(self.region)
        raise ValueError(kind)

    def zones(self, region: str) -> list[str]:
        with self._app.lock:
            ec2 = self._app.backend("ec2", self.account, region)
            return sorted(zone.name for zone in ec2.describe_availability_zones())

    def ssm_parameters(self, names: list[str]) -> dict[str, str]:
        with self._app.lock:
            ssm = self._backend("ssm")
            found = {name: ssm.get_parameter(name) for name in names}
        found = {name: parameter for name, parameter in found.items() if parameter is not None}
        secure = [name for name, parameter in found.items() if parameter.parameter_type == "SecureString"]
        if secure:
            raise ValidationError(
                f"Parameters [{', '.join(secure)}] referenced by template have types not supported by CloudFormation."
            )
        return {name: parameter.value for name, parameter in found.items()}

    def template_of(self, url: str) -> str:
        """The template at an S3 URL of this server or of AWS's form."""
        match = re.fullmatch(r"https?://(?:(?P<sub>.+)\.)?s3[.-][^/]*/(?P<path>[^?]+)(\?.*)?", url)
        if match is None:
            match = re.fullmatch(
                r"https?://(?P<sub>)(?:127\.0\.0\.1|localhost):\d+/(?P<path>[^?]+)(\?.*)?", url
            )
        if match is None:
            raise ValidationError(
                f"S3 error: Domain name specified in {url} is not a valid S3 domain. On local_aws it is "
                f"{self._app.endpoint_url}/BUCKET/KEY or an S3 URL of AWS."
            )
        from moto.s3.exceptions import S3ClientError

        path = f"{match['sub']}/{match['path']}" if match["sub"] else match["path"]
        bucket, _, key = path.partition("/")
        with self._app.lock:
            try:
                item = self._app.backend("s3", self.account).get_object(bucket, key)
            except S3ClientError:  # no such bucket
                item = None
            if item is None:
                raise ValidationError(
                    f"S3 error: The specified key does not exist: s3://{bucket}/{key} (TemplateURL {url})"
                )
            return bytes(item.value).decode("utf-8", "replace")

    def role_exists(self, arn: str) -> bool:
        with self._app.lock:
            roles = self._app.backend("iam", arn.split(":")[4]).roles.values()
            return any(role.arn == arn for role in roles)


def evaluation_of(
    app: LocalAwsApp, stacks: Stacks, stack: Stack, template: Template, values: dict[str, Value]
) -> Evaluation:
    """The template bound to these values, in the stack's account and region."""
    from moto.utilities.utils import get_partition

    account = LocalAccount(app, stack.account, stack.region)
    partition = get_partition(stack.region)
    pseudo = {
        "AWS::AccountId": stack.account,
        "AWS::NotificationARNs": list(stack.notification_arns),
        "AWS::Partition": partition,
        "AWS::Region": stack.region,
        "AWS::StackId": stack.id,
        "AWS::StackName": stack.name,
        "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
    }

    def imported(name: str) -> str:
        exporter = stacks.exporter(stack.account, stack.region, name)
        if exporter is None:
            raise ValidationError(f"No export named {name} found.")
        return exporter.exports[name]

    return Evaluation(template, values, pseudo, imported, account.zones)
