"""The step types that make a SageMaker resource: their Create operations, names and job kinds, and how a
definition's arguments fit an operation's input shape (botocore's service model)."""

from dataclasses import dataclass
from typing import Any

from local_aws.server.sagemaker_model import service_model
from local_aws.services.pipelines.expressions import ExpressionError, is_expression, text


@dataclass(frozen=True)
class Operation:
    """One such step type. `kind` is the job kind that `jobs.finished` announces, None when the call itself
    is the whole step; `metadata` the member of ListPipelineExecutionSteps that carries the ARN."""

    create: str
    name: str
    arn: str
    metadata: str
    kind: str | None = None
    describe: str = ""
    stop: str = ""
    name_limit: int = 63


OPERATIONS = {
    "Processing": Operation(
        "CreateProcessingJob",
        "ProcessingJobName",
        "ProcessingJobArn",
        "ProcessingJob",
        "processing",
        "DescribeProcessingJob",
        "StopProcessingJob",
    ),
    "Training": Operation(
        "CreateTrainingJob",
        "TrainingJobName",
        "TrainingJobArn",
        "TrainingJob",
        "training",
        "DescribeTrainingJob",
        "StopTrainingJob",
    ),
    "Tuning": Operation(
        "CreateHyperParameterTuningJob",
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobArn",
        "TuningJob",
        "tuning",
        "DescribeHyperParameterTuningJob",
        "StopHyperParameterTuningJob",
        32,
    ),
    "Transform": Operation(
        "CreateTransformJob",
        "TransformJobName",
        "TransformJobArn",
        "TransformJob",
        "transform",
        "DescribeTransformJob",
        "StopTransformJob",
    ),
    "Model": Operation("CreateModel", "ModelName", "ModelArn", "Model", describe="DescribeModel"),
    "RegisterModel": Operation(
        "CreateModelPackage",
        "ModelPackageName",
        "ModelPackageArn",
        "RegisterModel",
        describe="DescribeModelPackage",
    ),
}
EXECUTED = (*OPERATIONS, "Condition", "Fail", "Lambda", "Callback")
# Types of AWS that nothing stands for here. A definition may have them; an execution may not.
NOT_EMULATED = (
    "QualityCheck",
    "ClarifyCheck",
    "EMR",
    "EMRServerless",
    "AutoML",
    "EndpointConfig",
    "Endpoint",
    "InferenceComponent",
    "Lineage",
    "Job",
    "Cleanup",
    "ForEach",
)


def _literal_fits(value: Any, kind: str) -> bool:
    if kind in ("string", "character", "timestamp", "blob"):
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("integer", "long"):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check(value: Any, shape: Any, where: str) -> None:
    if value is None or is_expression(value):
        return
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            raise ExpressionError(f"{where} must be an object")
        for name, item in value.items():
            if name not in shape.members:
                raise ExpressionError(f"{where} has no member '{name}'; it has {', '.join(shape.members)}")
            _check(item, shape.members[name], f"{where}.{name}")
        for name in shape.required_members:
            if value.get(name) is None:
                raise ExpressionError(f"{where} lacks the required member '{name}'")
    elif kind == "list":
        if not isinstance(value, list):
            raise ExpressionError(f"{where} must be a list")
        for index, item in enumerate(value):
            _check(item, shape.member, f"{where}[{index}]")
    elif kind == "map":
        if not isinstance(value, dict):
            raise ExpressionError(f"{where} must be an object")
        for name, item in value.items():
            _check(item, shape.value, f"{where}['{name}']")
    elif (
        kind == "string" and shape.enum and isinstance(value, str) and not shape.name.endswith("InstanceType")
    ):
        if value not in shape.enum:  # of instance types there are more than botocore knows
            raise ExpressionError(f"{where} is '{value}'; it must be one of {', '.join(shape.enum)}")
    elif not _literal_fits(value, kind) and not (kind == "string" and isinstance(value, (int, float, bool))):
        raise ExpressionError(f"{where} must be of type {kind}, but is {value!r}")


def check_arguments(step_type: str, arguments: Any) -> None:
    """Raise `ExpressionError` for arguments that no value of the expressions could make a valid request:
    unknown or missing members, literals of a wrong type or outside an enumeration. The resource's name may be
    left out."""
    operation = OPERATIONS[step_type]
    shape = service_model().operation_model(operation.create).input_shape
    if not isinstance(arguments, dict):
        raise ExpressionError("Arguments must be an object")
    _check({operation.name: "name", **arguments}, shape, "Arguments")


def _coerced(value: Any, shape: Any) -> Any:
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return {
            k: _coerced(v, shape.members[k]) if k in shape.members else v
            for k, v in value.items()
            if v is not None
        }
    if kind == "list" and isinstance(value, list):
        return [_coerced(item, shape.member) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {k: _coerced(v, shape.value) for k, v in value.items() if v is not None}
    if kind == "string" and isinstance(value, (int, float, bool)):
        return text(value)
    if isinstance(value, str):
        try:
            if kind in ("integer", "long"):
                return int(value)
            if kind in ("float", "double"):
                return float(value)
        except ValueError:
            return value  # the request's validation says what is wrong
        if kind == "boolean" and value.lower() in ("true", "false"):
            return value.lower() == "true"
    if kind in ("integer", "long") and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def request_for(step_type: str, arguments: dict[str, Any], name: str) -> dict[str, Any]:
    """The request of the step's Create operation from resolved arguments: `name` put in, numbers where the
    API wants texts (hyperparameters) as texts, texts where it wants numbers as numbers."""
    operation = OPERATIONS[step_type]
    shape = service_model().operation_model(operation.create).input_shape
    request = _coerced(arguments, shape)
    request.pop("ExperimentConfig", None)  # experiments are not emulated: see `execution`
    if step_type == "RegisterModel" and request.get("ModelPackageGroupName"):
        request.pop(operation.name, None)  # a version of a group has no name of its own
        return request
    return {**request, operation.name: name}
