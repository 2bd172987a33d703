"""The intrinsic functions: a template's value with its references, to the plain value.

Source: CloudFormation user guide, "Intrinsic function reference"; the wording of errors is the service's own. Where a
value is not known before something has been made (a change set asks), the result is `Unknown`, and so is all that
is built of it.
"""

import base64
import ipaddress
import re
from typing import Any, Protocol

from local_aws.services.cloudformation.errors import ValidationError

NO_VALUE = object()  # AWS::NoValue: the property or the item is left out
_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")


class Unknown:
    """A value that is only known when the resources in `sources` ((logical id, attribute or None)) are made."""

    def __init__(self, *sources: tuple[str, str | None]):
        self.sources = frozenset(sources)

    def __eq__(self, other: object) -> bool:
        return False  # nothing can be said, so it may differ from anything

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Unknown({', '.join(sorted(name for name, _ in self.sources))})"


def unknowns(value: Any) -> frozenset[tuple[str, str | None]]:
    """What the unknown parts of a value wait for."""
    if isinstance(value, Unknown):
        return value.sources
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return frozenset(source for item in items for source in unknowns(item))


class Environment(Protocol):
    """What the functions ask for. Each raises `ValidationError` for a name that it does not know."""

    def ref(self, name: str) -> Any: ...
    def get_att(self, name: str, attribute: str) -> Any: ...
    def condition(self, name: str) -> bool: ...
    def find_in_map(self, name: str, top: str, second: str) -> Any: ...
    def import_value(self, name: str) -> Any: ...
    def zones(self, region: str) -> list[str]: ...


def function_of(value: Any) -> tuple[str, Any] | None:
    """(name, argument) when a value is a call of an intrinsic function."""
    if not isinstance(value, dict):
        return None
    names = [key for key in value if key == "Ref" or key.startswith("Fn::")]
    if not names or (names == ["Ref"] and len(value) > 1):
        return None
    if len(value) > 1:
        raise ValidationError(
            f"Template error: {names[0]} must be the only key of its object, beside it is another."
        )
    return names[0], value[names[0]]


