"""SageMaker's records (models, model packages, groups): where moto's answers differ from AWS's.

The SDK reads what it creates back into strict models, so what AWS echoes must be echoed, and what AWS
leaves out must not come as an empty structure.
"""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker import models
from moto.sagemaker.exceptions import ConflictException, ValidationError
from moto.sagemaker.responses import SageMakerResponse

from local_aws.server.app import LocalAwsApp

_PENDING = "PendingManualApproval"


def without_empty(answer: dict[str, Any], *names: str) -> dict[str, Any]:
    """A copy in which the named structures are left out when they are empty."""
    return {k: v for k, v in answer.items() if v or k not in names}


def _models(response: type[SageMakerResponse]) -> None:
    plain = response.create_model

    def create_model(self: SageMakerResponse) -> ActionResult:
        request = dict(self.params)
        name = request["ModelName"]
        if name in self.sagemaker_backend._models:
            arn = self.sagemaker_backend._models[name].arn
            raise ValidationError(message=f'Cannot create already existing model "{arn}".')
        answer = plain(self)
        self.sagemaker_backend._models[name].sent = {
            k: request[k] for k in ("EnableNetworkIsolation", "InferenceExecutionConfig") if k in request
        }
        return answer

    def describe_model(self: SageMakerResponse) -> ActionResult:
        model = self.sagemaker_backend.describe_model(self._get_param("ModelName"))
        answer = without_empty(model.response_object, "VpcConfig", "PrimaryContainer", "Containers")
        return ActionResult({**answer, **getattr(model, "sent", {})})

    response.create_model, response.describe_model = create_model, describe_model


def described(package: models.ModelPackage) -> dict[str, Any]:
    """moto's answer, with everything of the request that moto does not keep."""
    answer = package.gen_response_object()
    return {**getattr(package, "sent", {}), **without_empty(answer, "CreatedBy", "LastModifiedBy")}


def _packages(response: type[SageMakerResponse]) -> None:
    plain = response.create_model_package

    def create_model_package(self: SageMakerResponse) -> ActionResult:
        backend, request = self.sagemaker_backend, dict(self.params)
        group = request.get("ModelPackageGroupName")
        if group:
            group = request["ModelPackageGroupName"] = group.rsplit("/", 1)[-1]  # a name or an ARN
            request.setdefault("ModelApprovalStatus", _PENDING)
            self.params = request
            if group not in backend.model_package_groups:
                raise ValidationError(message=f"Model Package Group {group} does not exist.")
        answer = plain(self)
        package = backend.model_packages[answer.result["ModelPackageArn"]]
        package.sent = {
            k: v for k, v in request.items() if k not in ("Tags", "ClientToken") and v is not None
        }
        package.created_by = {}
        return answer

    plain_group = response.create_model_package_group

    def create_model_package_group(self: SageMakerResponse) -> ActionResult:
        group = self.sagemaker_backend.model_package_groups.get(self._get_param("ModelPackageGroupName"))
        if group is not None:
            raise ValidationError(message=f"Model Package Group already exists: {group.arn}")
        return plain_group(self)

    def describe_model_package(self: SageMakerResponse) -> ActionResult:
        name = self._get_param("ModelPackageName")
        return ActionResult(described(self.sagemaker_backend.describe_model_package(name)))

    def delete_model_package(self: SageMakerResponse) -> ActionResult:
        backend = self.sagemaker_backend
        package = backend.describe_model_package(self._get_param("ModelPackageName"))
        del backend.model_packages[package.arn]
        for name, arn in list(backend.model_package_name_mapping.items()):
            if arn == package.arn:
                del backend.model_package_name_mapping[name]
        return EmptyResult()

    def delete_model_package_group(self: SageMakerResponse) -> ActionResult:
        backend = self.sagemaker_backend
        name = self._get_param("ModelPackageGroupName").rsplit("/", 1)[-1]
        group = backend.describe_model_package_group(name)
        if any(p.model_package_group_name == name for p in backend.model_packages.values()):
            raise ConflictException(
                f"Model Package Group cannot be deleted because it is not empty: {group.arn}. "
                "Delete its model packages first."
            )
        del backend.model_package_groups[name]
        return EmptyResult()

    for function in (
        create_model_package,
        create_model_package_group,
        describe_model_package,
        delete_model_package,
        delete_model_package_group,
    ):
        setattr(response, function.__name__, function)


def _versions_never_return() -> None:
    """AWS numbers a group's packages upwards for ever; moto counts those that are left."""
    plain = models.SageMakerModelBackend.create_model_package

    def create_model_package(self: models.SageMakerModelBackend, **arguments: Any) -> str:
        group = self.model_package_groups.get(arguments.get("model_package_group_name"))
        if group is None:
            return plain(self, **arguments)
        present = [
            p
            for p in self.model_packages.values()
            if p.model_package_group_name == group.model_package_group_name
        ]
        version = max([getattr(group, "last_version", 0), *(p.model_package_version for p in present)]) + 1
        # moto takes the number of packages plus one: let it see as many as have ever been.
        fillers = {f"filler-{i}": _Counted(group) for i in range(version - 1 - len(present))}
        self.model_packages.update(fillers)
        try:
            arn = plain(self, **arguments)
        finally:
            for name in fillers:
                del self.model_packages[name]
        group.last_version = version
        return arn

    models.SageMakerModelBackend.create_model_package = create_model_package


class _Counted:
    """Counts as a package of `group` for a moment."""

    def __init__(self, group: models.ModelPackageGroup):
        self.model_package_group_name = group.model_package_group_name


def _tags() -> None:
    """moto cannot tag versioned model packages, and fails on an ARN that names nothing."""
    plain = models.SageMakerModelBackend._get_resource_from_arn

    def get_resource(self: models.SageMakerModelBackend, arn: str) -> Any:
        versioned = ":model-package/" in arn
        found = self.describe_model_package(arn) if versioned else plain(self, arn)
        if found is None:
            raise ValidationError(message=f"Requested resource not found: {arn}")
        found.tags = found.tags or []
        return found

    models.SageMakerModelBackend._get_resource_from_arn = get_resource


def register(app: LocalAwsApp) -> None:
    _versions_never_return()
    _tags()
    _models(SageMakerResponse)
    _packages(SageMakerResponse)
