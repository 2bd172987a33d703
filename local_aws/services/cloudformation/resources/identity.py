"""AWS::IAM: Role, ManagedPolicy, Policy, InstanceProfile."""

from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, missing_is_fine
from local_aws.services.cloudformation.resources.shapes import Properties, document, list_changes, picked

_Made = tuple[str, dict[str, Any]]


def _inline(properties: Properties) -> dict[str, str]:
    return {p["PolicyName"]: document(p["PolicyDocument"]) for p in properties.get("Policies", [])}


class Role(Handler):
    type = "AWS::IAM::Role"
    properties = {
        "RoleName",
        "AssumeRolePolicyDocument",
        "Description",
        "Path",
        "MaxSessionDuration",
        "PermissionsBoundary",
        "ManagedPolicyArns",
        "Policies",
        "Tags",
    }
    name_property = "RoleName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        iam, name = ctx.client("iam"), properties.get("RoleName") or ctx.physical_name(logical_id)
        request = picked(properties, "Description", "Path", "MaxSessionDuration", "PermissionsBoundary")
        if tags := ctx.tag_list(properties.get("Tags")):
            request["Tags"] = tags
        trust = document(properties["AssumeRolePolicyDocument"])
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **request)["Role"]
        ctx.made(name, picked(role, "Arn", "RoleId"))
        self._policies(iam, name, {}, properties)
        return name, picked(role, "Arn", "RoleId")

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        iam, role = ctx.client("iam"), {"RoleName": physical_id}
        trust = document(new["AssumeRolePolicyDocument"])
        iam.update_assume_role_policy(**role, PolicyDocument=trust)
        longest = new.get("MaxSessionDuration", 3600)
        iam.update_role(**role, Description=new.get("Description", ""), MaxSessionDuration=longest)
        if "PermissionsBoundary" in new:
            iam.put_role_permissions_boundary(**role, PermissionsBoundary=new["PermissionsBoundary"])
        elif "PermissionsBoundary" in old:
            iam.delete_role_permissions_boundary(**role)
        self._policies(iam, physical_id, old, new)
        changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
        if removed:
            iam.untag_role(**role, TagKeys=removed)
        if changed:
            iam.tag_role(**role, Tags=[{"Key": k, "Value": v} for k, v in changed.items()])
        return picked(iam.get_role(**role)["Role"], "Arn", "RoleId")

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        iam = ctx.client("iam")
        with missing_is_fine():
            self._policies(iam, physical_id, properties, {})
        with missing_is_fine():
            iam.delete_role(RoleName=physical_id)

    @staticmethod
    def _policies(iam: Any, name: str, old: Properties, new: Properties) -> None:
        added, removed = list_changes(old.get("ManagedPolicyArns"), new.get("ManagedPolicyArns"))
        for arn in removed:
            with missing_is_fine():
                iam.detach_role_policy(RoleName=name, PolicyArn=arn)
        for arn in added:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        before, after = _inline(old), _inline(new)
        for policy in before.keys() - after.keys():
            with missing_is_fine():
                iam.delete_role_policy(RoleName=name, PolicyName=policy)
        for policy, text in after.items():
            if before.get(policy) != text:
                iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=text)


# property: (the API's word, keyword for the name)
_HOLDERS = {
    "Roles": ("role", "RoleName"),
    "Groups": ("group", "GroupName"),
    "Users": ("user", "UserName"),
}


