"""A template bound to its parameters: which resources it has, what each needs, and what each value is.

`Evaluation` is the environment of the intrinsic functions. What `Ref` and `Fn::GetAtt` of resources give comes from
two functions of the caller, so the same code serves a deployment (values as they are) and a change set (some are
unknown).
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.graph import order, references
from local_aws.services.cloudformation.intrinsics import NO_VALUE, Resolver, Unknown, text_of
from local_aws.services.cloudformation.parameters import Value
from local_aws.services.cloudformation.template import Template


class Evaluation:
    """`pseudo`: values of the pseudo parameters by name. `imports`: (export name) -> value, raising
    `ValidationError`. `zones`: region -> names of its Availability Zones."""

    def __init__(
        self,
        template: Template,
        values: dict[str, Value],
        pseudo: dict[str, Any],
        imports: Callable[[str], Any],
        zones: Callable[[str], list[str]],
    ):
        self.template, self.values, self.pseudo = template, values, pseudo
        self._imports, self._zones = imports, zones
        self.resource_ref: Callable[[str], Any] = lambda name: Unknown((name, None))
        self.resource_attribute: Callable[[str, str], Any] = lambda name, attribute: Unknown(
            (name, attribute)
        )
        self.imported: set[str] = set()
        self._known: dict[str, bool | None] = {}
        self.resolver = Resolver(self)

    # -- the environment of the functions ------------------------------------------------------------------
    def ref(self, name: str) -> Any:
        if name in self.values:
            return self.values[name].resolved
        if name in self.pseudo:
            return self.pseudo[name]
        self._active(name)
        return self.resource_ref(name)

    def get_att(self, name: str, attribute: str) -> Any:
        self._active(name)
        return self.resource_attribute(name, attribute)

    def _active(self, name: str) -> None:
        if name not in self.resources:
            raise ValidationError(
                f"Template format error: Unresolved resource dependencies [{name}] in the Resources block of the "
                "template"
            )

    def condition(self, name: str) -> bool:
        if name not in self.template.conditions:
            raise ValidationError(f"Template format error: Unresolved condition dependency {name}")
        if name not in self._known:
            self._known[name] = None
            self._known[name] = self.resolver.truth(self.template.conditions[name])
        result = self._known[name]
        if result is None:
            raise ValidationError(f"Template error: the condition {name} depends on itself")
        return result

    def find_in_map(self, name: str, top: str, second: str) -> Any:
        if name not in self.template.mappings:
            raise ValidationError(
                f"Template error: Mapping named '{name}' is not present in the 'Mappings' section of template."
            )
        try:
            return self.template.mappings[name][top][second]
        except KeyError:
            raise ValidationError(
                f"Template error: Unable to get mapping for {name}::{top}::{second}"
            ) from None

    def import_value(self, name: str) -> Any:
        value = self._imports(name)
        self.imported.add(name)
        return value

    def zones(self, region: str) -> list[str]:
        return self._zones(region or self.pseudo["AWS::Region"])

    # -- what the template has -----------------------------------------------------------------------------
    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources whose condition holds."""
        return {
            name: declared
            for name, declared in self.template.resources.items()
            if "Condition" not in declared or self.condition(declared["Condition"])
        }

    @cached_property
    def outputs(self) -> dict[str, dict[str, Any]]:
        return {
            name: declared
            for name, declared in self.template.outputs.items()
            if "Condition" not in declared or self.condition(declared["Condition"])
        }

    @cached_property
    def needs(self) -> dict[str, list[str]]:
        """For each resource the names of those that it refers to or that its DependsOn names."""
        found = {}
        for name, declared in self.resources.items():
            depends = declared.get("DependsOn", [])
            names = [depends] if isinstance(depends, str) else list(depends)
            names += [ref.name for ref in references(declared.get("Properties", {}), self.condition)]
            found[name] = sorted({n for n in names if n in self.resources})
        return found

    @cached_property
    def order(self) -> list[str]:
        """The resources' names, each after all that it needs. `ValidationError` names a circle."""
        return order(self.needs)

    def properties(self, name: str) -> dict[str, Any]:
        """A resource's properties, resolved; dynamic references are still as they are written."""
        found = self.resolver.resolve(self.resources[name].get("Properties", {}))
        return {} if found is NO_VALUE else found

    def output_values(self) -> dict[str, dict[str, Any]]:
        """{name: {"Value", "Description", "Export"}} of the outputs, resolved."""
        found = {}
        for name, declared in self.outputs.items():
            value = self.resolver.resolve(declared["Value"])
            if isinstance(value, dict | list) or value is NO_VALUE:
                raise ValidationError(
                    f"Template format error: The Value field of output {name} must evaluate to a String, but is "
                    f"{type(value).__name__ if value is not NO_VALUE else 'AWS::NoValue'}."
                )
            item = {"Value": value if isinstance(value, Unknown) else text_of(value)}
            if "Description" in declared:
                item["Description"] = declared["Description"]
            if "Export" in declared:
                item["Export"] = self.resolver.resolve(declared["Export"]["Name"])
            found[name] = item
        return found

    def check_rules(self) -> None:
        """Raise `ValidationError` for the first rule whose assertion does not hold."""
        for name, rule in self.template.rules.items():
            if "RuleCondition" in rule and not self.resolver.truth(rule["RuleCondition"]):
                continue
            for item in rule.get("Assertions", []):
                if not self.resolver.truth(item["Assert"]):
                    why = item.get("AssertDescription", "an assertion does not hold")
                    raise ValidationError(f"Template validation error: rule {name}: {why}")
