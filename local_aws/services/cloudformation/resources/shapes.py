"""Small steps that many handlers share: requests out of properties, tags of EC2, policy documents."""

import json
from typing import Any

from local_aws.services.cloudformation.resources.base import Context, ResourceError

Properties = dict[str, Any]


def picked(properties: Properties, *names: str) -> Properties:
    """The named properties that are there."""
    return {name: properties[name] for name in names if name in properties}


def document(value: Any) -> str:
    """A policy, event pattern or the like as JSON text; templates may have it as an object or as text."""
    return value if isinstance(value, str) else json.dumps(value)


def renamed(value: Properties, names: dict[str, str], where: str) -> Properties:
    """Keys in the API's spelling. A key that `names` does not have is a `ResourceError` naming it and `where`."""
    for name in value:
        if name not in names:
            raise ResourceError(f"local_aws does not honor {where}.{name}.")
    return {names[name]: item for name, item in value.items()}


def exists_already(kind: str, name: str) -> ResourceError:
    """CloudFormation's sentence for a name that is taken."""
    return ResourceError(f"Resource of type '{kind}' with identifier '{name}' already exists.")


def list_changes(old: list | None, new: list | None) -> tuple[list, list]:
    """(items to add, items to remove)."""
    old, new = old or [], new or []
    return [item for item in new if item not in old], [item for item in old if item not in new]


def ec2_tags(ctx: Context, resource_type: str, properties: Properties) -> Properties:
    """`TagSpecifications` of an EC2 Create call, nothing without tags."""
    tags = ctx.tag_list(properties.get("Tags"))
    return {"TagSpecifications": [{"ResourceType": resource_type, "Tags": tags}]} if tags else {}


def retag_ec2(ctx: Context, resource_id: str, old: Properties, new: Properties) -> None:
    changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
    ec2 = ctx.client("ec2")
    if removed:
        ec2.delete_tags(Resources=[resource_id], Tags=[{"Key": key} for key in removed])
    if changed:
        ec2.create_tags(Resources=[resource_id], Tags=[{"Key": k, "Value": v} for k, v in changed.items()])