class ManagedPolicy(Handler):
    type = "AWS::IAM::ManagedPolicy"
    properties = {"ManagedPolicyName", "PolicyDocument", "Description", "Path", *_HOLDERS}
    name_property = "ManagedPolicyName"
    attributes = {"PolicyArn"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        iam, name = (
            ctx.client("iam"),
            properties.get("ManagedPolicyName") or ctx.physical_name(logical_id, limit=128),
        )
        request = picked(properties, "Description", "Path")
        text = document(properties["PolicyDocument"])
        arn = iam.create_policy(PolicyName=name, PolicyDocument=text, **request)["Policy"]["Arn"]
        ctx.made(arn)
        self._attach(iam, arn, {}, properties)
        return arn, self._read(iam, arn)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        iam, policy = ctx.client("iam"), {"PolicyArn": physical_id}
        if old["PolicyDocument"] != new["PolicyDocument"]:
            versions = iam.list_policy_versions(**policy)["Versions"]
            if len(versions) >= 5:  # AWS keeps five
                oldest = min(
                    (v for v in versions if not v["IsDefaultVersion"]), key=lambda v: int(v["VersionId"][1:])
                )
                iam.delete_policy_version(**policy, VersionId=oldest["VersionId"])
            text = document(new["PolicyDocument"])
            iam.create_policy_version(**policy, PolicyDocument=text, SetAsDefault=True)
        self._attach(iam, physical_id, old, new)
        return self._read(iam, physical_id)

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        iam, policy = ctx.client("iam"), {"PolicyArn": physical_id}
        self._attach(iam, physical_id, properties, {})
        with missing_is_fine():
            for version in iam.list_policy_versions(**policy)["Versions"]:
                if not version["IsDefaultVersion"]:
                    iam.delete_policy_version(**policy, VersionId=version["VersionId"])
            iam.delete_policy(**policy)

    @staticmethod
    def _attach(iam: Any, arn: str, old: Properties, new: Properties) -> None:
        for holders, (word, keyword) in _HOLDERS.items():
            added, removed = list_changes(old.get(holders), new.get(holders))
            for name in removed:
                with missing_is_fine():
                    getattr(iam, f"detach_{word}_policy")(**{keyword: name}, PolicyArn=arn)
            for name in added:
                getattr(iam, f"attach_{word}_policy")(**{keyword: name}, PolicyArn=arn)

    @staticmethod
    def _read(iam: Any, arn: str) -> dict[str, Any]:
        policy = iam.get_policy(PolicyArn=arn)["Policy"]
        return {
            "PolicyArn": arn,
            "PolicyId": policy["PolicyId"],
            "AttachmentCount": policy["AttachmentCount"],
            "CreateDate": policy["CreateDate"].isoformat(),
            "UpdateDate": policy["UpdateDate"].isoformat(),
            "DefaultVersionId": policy["DefaultVersionId"],
            "IsAttachable": True,
            "PermissionsBoundaryUsageCount": 0,
        }


class Policy(Handler):
    """An inline policy, put into each of its roles, groups and users."""

    type = "AWS::IAM::Policy"
    properties = {"PolicyName", "PolicyDocument", *_HOLDERS}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        name = ctx.physical_name(logical_id, limit=128)
        ctx.made(name, {"Id": name})
        self._put(ctx.client("iam"), properties)
        return name, {"Id": name}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        iam = ctx.client("iam")
        self._put(iam, new)
        for holders in _HOLDERS:
            gone = list_changes(old.get(holders), new.get(holders))[1]
            if old["PolicyName"] != new["PolicyName"]:
                gone = old.get(holders, [])
            self._remove(iam, holders, gone, old["PolicyName"])
        return {"Id": physical_id}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        for holders in _HOLDERS:
            self._remove(ctx.client("iam"), holders, properties.get(holders, []), properties["PolicyName"])

    @staticmethod
    def _put(iam: Any, properties: Properties) -> None:
        text = document(properties["PolicyDocument"])
        for holders, (word, keyword) in _HOLDERS.items():
            for name in properties.get(holders, []):
                call = getattr(iam, f"put_{word}_policy")
                call(**{keyword: name}, PolicyName=properties["PolicyName"], PolicyDocument=text)

    @staticmethod
    def _remove(iam: Any, holders: str, names: list[str], policy: str) -> None:
        word, keyword = _HOLDERS[holders]
        for name in names:
            with missing_is_fine():
                getattr(iam, f"delete_{word}_policy")(**{keyword: name}, PolicyName=policy)


class InstanceProfile(Handler):
    type = "AWS::IAM::InstanceProfile"
    properties = {"InstanceProfileName", "Path", "Roles"}
    name_property = "InstanceProfileName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        iam, name = (
            ctx.client("iam"),
            properties.get("InstanceProfileName") or ctx.physical_name(logical_id, limit=128),
        )
        request = {"InstanceProfileName": name, **picked(properties, "Path")}
        arn = iam.create_instance_profile(**request)["InstanceProfile"]["Arn"]
        ctx.made(name, {"Arn": arn})
        self._roles(iam, name, [], properties["Roles"])
        return name, {"Arn": arn}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        iam = ctx.client("iam")
        self._roles(iam, physical_id, old["Roles"], new["Roles"])
        return {"Arn": iam.get_instance_profile(InstanceProfileName=physical_id)["InstanceProfile"]["Arn"]}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        iam = ctx.client("iam")
        self._roles(iam, physical_id, properties["Roles"], [])
        with missing_is_fine():
            iam.delete_instance_profile(InstanceProfileName=physical_id)

    @staticmethod
    def _roles(iam: Any, name: str, old: list[str], new: list[str]) -> None:
        added, removed = list_changes(old, new)
        for role in removed:
            with missing_is_fine():
                iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role)
        for role in added:
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)
