"""CreateUserProfile, DescribeUserProfile, UpdateUserProfile, ListUserProfiles, DeleteUserProfile."""

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse

from local_aws.services.studio import home
from local_aws.services.studio.records import (
    Record,
    at_rest,
    check_name,
    chosen,
    find,
    in_service,
    merged,
    page,
    refuse_with_apps,
    still_used,
    studio,
    taken,
)
from local_aws.services.studio.settings import check_settings


def _check_groups(self: SageMakerResponse, domain: Record, settings: dict) -> None:
    backend, groups = self.sagemaker_backend, settings.get("SecurityGroups", [])
    home.check_network(backend.account_id, backend.region_name, domain.sent["VpcId"], [], groups)
    default = domain.sent["DefaultUserSettings"].get("SecurityGroups")
    if domain.sent["AppNetworkAccessType"] == "VpcOnly" and not (groups or default):
        raise ValidationError(
            message="SecurityGroups must be provided in the UserSettings or in the domain's DefaultUserSettings "
            "when AppNetworkAccessType is VpcOnly."
        )


def create_user_profile(self: SageMakerResponse) -> ActionResult:
    backend, request = self.sagemaker_backend, dict(self.params)
    records, domain_id, name = studio(backend), request["DomainId"], request["UserProfileName"]
    check_name(name, "userProfileName")
    domain = find(records.domains, domain_id, "Domain")
    in_service(domain, "Domain", domain_id, "add a UserProfile to")
    if (domain_id, name) in records.users:
        raise taken("UserProfile", name)
    settings = request.setdefault("UserSettings", {})
    check_settings(records, settings)
    _check_groups(self, domain, settings)
    if any(request.get(k) for k in ("SingleSignOnUserIdentifier", "SingleSignOnUserValue")):
        raise ValidationError(message="SingleSignOnUserValue cannot be used: the domain's AuthMode is IAM.")
    arn = f"{domain.arn.rsplit(':', 1)[0]}:user-profile/{domain_id}/{name}"
    uid = 200000 + 5 * (1 + domain.facts.setdefault("_uids", 0))
    domain.facts["_uids"] += 1
    facts = {"UserProfileArn": arn, "HomeEfsFileSystemUid": str(uid)}
    records.users[domain_id, name] = Record(arn, request, facts, request.pop("Tags", None) or [])
    return ActionResult({"UserProfileArn": arn})


def describe_user_profile(self: SageMakerResponse) -> ActionResult:
    key = (self.params["DomainId"], self.params["UserProfileName"])
    return ActionResult(find(studio(self.sagemaker_backend).users, key, "UserProfile").describe())


def list_user_profiles(self: SageMakerResponse) -> ActionResult:
    request = self.params
    names = ("DomainId", "UserProfileName", "Status", "CreationTime", "LastModifiedTime")
    found = [
        chosen(record, *names)
        for (domain, name), record in studio(self.sagemaker_backend).users.items()
        if domain == request.get("DomainIdEquals", domain)
        and (request.get("UserProfileNameContains") or "").lower() in name.lower()
    ]
    return ActionResult(page(found, request, "UserProfiles"))


def update_user_profile(self: SageMakerResponse) -> ActionResult:
    records = studio(self.sagemaker_backend)
    domain_id, _, user = at_rest(records.users, self.params, "UserProfile", "update")
    settings = merged(user.sent["UserSettings"], self.params.get("UserSettings"))
    check_settings(records, settings)
    _check_groups(self, find(records.domains, domain_id, "Domain"), settings)
    user.sent = {**user.sent, "UserSettings": settings}
    user.move("Updating", "InService")
    return ActionResult({"UserProfileArn": user.arn})


def delete_user_profile(self: SageMakerResponse) -> EmptyResult:
    records = studio(self.sagemaker_backend)
    domain_id, name, user = at_rest(records.users, self.params, "UserProfile", "delete")
    refuse_with_apps(records, domain_id, f"user/{name}", "UserProfile", name)
    owned = (r.sent.get("OwnershipSettings", {}) for k, r in records.spaces.items() if k[0] == domain_id)
    if any(owner.get("OwnerUserProfileName") == name for owner in owned):
        raise still_used("UserProfile", name, "Space")
    user.move("Deleting", None)
    return EmptyResult()


OPERATIONS = (
    create_user_profile,
    describe_user_profile,
    list_user_profiles,
    update_user_profile,
    delete_user_profile,
)
