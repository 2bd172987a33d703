"""What an update would change: the content of a change set, and whether there is anything to do at all.

Source: CloudFormation API reference, `ResourceChange`, `ResourceChangeDetail`, `ResourceTargetDefinition`.
"""

from dataclasses import dataclass, field
from typing import Any

from local_aws.services.cloudformation.evaluation import Evaluation
from local_aws.services.cloudformation.graph import references
from local_aws.services.cloudformation.intrinsics import Unknown, unknowns
from local_aws.services.cloudformation.model import Resource, Stack
from local_aws.services.cloudformation.resources import find
from local_aws.services.cloudformation.schema import coerced
from local_aws.services.cloudformation.template import Template


@dataclass
class Change:
    """One resource's change. `replacement`: "True", "False", "Conditional", or "" when nothing is modified."""

    action: str
    logical_id: str
    type: str
    physical_id: str = ""
    replacement: str = ""
    scope: list[str] = field(default_factory=list)
    details: list[dict] = field(default_factory=list)
    policy_action: str = ""

    def described(self) -> dict[str, Any]:
        """As `DescribeChangeSet` shows it."""
        change: dict[str, Any] = {
            "Action": self.action,
            "LogicalResourceId": self.logical_id,
            "ResourceType": self.type,
            "Scope": self.scope,
            "Details": self.details,
        }
        for key, value in (
            ("PhysicalResourceId", self.physical_id),
            ("Replacement", self.replacement),
            ("PolicyAction", self.policy_action),
        ):
            if value:
                change[key] = value
        return {"Type": "Resource", "ResourceChange": change}


def attribute_of(resource: Resource, name: str) -> Any:
    """An attribute by its name, flat or nested; KeyError when the resource has none of that name."""
    if name in resource.attributes:
        return resource.attributes[name]
    found: Any = resource.attributes
    for part in name.split("."):
        found = found[part]
    return found


def policies(declared: dict[str, Any]) -> dict[str, str]:
    """A resource's two policies as fields of `Resource`."""
    deletion = declared.get("DeletionPolicy", "Delete")
    return {"deletion_policy": deletion, "replace_policy": declared.get("UpdateReplacePolicy", "Delete")}


class Plan:
    """Compares a stack as it is with a template bound to new parameters. `changes` in the order of execution."""

    def __init__(self, stack: Stack, old: Template | None, evaluation: Evaluation, tags: dict[str, str]):
        self._stack, self._old, self._new, self._tags = stack, old, evaluation, tags
        self._planned: dict[str, Change] = {}
        self._changed_parameters = self._parameters_changed()
        evaluation.resource_ref, evaluation.resource_attribute = self._ref, self._attribute
        for name in evaluation.order:
            if change := self._of(name):
                self._planned[name] = change
        for name, resource in reversed(stack.resources.items()):
            if name not in evaluation.resources and resource.status != "DELETE_COMPLETE":
                keep = "Retain" if resource.deletion_policy.startswith("Retain") else "Delete"
                self._planned[name] = Change(
                    "Remove", name, resource.type, resource.physical_id, policy_action=keep
                )

    @property
    def changes(self) -> list[Change]:
        return list(self._planned.values())

    def anything(self) -> bool:
        """Whether an update would do something: to a resource, an output or the tags."""
        if self._planned or self._tags != self._stack.tags:
            return True
        outputs = self._new.output_values()
        return outputs != self._stack.outputs

    # -- the values that are known already -----------------------------------------------------------------
    def _ref(self, name: str) -> Any:
        change = self._planned.get(name)
        if name not in self._stack.resources or (change and change.replacement != "False"):
            return Unknown((name, None))
        return self._stack.resources[name].physical_id

    def _attribute(self, name: str, attribute: str) -> Any:
        change = self._planned.get(name)
        if name not in self._stack.resources or (change and "Properties" in change.scope):
            return Unknown((name, attribute))
        try:
            return attribute_of(self._stack.resources[name], attribute)
        except (KeyError, TypeError):
            return Unknown((name, attribute))

    def _parameters_changed(self) -> set[str]:
        old = self._stack.parameter_values()
        return {
            key
            for key, value in self._new.values.items()
            if key not in old or old[key].resolved != value.resolved
        }

    # -- one resource --------------------------------------------------------------------------------------
    def _of(self, name: str) -> Change | None:
        declared = self._new.resources[name]
        kind, present = declared["Type"], self._stack.resources.get(name)
        properties = coerced(kind, self._new.properties(name))
        if present is None:
            return Change("Add", name, kind)
        change = Change("Modify", name, kind, present.physical_id, "False")
        handler = find(kind)
        replacing = handler.replacing(present.declared, properties)
        for key in sorted({*present.declared, *properties}):
            if present.declared.get(key) != properties.get(key):
                self._detail(change, key, properties.get(key), key in replacing)
        if change.details:
            change.scope.append("Properties")
        if self._tags != self._stack.tags and handler.taggable:
            self._scope(change, "Tags")
        if present.metadata != declared.get("Metadata"):
            self._scope(change, "Metadata")
        old_policies = {"deletion_policy": present.deletion_policy, "replace_policy": present.replace_policy}
        for attribute, key in (
            ("DeletionPolicy", "deletion_policy"),
            ("UpdateReplacePolicy", "replace_policy"),
        ):
            if old_policies[key] != policies(declared)[key]:
                self._scope(change, attribute)
        if not change.scope:
            return None
        if change.replacement == "True":
            change.policy_action = (
                "ReplaceAndRetain" if policies(declared)["replace_policy"] == "Retain" else "ReplaceAndDelete"
            )
        return change

    @staticmethod
    def _scope(change: Change, attribute: str) -> None:
        change.scope.append(attribute)
        change.details.append(
            {
                "Target": {"Attribute": attribute, "RequiresRecreation": "Never"},
                "Evaluation": "Static",
                "ChangeSource": "DirectModification",
            }
        )

    def _detail(self, change: Change, key: str, value: Any, replaces: bool) -> None:
        dynamic = bool(unknowns(value))
        recreation = "Never" if not replaces else "Conditionally" if dynamic else "Always"
        if recreation == "Always":
            change.replacement = "True"
        elif recreation == "Conditionally" and change.replacement == "False":
            change.replacement = "Conditional"
        target = {"Attribute": "Properties", "Name": key, "RequiresRecreation": recreation}
        for source, cause in self._causes(change.logical_id, key):
            detail = {
                "Target": target,
                "Evaluation": "Dynamic" if dynamic else "Static",
                "ChangeSource": source,
            }
            if cause:
                detail["CausingEntity"] = cause
            change.details.append(detail)

    def _causes(self, name: str, key: str) -> list[tuple[str, str]]:
        """Why a property differs: (ChangeSource, CausingEntity)."""
        new = self._new.resources[name].get("Properties", {}).get(key)
        old_resource = self._old.resources.get(name, {}) if self._old else {}
        found: dict[tuple[str, str], None] = {}
        if old_resource.get("Properties", {}).get(key) != new:
            found["DirectModification", ""] = None
        for ref in references(new, self._new.condition):
            if ref.name in self._changed_parameters:
                found["ParameterReference", ref.name] = None
            elif ref.name in self._planned and ref.attribute is None:
                if self._planned[ref.name].replacement != "False":  # else its physical id stays
                    found["ResourceReference", ref.name] = None
            elif ref.name in self._planned:
                found["ResourceAttribute", f"{ref.name}.{ref.attribute}"] = None
        return list(found) or [("DirectModification", "")]