def text_of(value: Any) -> str:
    """A scalar as CloudFormation writes it into a string."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _error(message: str) -> ValidationError:
    return ValidationError(f"Template error: {message}")


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)  # bool is an int


class Resolver:
    """Evaluates values in one environment."""

    def __init__(self, environment: Environment):
        self._env = environment

    def resolve(self, value: Any) -> Any:
        """The plain value; `NO_VALUE` only when the whole value is AWS::NoValue."""
        call = function_of(value)
        if call:
            name, argument = call
            function = _FUNCTIONS.get(name)
            if function is None:
                raise _error(f"{name} is no intrinsic function that can be used here.")
            return function(self, argument)
        if isinstance(value, dict):
            items = ((key, self.resolve(item)) for key, item in value.items())
            return {key: item for key, item in items if item is not NO_VALUE}
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        return value

    def truth(self, value: Any) -> bool:
        """A condition's value."""
        if isinstance(value, dict) and set(value) == {"Condition"} and isinstance(value["Condition"], str):
            return self._env.condition(value["Condition"])
        result = self.resolve(value)
        if isinstance(result, str) and result.lower() in ("true", "false"):
            return result.lower() == "true"
        if not isinstance(result, bool):
            raise _error(f"a condition must be true or false, but {value!r} is neither.")
        return result

    # -- functions -----------------------------------------------------------------------------------------
    def _ref(self, name: Any) -> Any:
        if not isinstance(name, str):
            raise ValidationError("Template format error: Every Ref object must have a single String value.")
        return NO_VALUE if name == "AWS::NoValue" else self._env.ref(name)

    def _get_att(self, argument: Any) -> Any:
        pair = isinstance(argument, list) and len(argument) == 2 and all(argument)
        if not pair or not isinstance(argument[0], str):
            raise _error(
                "every Fn::GetAtt object requires two non-empty parameters, the resource name and the "
                "resource attribute"
            )
        attribute = self.resolve(argument[1])
        if not isinstance(attribute, str | Unknown):
            raise _error(f"Fn::GetAtt of {argument[0]}: the attribute's name must be a string.")
        return attribute if isinstance(attribute, Unknown) else self._env.get_att(argument[0], attribute)

    def _if(self, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 3 or not isinstance(argument[0], str):
            raise _error("Fn::If requires a list argument with the first element being a condition")
        return self.resolve(argument[1] if self._env.condition(argument[0]) else argument[2])

    def _equals(self, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 2:
            raise _error("every Fn::Equals object requires a list of 2 string parameters.")
        left, right = map(self.resolve, argument)
        return (text_of(left) == text_of(right)) if _is_scalar(left) and _is_scalar(right) else left == right

    def _several(self, name: str, argument: Any) -> list[bool]:
        if not isinstance(argument, list) or not 2 <= len(argument) <= 10:
            raise _error(
                f"every {name} object requires a list of at least 2 and at most 10 boolean parameters."
            )
        return [self.truth(item) for item in argument]

    def _and(self, argument: Any) -> bool:
        return all(self._several("Fn::And", argument))

    def _or(self, argument: Any) -> bool:
        return any(self._several("Fn::Or", argument))

    def _not(self, argument: Any) -> bool:
        if not isinstance(argument, list) or len(argument) != 1:
            raise _error("every Fn::Not object requires one boolean parameter.")
        return not self.truth(argument[0])

    def _join(self, argument: Any) -> Any:
        wrong = _error(
            "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be "
            "joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
        )
        if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str):
            raise wrong
        items = self.resolve(argument[1])
        if waiting := unknowns(items):
            return Unknown(*waiting)
        if not isinstance(items, list) or not all(_is_scalar(item) for item in items):
            raise wrong
        return argument[0].join(map(text_of, items))

    def _split(self, argument: Any) -> Any:
        wrong = _error(
            "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or "
            "a function that returns a string to be split."
        )
        if not isinstance(argument, list) or len(argument) != 2 or not isinstance(argument[0], str):
            raise wrong
        text = self.resolve(argument[1])
        if isinstance(text, Unknown):
            return text
        if not isinstance(text, str) or not argument[0]:
            raise wrong
        return text.split(argument[0])

    def _select(self, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 2:
            raise _error("Fn::Select requires a list argument with two elements: an integer index and a list")
        index, items = self.resolve(argument[0]), self.resolve(argument[1])
        if isinstance(items, Unknown) or isinstance(index, Unknown):
            return Unknown(*unknowns([index, items]))
        if not isinstance(items, list) or not re.fullmatch(r"\d+", text_of(index)):
            raise _error("Fn::Select requires a list argument with two elements: an integer index and a list")
        if int(index) >= len(items):
            raise _error(f"Fn::Select  cannot select nonexistent value at index {index}")
        return items[int(index)]

    def _sub(self, argument: Any) -> Any:
        text, variables = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})
        if not isinstance(text, str) or not isinstance(variables, dict):
            raise _error(
                "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first "
                "argument, and an optional second argument to specify a mapping of values to replace in the string"
            )
        waiting: set = set()

        def value_of(match: re.Match) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            name = name.strip()
            if name in variables:
                value = self.resolve(variables[name])
            elif "." in name:
                value = self._env.get_att(*name.split(".", 1))
            else:
                value = self._ref(name)
            if isinstance(value, Unknown):
                waiting.update(value.sources)
            elif not _is_scalar(value):
                raise _error(f"Fn::Sub expression does not resolve to a string: ${{{name}}}")
            return text_of(value)

        result = _VARIABLE.sub(value_of, text)
        return Unknown(*waiting) if waiting else result

    def _find_in_map(self, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 3:
            raise _error(
                "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for "
                "return value"
            )
        names = [self.resolve(item) for item in argument]
        if waiting := unknowns(names):
            raise _error(
                f"Fn::FindInMap cannot depend on a resource: {', '.join(sorted(n for n, _ in waiting))}"
            )
        return self._env.find_in_map(*map(text_of, names))

    def _base64(self, argument: Any) -> Any:
        text = self.resolve(argument)
        if isinstance(text, Unknown):
            return text
        if not _is_scalar(text):
            raise _error("every Fn::Base64 object must have a String-typed value.")
        return base64.b64encode(text_of(text).encode()).decode()

    def _cidr(self, argument: Any) -> Any:
        if not isinstance(argument, list) or not 2 <= len(argument) <= 3:
            raise _error(
                "Fn::Cidr object requires an array of the IP block, the count and the number of bits."
            )
        values = [self.resolve(item) for item in argument]
        if waiting := unknowns(values):
            return Unknown(*waiting)
        try:
            block = ipaddress.ip_network(values[0])
            count, bits = int(values[1]), int(values[2]) if len(values) == 3 else None
        except (TypeError, ValueError) as error:
            raise _error(f"Fn::Cidr cannot be evaluated: {error}") from None
        prefix = block.max_prefixlen - (bits if bits is not None else block.max_prefixlen - block.prefixlen)
        if bits is None or not block.prefixlen <= prefix or not 1 <= count <= 256:
            raise _error(f"Fn::Cidr cannot make {count} blocks of {bits} bits out of {block}.")
        if count > 2 ** (prefix - block.prefixlen):
            raise _error(
                f"Fn::Cidr cannot make {count} blocks of {bits} bits out of {block}: it is too small."
            )
        subnets = block.subnets(new_prefix=prefix)
        return [str(next(subnets)) for _ in range(count)]

    def _zones(self, argument: Any) -> Any:
        region = self.resolve(argument)
        if not isinstance(region, str):
            raise _error("every Fn::GetAZs object must have a String-typed value, the region.")
        return self._env.zones(region)

    def _import_value(self, argument: Any) -> Any:
        name = self.resolve(argument)
        if isinstance(name, Unknown) or not isinstance(name, str):
            raise _error("Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs")
        return self._env.import_value(name)

    def _contains(self, argument: Any) -> bool:
        items, value = map(self.resolve, self._pair("Fn::Contains", argument))
        return text_of(value) in [text_of(item) for item in items]

    def _each_equals(self, argument: Any) -> bool:
        items, value = map(self.resolve, self._pair("Fn::EachMemberEquals", argument))
        return all(text_of(item) == text_of(value) for item in items)

    def _each_in(self, argument: Any) -> bool:
        items, allowed = map(self.resolve, self._pair("Fn::EachMemberIn", argument))
        return {text_of(item) for item in items} <= {text_of(item) for item in allowed}

    @staticmethod
    def _pair(name: str, argument: Any) -> list:
        if not isinstance(argument, list) or len(argument) != 2:
            raise _error(f"every {name} object requires a list of two parameters.")
        return argument


_FUNCTIONS = {
    "Ref": Resolver._ref,
    "Fn::GetAtt": Resolver._get_att,
    "Fn::If": Resolver._if,
    "Fn::Equals": Resolver._equals,
    "Fn::And": Resolver._and,
    "Fn::Or": Resolver._or,
    "Fn::Not": Resolver._not,
    "Fn::Join": Resolver._join,
    "Fn::Split": Resolver._split,
    "Fn::Select": Resolver._select,
    "Fn::Sub": Resolver._sub,
    "Fn::FindInMap": Resolver._find_in_map,
    "Fn::Base64": Resolver._base64,
    "Fn::Cidr": Resolver._cidr,
    "Fn::GetAZs": Resolver._zones,
    "Fn::ImportValue": Resolver._import_value,
    "Fn::Contains": Resolver._contains,
    "Fn::EachMemberEquals": Resolver._each_equals,
    "Fn::EachMemberIn": Resolver._each_in,
}
RULE_FUNCTIONS = {"Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn"}
NAMES = frozenset(_FUNCTIONS)
