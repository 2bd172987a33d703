"""PutModelPackageGroupPolicy, GetModelPackageGroupPolicy, DeleteModelPackageGroupPolicy: who else may use a group.

Source: Amazon SageMaker API reference. The policy is kept and checked as a document; nothing here enforces policies.
"""

import json

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import ModelPackageGroup
from moto.sagemaker.responses import SageMakerResponse

from local_aws.server.app import LocalAwsApp


def _group(self: SageMakerResponse) -> ModelPackageGroup:
    name = self.params["ModelPackageGroupName"].rsplit("/", 1)[-1]
    group = self.sagemaker_backend.model_package_groups.get(name)
    if group is None:
        raise ValidationError(message=f"Model Package Group {name} does not exist.")
    return group


def _check(document: str) -> None:
    try:
        statements = json.loads(document)["Statement"]
    except (ValueError, KeyError, TypeError):
        raise ValidationError(
            message="Invalid resource policy: not a JSON policy with a Statement."
        ) from None
    for statement in statements if isinstance(statements, list) else [statements]:
        missing = [name for name in ("Effect", "Principal", "Action", "Resource") if name not in statement]
        if missing:
            raise ValidationError(
                message=f"Invalid resource policy: a statement has no {', '.join(missing)}."
            )


def put_model_package_group_policy(self: SageMakerResponse) -> ActionResult:
    group, document = _group(self), self.params["ResourcePolicy"]
    _check(document)
    group.resource_policy = document
    return ActionResult({"ModelPackageGroupArn": group.arn})


def get_model_package_group_policy(self: SageMakerResponse) -> ActionResult:
    group = _group(self)
    if not getattr(group, "resource_policy", None):
        raise ValidationError(message=f"Cannot find resource policy for: {group.arn}")
    return ActionResult({"ResourcePolicy": group.resource_policy})


def delete_model_package_group_policy(self: SageMakerResponse) -> EmptyResult:
    group = _group(self)
    if not getattr(group, "resource_policy", None):
        raise ValidationError(message=f"Cannot find resource policy for: {group.arn}")
    group.resource_policy = None
    return EmptyResult()


def register(app: LocalAwsApp) -> None:
    """Give moto's SageMaker the three operations."""
    for function in (
        put_model_package_group_policy,
        get_model_package_group_policy,
        delete_model_package_group_policy,
    ):
        setattr(SageMakerResponse, function.__name__, function)
