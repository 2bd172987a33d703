"""The resource types that local_aws has: every `Handler` subclass with a `type` in a module of this package.

`find("AWS::S3::Bucket")` gives the handler, `types()` their names.
"""

import pkgutil
from functools import cache
from importlib import import_module

from local_aws.services.cloudformation.resources.base import Handler


def _subclasses(kind: type[Handler]) -> list[type[Handler]]:
    return [each for child in kind.__subclasses__() for each in (child, *_subclasses(child))]


@cache
def _registry() -> dict[str, Handler]:
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
    found: dict[str, Handler] = {}
    for kind in _subclasses(Handler):
        if not kind.type or not kind.__module__.startswith(f"{__name__}."):
            continue
        if kind.type in found:
            raise TypeError(
                f"two handlers for {kind.type}: {type(found[kind.type]).__name__}, {kind.__name__}"
            )
        found[kind.type] = kind()
    return found


def find(kind: str) -> Handler | None:
    """The handler of a type; `Custom::Anything` is a custom resource. None: local_aws does not have the type."""
    if kind.startswith("Custom::"):
        kind = "AWS::CloudFormation::CustomResource"
    return _registry().get(kind)


def types() -> list[str]:
    """The names of all types that a template can use here."""
    return sorted(_registry())
