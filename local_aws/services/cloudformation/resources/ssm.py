"""AWS::SSM::Parameter."""

from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, missing_is_fine


class Parameter(Handler):
    type = "AWS::SSM::Parameter"
    properties = {"Name", "Type", "Value", "Description", "AllowedPattern", "DataType", "Tier", "Tags"}
    name_property = "Name"
    attributes = {"Type", "Value"}

    def create(self, ctx: Context, logical_id: str, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = properties.get("Name") or f"CFN-{ctx.physical_name(logical_id)}"
        request = {k: v for k, v in properties.items() if k not in ("Name", "Tags")}
        if tags := ctx.tag_list(properties.get("Tags")):
            request["Tags"] = tags
        ctx.client("ssm").put_parameter(Name=name, **request)
        return name, self._attributes(properties)

    def update(
        self, ctx: Context, physical_id: str, old: dict[str, Any], new: dict[str, Any]
    ) -> dict[str, Any]:
        client = ctx.client("ssm")
        request = {k: v for k, v in new.items() if k not in ("Name", "Tags")}
        # what only the old properties have goes back to its default
        request = {**{k: "" for k in ("Description", "AllowedPattern") if k in old}, **request}
        client.put_parameter(Name=physical_id, Overwrite=True, **request)
        changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
        target = {"ResourceType": "Parameter", "ResourceId": physical_id}
        if removed:
            client.remove_tags_from_resource(**target, TagKeys=removed)
        if changed:
            client.add_tags_to_resource(**target, Tags=[{"Key": k, "Value": v} for k, v in changed.items()])
        return self._attributes(new)

    def delete(self, ctx: Context, physical_id: str, properties: dict[str, Any]) -> None:
        with missing_is_fine():
            ctx.client("ssm").delete_parameter(Name=physical_id)

    @staticmethod
    def _attributes(properties: dict[str, Any]) -> dict[str, Any]:
        return {"Type": properties["Type"], "Value": properties["Value"]}
