"""AWS::SageMaker: Domain, UserProfile, Space, StudioLifecycleConfig.

Deleting a Domain keeps its EFS file system and mount targets, as CloudFormation's own handler does: it calls
DeleteDomain without a retention policy, whose default is Retain.
"""

from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, missing_is_fine
from local_aws.services.cloudformation.resources.sagemaker_shapes import gone, retag, settled, tags_of
from local_aws.services.cloudformation.resources.shapes import Properties, picked

_Made = tuple[str, dict[str, Any]]


class Domain(Handler):
    type = "AWS::SageMaker::Domain"
    _changing = (
        "AppNetworkAccessType",
        "AppSecurityGroupManagement",
        "DefaultSpaceSettings",
        "DefaultUserSettings",
        "SubnetIds",
        "TagPropagation",
    )
    _fixed = ("AuthMode", "DomainName", "DomainSettings", "HomeEfsFileSystemCreation", "KmsKeyId", "VpcId")
    properties = {*_changing, *_fixed, "Tags"}
    name_property = "DomainName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        request = {**picked(properties, *self._changing, *self._fixed), **tags_of(ctx, properties)}
        domain = ctx.client("sagemaker").create_domain(**request)["DomainId"]
        ctx.made(domain)
        return domain, self._read(ctx, domain)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        request = {k: v for k, v in picked(new, *self._changing).items() if old.get(k) != v}
        if old.get("DomainSettings") != new.get("DomainSettings"):
            request["DomainSettingsForUpdate"] = new.get("DomainSettings", {})
        if request:
            settled(ctx, "describe_domain", DomainId=physical_id)
            ctx.client("sagemaker").update_domain(DomainId=physical_id, **request)
        attributes = self._read(ctx, physical_id)
        retag(ctx, attributes["DomainArn"], old, new)
        return attributes

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            settled(ctx, "describe_domain", DomainId=physical_id)
            ctx.client("sagemaker").delete_domain(DomainId=physical_id)
            gone(ctx, "describe_domain", DomainId=physical_id)

    @staticmethod
    def _read(ctx: Context, domain: str) -> dict[str, Any]:
        found = settled(ctx, "describe_domain", DomainId=domain)
        names = ("DomainArn", "DomainId", "HomeEfsFileSystemId", "Url", "SecurityGroupIdForDomainBoundary")
        return {"HomeEfsFileSystemId": "", "SecurityGroupIdForDomainBoundary": "", **picked(found, *names)}


class UserProfile(Handler):
    type = "AWS::SageMaker::UserProfile"
    properties = {"DomainId", "UserProfileName", "UserSettings", "Tags"}
    name_property = "UserProfileName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        key = self._key(properties)
        request = {**key, **picked(properties, "UserSettings"), **tags_of(ctx, properties)}
        arn = ctx.client("sagemaker").create_user_profile(**request)["UserProfileArn"]
        made = f"{key['UserProfileName']}|{key['DomainId']}"
        ctx.made(made, {"UserProfileArn": arn})
        settled(ctx, "describe_user_profile", **key)
        return made, {"UserProfileArn": arn}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        key = self._key(new)
        if old.get("UserSettings") != new.get("UserSettings"):
            ctx.client("sagemaker").update_user_profile(**key, UserSettings=new.get("UserSettings", {}))
        arn = settled(ctx, "describe_user_profile", **key)["UserProfileArn"]
        retag(ctx, arn, old, new)
        return {"UserProfileArn": arn}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        key = self._key(properties)
        with missing_is_fine():
            settled(ctx, "describe_user_profile", **key)
            ctx.client("sagemaker").delete_user_profile(**key)
            gone(ctx, "describe_user_profile", **key)

    @staticmethod
    def _key(properties: Properties) -> dict[str, str]:
        return picked(properties, "DomainId", "UserProfileName")


class Space(Handler):
    type = "AWS::SageMaker::Space"
    _request = ("OwnershipSettings", "SpaceDisplayName", "SpaceSettings", "SpaceSharingSettings")
    properties = {"DomainId", "SpaceName", "Tags", *_request}
    name_property = "SpaceName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        key = self._key(properties)
        request = {**key, **picked(properties, *self._request), **tags_of(ctx, properties)}
        arn = ctx.client("sagemaker").create_space(**request)["SpaceArn"]
        made = f"{key['DomainId']}|{key['SpaceName']}"
        ctx.made(made, {"SpaceArn": arn})
        return made, picked(settled(ctx, "describe_space", **key), "SpaceArn", "Url")

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        key, names = self._key(new), ("SpaceSettings", "SpaceDisplayName")
        request = {k: v for k, v in picked(new, *names).items() if old.get(k) != v}
        if request:
            ctx.client("sagemaker").update_space(**key, **request)
        found = settled(ctx, "describe_space", **key)
        retag(ctx, found["SpaceArn"], old, new)
        return picked(found, "SpaceArn", "Url")

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        key = self._key(properties)
        with missing_is_fine():
            settled(ctx, "describe_space", **key)
            ctx.client("sagemaker").delete_space(**key)
            gone(ctx, "describe_space", **key)

    @staticmethod
    def _key(properties: Properties) -> dict[str, str]:
        return picked(properties, "DomainId", "SpaceName")


class StudioLifecycleConfig(Handler):
    type = "AWS::SageMaker::StudioLifecycleConfig"
    _request = ("StudioLifecycleConfigName", "StudioLifecycleConfigContent", "StudioLifecycleConfigAppType")
    properties = {*_request, "Tags"}
    name_property = "StudioLifecycleConfigName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        request = {**picked(properties, *self._request), **tags_of(ctx, properties)}
        arn = ctx.client("sagemaker").create_studio_lifecycle_config(**request)["StudioLifecycleConfigArn"]
        return properties["StudioLifecycleConfigName"], {"StudioLifecycleConfigArn": arn}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        """Only the stack's tags can change."""
        name = {"StudioLifecycleConfigName": physical_id}
        arn = ctx.client("sagemaker").describe_studio_lifecycle_config(**name)["StudioLifecycleConfigArn"]
        retag(ctx, arn, old, new)
        return {"StudioLifecycleConfigArn": arn}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("sagemaker").delete_studio_lifecycle_config(StudioLifecycleConfigName=physical_id)
