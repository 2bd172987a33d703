"""The expressions of a pipeline definition: `Get`, `Std:Join` and `Std:JsonGet`.

Source: AWS's 'SageMaker Pipeline Definition JSON Schema', version 2020-12-01, and the SDK's
`sagemaker.core.workflow`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from local_aws.services.pipelines import paths

JOIN, JSON_GET = "Std:Join", "Std:JsonGet"
EXECUTION_VARIABLES = (
    "StartDateTime",
    "CurrentDateTime",
    "PipelineName",
    "PipelineArn",
    "PipelineExecutionId",
    "PipelineExecutionArn",
    "TrainingJobName",
    "ProcessingJobName",
)


class ExpressionError(ValueError):
    """An expression that cannot be read or has no value; the message says which and why."""


@dataclass(frozen=True)
class Reference:
    """What a `Get` names. `kind`: Parameters, Execution, PipelineExperimentConfig, Steps or PropertyFiles (of
    the step `name`)."""

    kind: str
    name: str
    path: str = ""


def is_expression(value: Any) -> bool:
    """True for `{"Get": text}` and `{"Std:…": …}`: the one form that a definition evaluates."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    key, inner = next(iter(value.items()))
    return (key == "Get" and isinstance(inner, str)) or key.startswith("Std:")


def parse_get(text: str) -> Reference:
    """`Parameters.X`, `Execution.X`, `Steps.X`, `Steps.X.Path`, `Steps.X.PropertyFiles.Y` as a reference."""
    kind, _, rest = text.partition(".")
    if kind == "Parameters" and rest:
        return Reference(kind, rest)
    if kind == "Execution" and rest:
        if rest not in EXECUTION_VARIABLES:
            known = ", ".join(EXECUTION_VARIABLES)
            raise ExpressionError(f"'{text}' is no execution variable; there are {known}")
        return Reference(kind, rest)
    if kind == "PipelineExperimentConfig" and rest in ("ExperimentName", "TrialName"):
        return Reference(kind, rest)
    if kind == "Steps" and rest:
        name, _, path = rest.partition(".")
        if path.startswith("PropertyFiles."):
            return Reference("PropertyFiles", name, path.removeprefix("PropertyFiles."))
        try:
            paths.parse(path)
        except paths.PathError as error:
            raise ExpressionError(f"'{text}': {error}") from None
        return Reference(kind, name, path)
    raise ExpressionError(f"'{text}' cannot be read: Get names Parameters, Execution or Steps")


def _names_a_file(value: Any) -> bool:
    return is_expression(value) and "Get" in value and parse_get(value["Get"]).kind == "PropertyFiles"


def _parts(value: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a `Std:` function; `ExpressionError` when it is unknown or incomplete."""
    name, inner = next(iter(value.items()))
    if name not in (JOIN, JSON_GET):
        raise ExpressionError(f"the function '{name}' is not known; there are {JOIN} and {JSON_GET}")
    if not isinstance(inner, dict):
        raise ExpressionError(f"{name} must be an object")
    if name == JOIN and not isinstance(inner.get("Values"), list):
        raise ExpressionError(f"{JOIN} needs a list of Values")
    if name == JSON_GET:
        if not isinstance(inner.get("Path"), str):
            raise ExpressionError(f"{JSON_GET} needs a Path")
        if ("PropertyFile" in inner) == ("S3Uri" in inner):
            raise ExpressionError(f"{JSON_GET} needs either a PropertyFile or an S3Uri")
        if "PropertyFile" in inner and not _names_a_file(inner["PropertyFile"]):
            raise ExpressionError(
                f"the PropertyFile of {JSON_GET} must be a Get of Steps.STEP.PropertyFiles.NAME"
            )
        try:
            paths.parse(inner["Path"])
        except paths.PathError as error:
            raise ExpressionError(f"{JSON_GET}: {error}") from None
    return name, inner


def references(value: Any) -> Iterator[Reference]:
    """Everything that `value` (any JSON data with expressions in it) refers to."""
    if is_expression(value):
        if "Get" in value:
            yield parse_get(value["Get"])
            return
        _, inner = _parts(value)
        yield from references(list(inner.values()))
    elif isinstance(value, dict):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


class Values(Protocol):
    """Where the values of an execution come from. Each may raise `ExpressionError`."""

    def parameter(self, name: str) -> Any: ...

    def execution(self, name: str) -> str: ...

    def experiment(self, name: str) -> Any: ...

    def properties(self, step: str) -> dict[str, Any]: ...

    def property_file(self, step: str, name: str) -> Any: ...

    def json_object(self, uri: str) -> Any: ...


def text(value: Any) -> str:
    """A value as Pipelines writes it into a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, (dict, list)):
        raise ExpressionError(f"{value!r} cannot become a part of a text")
    return str(value)


def _get(reference: Reference, values: Values) -> Any:
    if reference.kind == "Parameters":
        return values.parameter(reference.name)
    if reference.kind == "Execution":
        return values.execution(reference.name)
    if reference.kind == "PipelineExperimentConfig":
        return values.experiment(reference.name)
    if reference.kind == "PropertyFiles":
        return values.property_file(reference.name, reference.path)
    try:
        return paths.look_up(values.properties(reference.name), reference.path)
    except paths.PathError as error:
        raise ExpressionError(f"The property of step {reference.name} cannot be found: {error}") from None


def resolve(value: Any, values: Values) -> Any:
    """`value` with every expression in it replaced by what it stands for."""
    if is_expression(value):
        if "Get" in value:
            return _get(parse_get(value["Get"]), values)
        name, inner = _parts(value)
        if name == JOIN:
            return text(resolve(inner.get("On", ""), values)).join(
                text(resolve(item, values)) for item in inner["Values"]
            )
        if "PropertyFile" in inner:
            data, where = resolve(inner["PropertyFile"], values), inner["PropertyFile"]["Get"]
        else:
            where = resolve(inner["S3Uri"], values)
            data = values.json_object(where)
        try:
            return paths.look_up(data, inner["Path"])
        except paths.PathError as error:
            raise ExpressionError(f"JsonGet of {where}: {error}") from None
    if isinstance(value, dict):
        return {k: resolve(v, values) for k, v in value.items()}
    if isinstance(value, list):
        return [resolve(v, values) for v in value]
    return value
