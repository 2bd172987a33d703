"""Create, Describe, List and DeleteStudioLifecycleConfig."""

import base64
import binascii

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ResourceInUseException, ValidationError
from moto.sagemaker.responses import SageMakerResponse

from local_aws.services.studio.records import (
    Record,
    check_choice,
    check_name,
    chosen,
    find,
    page,
    studio,
    taken,
)
from local_aws.services.studio.settings import lifecycle_arns

_TYPES = ("JupyterServer", "KernelGateway", "CodeEditor", "JupyterLab")
_LONGEST = 16384


def create_studio_lifecycle_config(self: SageMakerResponse) -> ActionResult:
    backend, request = self.sagemaker_backend, dict(self.params)
    records, name = studio(backend), request["StudioLifecycleConfigName"]
    check_name(name, "studioLifecycleConfigName")
    check_choice(request["StudioLifecycleConfigAppType"], "studioLifecycleConfigAppType", _TYPES)
    content = request["StudioLifecycleConfigContent"]
    if not 1 <= len(content) <= _LONGEST:
        raise ValidationError(
            message="1 validation error detected: Value at 'studioLifecycleConfigContent' failed to satisfy "
            f"constraint: Member must have length less than or equal to {_LONGEST}"
        )
    try:
        base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise ValidationError(message="StudioLifecycleConfigContent must be base64 encoded.") from None
    if name in records.configs:
        raise taken("StudioLifecycleConfig", name)
    place = f"{backend.region_name}:{backend.account_id}"
    arn = f"arn:{self.partition}:sagemaker:{place}:studio-lifecycle-config/{name}"
    tags = request.pop("Tags", None) or []
    records.configs[name] = Record(arn, request, {"StudioLifecycleConfigArn": arn}, tags)
    return ActionResult({"StudioLifecycleConfigArn": arn})


_SUMMARY = (
    "StudioLifecycleConfigArn",
    "StudioLifecycleConfigName",
    "CreationTime",
    "LastModifiedTime",
    "StudioLifecycleConfigAppType",
)


def describe_studio_lifecycle_config(self: SageMakerResponse) -> ActionResult:
    name = self.params["StudioLifecycleConfigName"]
    config = find(studio(self.sagemaker_backend).configs, name, "StudioLifecycleConfig")
    return ActionResult(chosen(config, *_SUMMARY, "StudioLifecycleConfigContent"))


def list_studio_lifecycle_configs(self: SageMakerResponse) -> ActionResult:
    request = self.params
    found = [
        chosen(record, *_SUMMARY)
        for name, record in studio(self.sagemaker_backend).configs.items()
        if (request.get("NameContains") or "").lower() in name.lower()
        and request.get("AppTypeEquals") in (None, record.sent["StudioLifecycleConfigAppType"])
    ]
    return ActionResult(page(found, request, "StudioLifecycleConfigs"))


def delete_studio_lifecycle_config(self: SageMakerResponse) -> EmptyResult:
    records, name = studio(self.sagemaker_backend), self.params["StudioLifecycleConfigName"]
    config = find(records.configs, name, "StudioLifecycleConfig")
    users = [*records.domains.values(), *records.users.values(), *records.spaces.values()]
    apps = [record for record in records.apps.values() if record.status != "Deleted"]
    for record in [*users, *apps]:
        if config.arn in lifecycle_arns(record.sent):
            raise ResourceInUseException(
                message=f"Unable to delete StudioLifecycleConfig [{name}] because {record.arn} uses it."
            )
    del records.configs[name]
    return EmptyResult()


OPERATIONS = (
    create_studio_lifecycle_config,
    describe_studio_lifecycle_config,
    list_studio_lifecycle_configs,
    delete_studio_lifecycle_config,
)
