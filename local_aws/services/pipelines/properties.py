"""Which paths the properties of a step have, known before it has run: those of its Describe answer in botocore's
service model, of a condition its outcome, of a Lambda or Callback step its declared outputs.

Source: AWS's 'Step properties' in 'Pipelines steps'; `TrainingJobSummaries` from the SDK's `TuningStep`.
"""

from typing import Any

from local_aws.server.sagemaker_model import service_model
from local_aws.services.pipelines import paths
from local_aws.services.pipelines.expressions import ExpressionError
from local_aws.services.pipelines.operations import OPERATIONS

OUTPUT_TYPES = ("String", "Integer", "Float", "Boolean")
_SUMMARIES = "TrainingJobSummaries"


def check_outputs(listed: Any) -> None:
    """Raise `ExpressionError` for OutputParameters that no answer could fulfil."""
    names = set()
    for output in listed or []:
        name, kind = output.get("OutputName"), output.get("OutputType", "String")
        if not isinstance(name, str) or not name:
            raise ExpressionError("an output parameter lacks OutputName")
        if kind not in OUTPUT_TYPES:
            raise ExpressionError(
                f"the output parameter '{name}' has the OutputType {kind!r}; there are {', '.join(OUTPUT_TYPES)}"
            )
        if name in names:
            raise ExpressionError(f"the output parameter '{name}' is declared twice")
        names.add(name)


def check_property(step_type: str, raw: dict[str, Any], path: str) -> None:
    """Raise `ExpressionError` when a step of that type, with that definition, can have no property at `path`.
    Of types that are not executed here nothing is said."""
    tokens = paths.parse(path)
    if not tokens:
        return
    if step_type == "Condition":
        _choose(tokens[0], ["Outcome"], path)
    elif step_type in ("Lambda", "Callback"):
        _choose(tokens[0], ["OutputParameters"], path)
        if len(tokens) > 1:
            declared = [output.get("OutputName") for output in raw.get("OutputParameters") or []]
            _choose(tokens[1], declared, path)
    elif step_type in OPERATIONS:
        _walk(step_type, tokens, path)


def _choose(token: str | int, known: list[Any], path: str) -> None:
    if token not in known:
        listed = ", ".join(map(str, known)) or "none"
        raise ExpressionError(f"there is no property '{path}': '{token}' is not one of {listed}")


def _walk(step_type: str, tokens: list[str | int], path: str) -> None:
    model = service_model()
    shape = model.operation_model(OPERATIONS[step_type].describe).output_shape
    if step_type == "Tuning" and tokens[0] == _SUMMARIES:
        shape = model.operation_model("ListTrainingJobsForHyperParameterTuningJob").output_shape
    for token in tokens:
        if shape.type_name == "structure":
            _choose(token, list(shape.members), path)
            shape = shape.members[token]
        elif shape.type_name == "list":
            shape = shape.member
        elif shape.type_name == "map":
            shape = shape.value
        else:
            raise ExpressionError(
                f"there is no property '{path}': nothing is below '{shape.type_name}' at '{token}'"
            )
