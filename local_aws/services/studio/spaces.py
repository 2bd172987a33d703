"""CreateSpace, DescribeSpace, UpdateSpace, ListSpaces, DeleteSpace."""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse

from local_aws.services.studio.records import (
    Record,
    Studio,
    at_rest,
    check_choice,
    check_name,
    chosen,
    find,
    in_service,
    merged,
    page,
    refuse_with_apps,
    studio,
    taken,
)
from local_aws.services.studio.settings import check_settings, check_volume

_APPS = ("JupyterServer", "KernelGateway", "JupyterLab", "CodeEditor")


def user_settings(records: Studio, domain_id: str, user: str | None) -> dict[str, Any]:
    """The domain's default settings with those of a user profile over them."""
    default = records.domains[domain_id].sent["DefaultUserSettings"]
    own = records.users[domain_id, user].sent["UserSettings"] if user else {}
    return merged(default, own)


def _owner(records: Studio, domain_id: str, request: dict[str, Any]) -> str | None:
    """The owning user profile, checked; sharing and ownership come together."""
    owner, sharing = request.get("OwnershipSettings"), request.get("SpaceSharingSettings")
    if (owner is None) != (sharing is None):
        raise ValidationError(message="OwnershipSettings and SpaceSharingSettings must be provided together.")
    if owner is None:
        return None
    check_choice(sharing.get("SharingType"), "spaceSharingSettings.sharingType", ("Private", "Shared"))
    name = owner.get("OwnerUserProfileName")
    find(records.users, (domain_id, name), "UserProfile")
    return name


def _check(records: Studio, domain_id: str, settings: dict[str, Any], owner: str | None) -> None:
    check_choice(settings.get("AppType"), "spaceSettings.appType", _APPS)
    check_settings(records, settings)
    check_volume(settings, user_settings(records, domain_id, owner))


def create_space(self: SageMakerResponse) -> ActionResult:
    backend, request = self.sagemaker_backend, dict(self.params)
    records, domain_id, name = studio(backend), request["DomainId"], request["SpaceName"]
    check_name(name, "spaceName")
    domain = find(records.domains, domain_id, "Domain")
    in_service(domain, "Domain", domain_id, "add a Space to")
    if (domain_id, name) in records.spaces:
        raise taken("Space", name)
    owner = _owner(records, domain_id, request)
    _check(records, domain_id, request.setdefault("SpaceSettings", {}), owner)
    arn = f"{domain.arn.rsplit(':', 1)[0]}:space/{domain_id}/{name}"
    facts = {"SpaceArn": arn, "Url": f"{domain.facts['Url']}/{name}"}
    records.spaces[domain_id, name] = Record(arn, request, facts, request.pop("Tags", None) or [])
    return ActionResult({"SpaceArn": arn})


def describe_space(self: SageMakerResponse) -> ActionResult:
    key = (self.params["DomainId"], self.params["SpaceName"])
    return ActionResult(find(studio(self.sagemaker_backend).spaces, key, "Space").describe())


def _summary(record: Record) -> dict[str, Any]:
    names = ("DomainId", "SpaceName", "Status", "CreationTime", "LastModifiedTime", "SpaceDisplayName")
    answer, sent = chosen(record, *names), record.sent
    storage = sent["SpaceSettings"].get("SpaceStorageSettings")
    short = {
        k: v
        for k, v in (("AppType", sent["SpaceSettings"].get("AppType")), ("SpaceStorageSettings", storage))
        if v
    }
    answer["SpaceSettingsSummary"] = short
    if "OwnershipSettings" in sent:
        answer["OwnershipSettingsSummary"] = sent["OwnershipSettings"]
        answer["SpaceSharingSettingsSummary"] = sent["SpaceSharingSettings"]
    return answer


def list_spaces(self: SageMakerResponse) -> ActionResult:
    request = self.params
    found = [
        _summary(record)
        for (domain, name), record in studio(self.sagemaker_backend).spaces.items()
        if domain == request.get("DomainIdEquals", domain)
        and (request.get("SpaceNameContains") or "").lower() in name.lower()
    ]
    return ActionResult(page(found, request, "Spaces"))


def update_space(self: SageMakerResponse) -> ActionResult:
    request, records = self.params, studio(self.sagemaker_backend)
    domain_id, _, space = at_rest(records.spaces, request, "Space", "update")
    settings = merged(space.sent["SpaceSettings"], request.get("SpaceSettings"))
    _check(records, domain_id, settings, space.sent.get("OwnershipSettings", {}).get("OwnerUserProfileName"))
    space.sent = {**space.sent, "SpaceSettings": settings}
    if "SpaceDisplayName" in request:
        space.sent["SpaceDisplayName"] = request["SpaceDisplayName"]
    space.move("Updating", "InService")
    return ActionResult({"SpaceArn": space.arn})


def delete_space(self: SageMakerResponse) -> EmptyResult:
    records = studio(self.sagemaker_backend)
    domain_id, name, space = at_rest(records.spaces, self.params, "Space", "delete")
    refuse_with_apps(records, domain_id, f"space/{name}", "Space", name)
    space.move("Deleting", None)
    return EmptyResult()


OPERATIONS = (create_space, describe_space, list_spaces, update_space, delete_space)
