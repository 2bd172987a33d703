"""CreateDomain, DescribeDomain, UpdateDomain, ListDomains, DeleteDomain."""

import secrets
import string
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse

from local_aws.services.studio import home
from local_aws.services.studio.records import (
    Record,
    check_choice,
    check_name,
    chosen,
    find,
    in_service,
    merged,
    page,
    still_used,
    studio,
    taken,
)
from local_aws.services.studio.settings import check_key, check_settings

_ALPHABET = string.ascii_lowercase + string.digits
_ACCESS = ("PublicInternetOnly", "VpcOnly")


def groups_of(request: dict[str, Any]) -> list[str]:
    """The security groups that a domain's request names for its apps."""
    user = (request.get("DefaultUserSettings") or {}).get("SecurityGroups", [])
    return [*user, *(request.get("DefaultSpaceSettings") or {}).get("SecurityGroups", [])]


def _check(request: dict[str, Any]) -> None:
    check_name(request["DomainName"], "domainName")
    check_choice(request["AuthMode"], "authMode", ("SSO", "IAM"))
    check_choice(request.get("AppNetworkAccessType"), "appNetworkAccessType", _ACCESS)
    if request["AuthMode"] == "SSO":
        raise ValidationError(
            message="AuthMode SSO needs IAM Identity Center, which local_aws does not emulate. Use AuthMode IAM."
        )
    if not request["DefaultUserSettings"].get("ExecutionRole"):
        raise ValidationError(message="DefaultUserSettings must have an ExecutionRole.")
    if not request.get("VpcId") or not request.get("SubnetIds"):
        raise ValidationError(message="VpcId and SubnetIds must be provided.")


def create_domain(self: SageMakerResponse) -> ActionResult:
    request, backend = dict(self.params), self.sagemaker_backend
    records, account, region = studio(backend), backend.account_id, backend.region_name
    _check(request)
    if any(r.sent["DomainName"] == request["DomainName"] for r in records.domains.values()):
        raise taken("Domain", request["DomainName"])
    home.check_network(account, region, request["VpcId"], request["SubnetIds"], groups_of(request))
    check_settings(records, request["DefaultUserSettings"], request.get("DefaultSpaceSettings"))
    key = request.get("KmsKeyId") or request.pop("HomeEfsFileSystemKmsKeyId", None)
    check_key(account, region, key)
    domain_id = "d-" + "".join(secrets.choice(_ALPHABET) for _ in range(12))
    arn = f"arn:{self.partition}:sagemaker:{region}:{account}:domain/{domain_id}"
    tags = request.pop("Tags", None) or []
    request.setdefault("AppNetworkAccessType", "PublicInternetOnly")
    if key:
        request["KmsKeyId"] = request["HomeEfsFileSystemKmsKeyId"] = key
    url = f"https://{domain_id}.studio.{region}.sagemaker.aws"
    facts = {"DomainArn": arn, "DomainId": domain_id, "Url": url}
    if request.get("HomeEfsFileSystemCreation", "Enabled") == "Enabled":
        facts["HomeEfsFileSystemId"] = home.make_home(account, region, domain_id, arn, request)
    records.domains[domain_id] = Record(arn, request, facts, tags)
    return ActionResult({"DomainArn": arn, "DomainId": domain_id, "Url": url})


def describe_domain(self: SageMakerResponse) -> ActionResult:
    domain = find(studio(self.sagemaker_backend).domains, self.params["DomainId"], "Domain")
    return ActionResult(domain.describe())


def list_domains(self: SageMakerResponse) -> ActionResult:
    names = ("DomainArn", "DomainId", "DomainName", "Status", "CreationTime", "LastModifiedTime", "Url")
    found = [chosen(record, *names) for record in studio(self.sagemaker_backend).domains.values()]
    return ActionResult(page(found, self.params, "Domains"))


def update_domain(self: SageMakerResponse) -> ActionResult:
    backend, request = self.sagemaker_backend, dict(self.params)
    records, account, region = studio(backend), backend.account_id, backend.region_name
    domain_id = request.pop("DomainId")
    domain = find(records.domains, domain_id, "Domain")
    in_service(domain, "Domain", domain_id, "update")
    check_choice(request.get("AppNetworkAccessType"), "appNetworkAccessType", _ACCESS)
    if request.get("VpcId") not in (None, domain.sent["VpcId"]):
        raise ValidationError(message="The VpcId of a domain that has a VPC cannot change.")
    sent = {**domain.sent, **{k: v for k, v in request.items() if k != "DomainSettingsForUpdate"}}
    for name in ("DefaultUserSettings", "DefaultSpaceSettings"):
        if name in sent:
            sent[name] = merged(domain.sent.get(name), request.get(name))
    if "DomainSettingsForUpdate" in request:
        sent["DomainSettings"] = merged(domain.sent.get("DomainSettings"), request["DomainSettingsForUpdate"])
    home.check_network(account, region, sent["VpcId"], sent["SubnetIds"], groups_of(sent))
    check_settings(records, sent["DefaultUserSettings"], sent.get("DefaultSpaceSettings"))
    files = domain.facts.get("HomeEfsFileSystemId")
    if files and set(sent["SubnetIds"]) != set(domain.sent["SubnetIds"]):
        group = home.nfs_group(account, region, sent["VpcId"], domain_id, "inbound")
        home.remove_mount_targets(account, region, files, keep=sent["SubnetIds"])
        home.add_mount_targets(account, region, files, sent["SubnetIds"], group.id)
    domain.sent = sent
    domain.move("Updating", "InService")
    return ActionResult({"DomainArn": domain.arn})


def delete_domain(self: SageMakerResponse) -> EmptyResult:
    backend, domain_id = self.sagemaker_backend, self.params["DomainId"]
    records = studio(backend)
    domain = find(records.domains, domain_id, "Domain")
    in_service(domain, "Domain", domain_id, "delete")
    for kind, members in (("App", records.apps), ("Space", records.spaces), ("UserProfile", records.users)):
        if any(key[0] == domain_id and record.status != "Deleted" for key, record in members.items()):
            raise still_used("Domain", domain_id, kind)
    kept = (self.params.get("RetentionPolicy") or {}).get("HomeEfsFileSystem", "Retain")
    check_choice(kept, "retentionPolicy.homeEfsFileSystem", ("Retain", "Delete"))
    files = domain.facts.get("HomeEfsFileSystemId")
    if files and kept == "Delete":
        home.remove_home(backend.account_id, backend.region_name, files)
    for key in [k for k in records.apps if k[0] == domain_id]:
        del records.apps[key]
    domain.move("Deleting", None)
    return EmptyResult()


OPERATIONS = (create_domain, describe_domain, list_domains, update_domain, delete_domain)
