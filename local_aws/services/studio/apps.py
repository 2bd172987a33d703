"""CreateApp, DescribeApp, ListApps, DeleteApp: an app's record and its network interface in the domain's subnet."""

from datetime import timedelta
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse

from local_aws.services.network import interfaces
from local_aws.services.studio import home
from local_aws.services.studio.records import (
    Record,
    Studio,
    check_choice,
    check_name,
    chosen,
    find,
    in_service,
    page,
    studio,
    taken,
)
from local_aws.services.studio.settings import check_settings
from local_aws.services.studio.spaces import user_settings

_TYPES = (
    "JupyterServer",
    "KernelGateway",
    "DetailedProfiler",
    "TensorBoard",
    "CodeEditor",
    "JupyterLab",
    "RStudioServerPro",
    "RSessionGateway",
    "Canvas",
)
_SPACE_ONLY = ("CodeEditor", "JupyterLab")
_KEPT = timedelta(hours=24)  # a deleted app is listed for a day


def _owner(records: Studio, request: dict[str, Any]) -> str:
    """`user/NAME` or `space/NAME`, whose record exists."""
    user, space = request.get("UserProfileName"), request.get("SpaceName")
    if (user is None) == (space is None):
        raise ValidationError(message="Exactly one of UserProfileName and SpaceName must be provided.")
    find(records.domains, request["DomainId"], "Domain")
    if user is not None:
        find(records.users, (request["DomainId"], user), "UserProfile")
        return f"user/{user}"
    find(records.spaces, (request["DomainId"], space), "Space")
    return f"space/{space}"


def _key(records: Studio, request: dict[str, Any]) -> tuple[str, str, str, str]:
    return request["DomainId"], _owner(records, request), request["AppType"], request["AppName"]


def _interface(self: SageMakerResponse, records: Studio, request: dict[str, Any]) -> str:
    """The app's interface: the user's security groups and the one that reaches the file system."""
    account, region = self.sagemaker_backend.account_id, self.sagemaker_backend.region_name
    domain_id = request["DomainId"]
    domain = records.domains[domain_id]
    space = records.spaces.get((domain_id, request.get("SpaceName")))
    user = request.get("UserProfileName")
    if space is not None:
        user = space.sent.get("OwnershipSettings", {}).get("OwnerUserProfileName")
    groups = list(user_settings(records, domain_id, user).get("SecurityGroups", []))
    outbound = home.nfs_group(account, region, domain.sent["VpcId"], domain_id, "outbound")
    groups += [outbound.id] if outbound else []
    words = f"[DO NOT DELETE] ENI managed by SageMaker for Studio Domain ({domain_id})"
    return interfaces.owned(ec2_backends[account][region], domain.sent["SubnetIds"][0], words, groups).id


def create_app(self: SageMakerResponse) -> ActionResult:
    request, records = dict(self.params), studio(self.sagemaker_backend)
    check_choice(request["AppType"], "appType", _TYPES)
    check_name(request["AppName"], "appName")
    key = _key(records, request)
    domain_id, owner, kind, name = key
    if kind in _SPACE_ONLY and not owner.startswith("space/"):
        raise ValidationError(message=f"AppType {kind} needs a SpaceName.")
    if owner.startswith("space/"):
        space = records.spaces[domain_id, owner[6:]]
        in_service(space, "Space", owner[6:], "add an App to")
        wanted = space.sent["SpaceSettings"].get("AppType", kind)
        if wanted != kind:
            raise ValidationError(
                message=f"Space [{owner[6:]}] is for apps of the type {wanted}, not {kind}."
            )
    if key in records.apps and records.apps[key].status != "Deleted":
        raise taken("App", name)
    check_settings(records, request.get("ResourceSpec"))
    domain = records.domains[domain_id]
    arn = f"{domain.arn.rsplit(':', 1)[0]}:app/{domain_id}/{owner.split('/')[1]}/{kind.lower()}/{name}"
    app = Record(arn, request, {"AppArn": arn}, request.pop("Tags", None) or [])
    if domain.sent["AppNetworkAccessType"] == "VpcOnly":
        app.facts["_interface"] = _interface(self, records, request)
    records.apps[key] = app
    return ActionResult({"AppArn": arn})


def describe_app(self: SageMakerResponse) -> ActionResult:
    records = studio(self.sagemaker_backend)
    return ActionResult(find(records.apps, _key(records, self.params), "App").describe())


def list_apps(self: SageMakerResponse) -> ActionResult:
    request, records = self.params, studio(self.sagemaker_backend)
    for key in [k for k, r in records.apps.items() if r.status == "Deleted" and utcnow() - r.since > _KEPT]:
        del records.apps[key]
    names = (
        "DomainId",
        "UserProfileName",
        "SpaceName",
        "AppType",
        "AppName",
        "Status",
        "CreationTime",
        "ResourceSpec",
    )
    asked = {
        "DomainId": "DomainIdEquals",
        "UserProfileName": "UserProfileNameEquals",
        "SpaceName": "SpaceNameEquals",
    }
    found = [
        chosen(record, *names)
        for record in records.apps.values()
        if all(request.get(f) in (None, record.sent.get(name)) for name, f in asked.items())
    ]
    return ActionResult(page(found, request, "Apps"))


def delete_app(self: SageMakerResponse) -> EmptyResult:
    records = studio(self.sagemaker_backend)
    app = find(records.apps, _key(records, self.params), "App")
    in_service(app, "App", self.params["AppName"], "delete")
    if app.status != "Deleted":
        backend = ec2_backends[self.sagemaker_backend.account_id][self.sagemaker_backend.region_name]
        interfaces.release(backend, app.facts.pop("_interface", None))
        app.move("Deleting", "Deleted")
    return EmptyResult()


OPERATIONS = (create_app, describe_app, list_apps, delete_app)
