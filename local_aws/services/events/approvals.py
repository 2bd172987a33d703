"""SageMaker's event of a model package whose status or approval changed.

Shape: SageMaker developer guide, "Events that Amazon SageMaker AI sends to Amazon EventBridge", "SageMaker Model
Package State Change".
"""

from datetime import datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.sagemaker.models import ModelPackage
from moto.sagemaker.responses import SageMakerResponse

from local_aws.server.app import LocalAwsApp

DETAIL_TYPE = "SageMaker Model Package State Change"


def plain_json(value: Any) -> Any:
    """A copy with times as AWS writes them in events."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dict):
        return {k: plain_json(v) for k, v in value.items()}
    return [plain_json(v) for v in value] if isinstance(value, list) else value


def _tell(app: LocalAwsApp, response: SageMakerResponse, arn: str, updated: list[str]) -> None:
    from local_aws.services.records import described

    package = response.sagemaker_backend.describe_model_package(arn)
    detail = plain_json(described(package))
    # a versioned package has no name of its own: AWS names it by group and version
    if package.model_package_group_name:
        detail["ModelPackageName"] = f"{package.model_package_group_name}/{package.model_package_version}"
    if updated:
        detail["UpdatedModelPackageFields"] = updated
    account, region = response.current_account, response.region
    app.events.send("aws.sagemaker", DETAIL_TYPE, detail, [package.arn], account, region)


def _as_update(request: dict, package: ModelPackage) -> dict:
    """The request with what the package already has where nothing is asked for: moto would forget it."""
    properties = {
        **(package.customer_metadata_properties or {}),
        **(request.get("CustomerMetadataProperties") or {}),
    }
    return {
        **request,
        "ModelApprovalStatus": request.get("ModelApprovalStatus") or package.model_approval_status,
        "ApprovalDescription": request.get("ApprovalDescription", package.approval_description),
        "CustomerMetadataProperties": properties,
    }


def register(app: LocalAwsApp) -> None:
    """After `records`: its methods are wrapped."""
    create, update = SageMakerResponse.create_model_package, SageMakerResponse.update_model_package

    def create_model_package(self: SageMakerResponse) -> ActionResult:
        answer = create(self)
        _tell(app, self, answer.result["ModelPackageArn"], [])
        return answer

    def update_model_package(self: SageMakerResponse) -> ActionResult:
        package = self.sagemaker_backend.describe_model_package(self._get_param("ModelPackageArn"))
        before = (package.model_approval_status, package.approval_description)
        request = dict(self.params)
        self.params = _as_update(request, package)
        answer = update(self)
        if request.get("InferenceSpecification"):
            package.inference_specification = request["InferenceSpecification"]
        if package.model_approval_status != before[0]:
            updated = ["ModelApprovalStatus"]
            updated += ["ApprovalDescription"] if package.approval_description != before[1] else []
            _tell(app, self, package.arn, updated)
        return answer

    SageMakerResponse.create_model_package = create_model_package
    SageMakerResponse.update_model_package = update_model_package
