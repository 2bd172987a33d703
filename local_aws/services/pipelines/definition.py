"""A pipeline definition (version 2020-12-01), read and checked as a whole before it is stored.

Source: AWS's 'SageMaker Pipeline Definition JSON Schema'; `DependsOn` with a `Trigger` as the SDK's
`sagemaker.mlops.workflow.step_dependency` writes it.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from local_aws.services.pipelines import conditions
from local_aws.services.pipelines.caching import check_cache_config
from local_aws.services.pipelines.expressions import ExpressionError, Reference, is_expression, references
from local_aws.services.pipelines.graph import find_cycle
from local_aws.services.pipelines.operations import EXECUTED, NOT_EMULATED, OPERATIONS, check_arguments
from local_aws.services.pipelines.parameters import Parameter, ParameterError, declare
from local_aws.services.pipelines.properties import check_outputs, check_property
from local_aws.services.pipelines.retries import check_policies

VERSION = "2020-12-01"
TRIGGERS = ("Completed", "Failed", "Stopped", "Any")
MEMBERS = ("Version", "Metadata", "PipelineExperimentConfig", "MlflowConfig", "Parameters", "Steps")
STEP_MEMBERS = (
    "Name",
    "Type",
    "DisplayName",
    "Description",
    "DependsOn",
    "RetryPolicies",
    "CacheConfig",
    "PropertyFiles",
    "Arguments",
    "FunctionArn",
    "SqsQueueUrl",
    "OutputParameters",
)
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")


class InvalidDefinition(ValueError):
    """The message says what is wrong and where."""

    def __init__(self, problem: str):
        super().__init__(f"Unable to parse pipeline definition: {problem}.")


@dataclass
class Step:
    """One step, also of a condition's branches.

    `needs`: {upstream step: trigger} from DependsOn and from the expressions. `branch`: (the condition step
    that it belongs to, the outcome that it wants).
    """

    name: str
    type: str
    raw: dict[str, Any]
    branch: tuple[str, bool] | None = None
    needs: dict[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> Any:
        return self.raw.get("Arguments") or {}

    @property
    def upstream(self) -> list[str]:
        """Every step that has to end before this one may begin."""
        return [*self.needs, *([self.branch[0]] if self.branch else [])]


@dataclass
class Definition:
    """A valid definition. `steps` in the order of the text, a condition's branches behind it. `experiment`:
    the PipelineExperimentConfig; no experiment is made here, but steps may refer to its names. `mlflow`: the
    MlflowConfig."""

    parameters: dict[str, Parameter]
    steps: dict[str, Step]
    experiment: dict[str, Any] = field(default_factory=dict)
    mlflow: dict[str, Any] = field(default_factory=dict)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _load(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidDefinition(f"it is not valid JSON ({error})") from None
    if not isinstance(data, dict):
        raise InvalidDefinition("it must be a JSON object")
    if data.get("Version", VERSION) != VERSION:
        raise InvalidDefinition(f"Version must be '{VERSION}', but is {data.get('Version')!r}")
    if unknown := [member for member in data if member not in MEMBERS]:
        raise InvalidDefinition(f"it has the unknown member '{unknown[0]}'; there are {', '.join(MEMBERS)}")
    if not isinstance(data.get("Steps"), list) or not data["Steps"]:
        raise InvalidDefinition("Steps must be a list with at least one step")
    return data


def _parameters(raw: Any) -> dict[str, Parameter]:
    if raw is not None and not isinstance(raw, list):
        raise InvalidDefinition("Parameters must be a list")
    found: dict[str, Parameter] = {}
    for item in raw or []:
        try:
            parameter = declare(item)
        except ParameterError as error:
            raise InvalidDefinition(str(error)) from None
        if parameter.name in found:
            raise InvalidDefinition(f"the parameter '{parameter.name}' is declared twice")
        found[parameter.name] = parameter
    return found


def _collect(raw_steps: Any, branch: tuple[str, bool] | None, found: dict[str, Step]) -> None:
    """Flatten the steps and the branches of their conditions into `found`."""
    for raw in raw_steps:
        name = raw.get("Name") if isinstance(raw, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidDefinition(
                f"a step has the Name {name!r}: 1 to 64 letters, digits, '-' and '_' are allowed"
            )
        if name in found:
            raise InvalidDefinition(f"the step name '{name}' is used twice; step names must be unique")
        kind = raw.get("Type")
        if kind not in EXECUTED and kind not in NOT_EMULATED:
            known = ", ".join((*EXECUTED, *NOT_EMULATED))
            raise InvalidDefinition(f"the step '{name}' has the unknown type {kind!r}; there are {known}")
        if kind in EXECUTED and (unknown := [member for member in raw if member not in STEP_MEMBERS]):
            raise InvalidDefinition(
                f"the step '{name}' has the unknown member '{unknown[0]}'; there are {', '.join(STEP_MEMBERS)}"
            )
        found[name] = Step(name, kind, raw, branch)
        if kind == "Condition":
            arguments = raw.get("Arguments")
            if not isinstance(arguments, dict):
                raise InvalidDefinition(f"the condition step '{name}' has no Arguments")
            for member, outcome in (("IfSteps", True), ("ElseSteps", False)):
                inner = arguments.get(member) or []
                if not isinstance(inner, list):
                    raise InvalidDefinition(f"{member} of the condition step '{name}' must be a list")
                _collect(inner, (name, outcome), found)


def _own_expressions(step: Step) -> Any:
    """What the step itself evaluates: of a condition its conditions, not its branches; of a ForEach step, which
    is not emulated, the items and not the body, whose expressions have a meaning only in there."""
    if step.type == "Condition":
        return step.arguments.get("Conditions")
    if step.type == "ForEach":
        return step.arguments.get("IterableItems")
    return [step.raw.get(member) for member in ("Arguments", "FunctionArn", "SqsQueueUrl")]


def _depends_on(step: Step, steps: dict[str, Step]) -> None:
    listed = step.raw.get("DependsOn") or []
    if not isinstance(listed, list):
        raise InvalidDefinition(f"DependsOn of the step '{step.name}' must be a list")
    for item in listed:
        name, trigger = (
            (item.get("Step"), item.get("Trigger")) if isinstance(item, dict) else (item, TRIGGERS[0])
        )
        if name not in steps:
            raise InvalidDefinition(f"the step '{step.name}' depends on '{name}', which is no step")
        if trigger not in TRIGGERS:
            raise InvalidDefinition(
                f"the step '{step.name}' depends on '{name}' with the Trigger {trigger!r}; "
                f"there are {', '.join(TRIGGERS)}"
            )
        if step.needs.setdefault(name, trigger) != trigger:
            raise InvalidDefinition(f"the step '{step.name}' depends on '{name}' with two different triggers")


def _refer(step: Step, reference: Reference, definition: Definition) -> None:
    if reference.kind == "Execution":
        return
    if reference.kind == "PipelineExperimentConfig":
        if reference.name not in definition.experiment:
            raise InvalidDefinition(
                f"the step '{step.name}' refers to {reference.name} of the PipelineExperimentConfig, which the "
                "definition does not have"
            )
        return
    if reference.kind == "Parameters":
        if reference.name not in definition.parameters:
            known = ", ".join(definition.parameters) or "none"
            raise InvalidDefinition(
                f"the step '{step.name}' uses the parameter '{reference.name}', which is not declared "
                f"(declared: {known})"
            )
        return
    source = definition.steps.get(reference.name)
    if source is None:
        raise InvalidDefinition(
            f"the step '{step.name}' refers to the step '{reference.name}', which does not exist"
        )
    if source.type == "Fail":
        raise InvalidDefinition(
            f"the step '{step.name}' refers to the Fail step '{source.name}', which has no properties"
        )
    if reference.kind == "Steps":
        try:
            check_property(source.type, source.raw, reference.path)
        except ExpressionError as error:
            raise InvalidDefinition(
                f"the step '{step.name}' refers to a property of the step '{source.name}': {error}"
            ) from None
    if reference.kind == "PropertyFiles":
        files = [f.get("PropertyFileName") for f in source.raw.get("PropertyFiles") or []]
        if reference.path not in files:
            raise InvalidDefinition(
                f"the step '{step.name}' reads the property file '{reference.path}', which the step "
                f"'{source.name}' does not have (it has: {', '.join(map(str, files)) or 'none'})"
            )
    step.needs.setdefault(source.name, TRIGGERS[0])


def _check_step(step: Step) -> None:
    """What can be said about a step without its values."""
    if step.type in OPERATIONS:
        check_arguments(step.type, step.raw.get("Arguments"))
    if step.type == "Condition":
        listed = step.arguments.get("Conditions")
        if not isinstance(listed, list) or not listed:
            raise ExpressionError("a condition step needs a list of Conditions")
        for condition in listed:
            conditions.check(condition)
    if step.type == "Fail":
        message = step.arguments.get("ErrorMessage", "")
        if not isinstance(message, str) and not is_expression(message):
            raise ExpressionError(f"ErrorMessage must be a text, but is {message!r}")
    if step.type in ("Lambda", "Callback"):
        check_outputs(step.raw.get("OutputParameters"))
    if step.type == "Lambda" and not step.raw.get("FunctionArn"):
        raise ExpressionError("a Lambda step needs a FunctionArn")
    if step.type == "Callback" and not step.raw.get("SqsQueueUrl"):
        raise ExpressionError("a Callback step needs a SqsQueueUrl")
    _check_property_files(step)
    check_policies(step.raw.get("RetryPolicies"))
    check_cache_config(step.raw.get("CacheConfig"))


def _check_property_files(step: Step) -> None:
    outputs = []
    if step.type == "Processing":
        config = step.arguments.get("ProcessingOutputConfig") or {}
        outputs = [output.get("OutputName") for output in config.get("Outputs") or []]
    for file in step.raw.get("PropertyFiles") or []:
        lacking = [k for k in ("PropertyFileName", "OutputName", "FilePath") if not file.get(k)]
        if lacking:
            raise ExpressionError(f"a property file lacks {', '.join(lacking)}")
        if file["OutputName"] not in outputs:
            raise ExpressionError(
                f"the property file '{file['PropertyFileName']}' is of the output '{file['OutputName']}', "
                "which the step does not have"
            )


def parse(text: str) -> Definition:
    """The definition of a JSON text. Raises `InvalidDefinition` with the first thing that is wrong."""
    data = _load(text)
    experiment = data.get("PipelineExperimentConfig") or {}
    if not isinstance(experiment, dict):
        raise InvalidDefinition("PipelineExperimentConfig must be an object")
    definition = Definition(
        _parameters(data.get("Parameters")), {}, experiment, data.get("MlflowConfig") or {}
    )
    _collect(data["Steps"], None, definition.steps)
    for step in definition.steps.values():
        try:
            _check_step(step)
            _depends_on(step, definition.steps)
            for reference in references(_own_expressions(step)):
                _refer(step, reference, definition)
        except ExpressionError as error:
            raise InvalidDefinition(f"step '{step.name}': {error}") from None
        except (AttributeError, KeyError, TypeError):  # of another kind than it should be
            raise InvalidDefinition(f"step '{step.name}': it is not of the documented form") from None
    cycle = find_cycle({name: step.upstream for name, step in definition.steps.items()})
    if cycle:
        raise InvalidDefinition(f"the steps wait for one another in a cycle: {' -> '.join(cycle)}")
    return definition
