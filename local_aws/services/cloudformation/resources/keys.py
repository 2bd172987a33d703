"""AWS::KMS::Key, AWS::KMS::Alias, AWS::SecretsManager::Secret."""

import json
from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, ResourceError, missing_is_fine
from local_aws.services.cloudformation.resources.shapes import Properties, document, picked

_Made = tuple[str, dict[str, Any]]


class Key(Handler):
    type = "AWS::KMS::Key"
    properties = {
        "Description",
        "Enabled",
        "EnableKeyRotation",
        "RotationPeriodInDays",
        "KeyPolicy",
        "KeySpec",
        "KeyUsage",
        "MultiRegion",
        "PendingWindowInDays",
        "Tags",
    }
    # the schema lets them change; the service does not
    replaces = {"KeySpec", "KeyUsage", "MultiRegion"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        kms = ctx.client("kms")
        request = picked(properties, "Description", "KeySpec", "KeyUsage", "MultiRegion")
        if "KeyPolicy" in properties:
            request["Policy"] = document(properties["KeyPolicy"])
        if tags := ctx.tag_list(properties.get("Tags"), "TagKey", "TagValue"):
            request["Tags"] = tags
        made = kms.create_key(**request)["KeyMetadata"]
        attributes = picked(made, "Arn", "KeyId")
        ctx.made(made["KeyId"], attributes)
        self._settings(kms, made["KeyId"], {}, properties)
        return made["KeyId"], attributes

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        kms, key = ctx.client("kms"), {"KeyId": physical_id}
        if old.get("KeyPolicy") != new.get("KeyPolicy") and "KeyPolicy" in new:
            kms.put_key_policy(**key, PolicyName="default", Policy=document(new["KeyPolicy"]))
        if old.get("Description") != new.get("Description"):
            kms.update_key_description(**key, Description=new.get("Description", ""))
        self._settings(kms, physical_id, old, new)
        changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
        if removed:
            kms.untag_resource(**key, TagKeys=removed)
        if changed:
            kms.tag_resource(**key, Tags=[{"TagKey": k, "TagValue": v} for k, v in changed.items()])
        return picked(kms.describe_key(**key)["KeyMetadata"], "Arn", "KeyId")

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        kms, days = ctx.client("kms"), properties.get("PendingWindowInDays", 30)
        with missing_is_fine():
            if kms.describe_key(KeyId=physical_id)["KeyMetadata"]["KeyState"] != "PendingDeletion":
                kms.schedule_key_deletion(KeyId=physical_id, PendingWindowInDays=days)

    @staticmethod
    def _settings(kms: Any, key: str, old: Properties, new: Properties) -> None:
        if new.get("EnableKeyRotation"):
            kms.enable_key_rotation(KeyId=key, **picked(new, "RotationPeriodInDays"))
        elif old.get("EnableKeyRotation"):
            kms.disable_key_rotation(KeyId=key)
        if not new.get("Enabled", True):
            kms.disable_key(KeyId=key)
        elif not old.get("Enabled", True):
            kms.enable_key(KeyId=key)


class Alias(Handler):
    type = "AWS::KMS::Alias"
    properties = {"AliasName", "TargetKeyId"}
    name_property = "AliasName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        ctx.client("kms").create_alias(**properties)
        return properties["AliasName"], {}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        ctx.client("kms").update_alias(**new)
        return {}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("kms").delete_alias(AliasName=physical_id)


class Secret(Handler):
    type = "AWS::SecretsManager::Secret"
    properties = {"Name", "Description", "KmsKeyId", "SecretString", "GenerateSecretString", "Tags"}
    name_property = "Name"
    # A changed generator would need a new secret string; an update without one keeps what there is.
    replaces = {"GenerateSecretString"}
    _generator = {
        "PasswordLength",
        "ExcludeCharacters",
        "ExcludeLowercase",
        "ExcludeUppercase",
        "ExcludeNumbers",
        "ExcludePunctuation",
        "IncludeSpace",
        "RequireEachIncludedType",
    }

    def validate(self, properties: Properties) -> None:
        if "SecretString" in properties and "GenerateSecretString" in properties:
            raise ResourceError("Specify either SecretString or GenerateSecretString, not both.")

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        manager = ctx.client("secretsmanager")
        name = properties.get("Name") or ctx.physical_name(logical_id, limit=255)
        request = picked(properties, "Description", "KmsKeyId")
        if tags := ctx.tag_list(properties.get("Tags")):
            request["Tags"] = tags
        arn = manager.create_secret(Name=name, SecretString=self._value(manager, properties), **request)[
            "ARN"
        ]
        return arn, {"Id": arn}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        manager, secret = ctx.client("secretsmanager"), {"SecretId": physical_id}
        request = {"Description": new.get("Description", ""), **picked(new, "KmsKeyId")}
        if new.get("SecretString") not in (None, old.get("SecretString")):
            request["SecretString"] = new["SecretString"]
        manager.update_secret(**secret, **request)
        changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
        if removed:
            manager.untag_resource(**secret, TagKeys=removed)
        if changed:
            manager.tag_resource(**secret, Tags=[{"Key": k, "Value": v} for k, v in changed.items()])
        return {"Id": physical_id}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("secretsmanager").delete_secret(SecretId=physical_id, ForceDeleteWithoutRecovery=True)

    def _value(self, manager: Any, properties: Properties) -> str:
        generator = properties.get("GenerateSecretString")
        if generator is None:
            return properties.get("SecretString", "")
        password = manager.get_random_password(**picked(generator, *self._generator))["RandomPassword"]
        if "SecretStringTemplate" not in generator:
            return password
        template = json.loads(generator["SecretStringTemplate"])
        return json.dumps({**template, generator["GenerateStringKey"]: password})
