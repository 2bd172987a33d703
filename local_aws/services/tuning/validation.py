"""What CreateHyperParameterTuningJob refuses, and the training jobs that a request asks for."""

import re
from dataclasses import dataclass
from typing import Any

from moto.sagemaker.exceptions import ResourceNotFound, ValidationError

from local_aws.services.jobs.api import Kind
from local_aws.services.training.validation import validate as validate_training
from local_aws.services.tuning import ranges, strategies

_NAME = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}"
_METRIC = "_tuning_objective_metric"  # the hyperparameter that tells a container its objective
# Of a training job definition: what CreateTrainingJob takes as it is.
_SAME = (
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "Environment",
)


@dataclass
class Definition:
    """One of a tuning job's training job definitions, ready to make jobs."""

    name: str | None
    metric: str
    maximize: bool
    search: strategies.RandomSearch
    static: dict[str, str]
    source: dict[str, Any]

    def training_request(self, name: str, values: dict[str, str], tags: list) -> dict[str, Any]:
        """The CreateTrainingJob request of one combination."""
        algorithm = self.source["AlgorithmSpecification"]
        request = {k: self.source[k] for k in _SAME if self.source.get(k) is not None}
        if "ResourceConfig" not in request:
            request["ResourceConfig"] = dict(self.source["HyperParameterTuningResourceConfig"])
        request.update(
            TrainingJobName=name,
            AlgorithmSpecification=algorithm,
            HyperParameters={**self.static, **values, _METRIC: self.metric},
        )
        if tags:
            request["Tags"] = tags
        return request


def _refuse(what: str, instead: str) -> ValidationError:
    return ValidationError(message=f"{what} is not emulated by local_aws. {instead}")


def _check_emulated(request: dict[str, Any]) -> None:
    config = request["HyperParameterTuningJobConfig"]
    if request.get("WarmStartConfig"):
        raise _refuse("WarmStartConfig", "Start the tuning job without parents.")
    if request.get("Autotune"):
        raise _refuse("Autotune", "Give ranges for the hyperparameters.")
    if config["Strategy"] == "Hyperband" or config.get("StrategyConfig"):
        raise _refuse("Strategy Hyperband", "Use Random, Grid or Bayesian.")
    criteria = config.get("TuningJobCompletionCriteria") or {}
    if (criteria.get("ConvergenceDetected") or {}).get("CompleteOnConvergence") == "Enabled":
        raise _refuse("ConvergenceDetected", "Use TargetObjectiveMetricValue or BestObjectiveNotImproving.")


def _definition(source: dict[str, Any], config: dict[str, Any], several: bool) -> Definition:
    name = source.get("DefinitionName")
    objective = source.get("TuningObjective") or config.get("HyperParameterTuningJobObjective")
    wanted = source.get("HyperParameterRanges") or config.get("ParameterRanges")
    if several and not (name and source.get("TuningObjective") and source.get("HyperParameterRanges")):
        raise ValidationError(
            message="Each of TrainingJobDefinitions needs a DefinitionName, a TuningObjective and "
            "HyperParameterRanges."
        )
    if not objective or not wanted:
        raise ValidationError(
            message="HyperParameterTuningJobObjective and ParameterRanges must be given in "
            "HyperParameterTuningJobConfig."
        )
    if wanted.get("AutoParameters"):
        raise _refuse("AutoParameters", "Give ranges for the hyperparameters.")
    resources = source.get("HyperParameterTuningResourceConfig") or {}
    if resources.get("InstanceConfigs"):
        raise _refuse("InstanceConfigs", "Give one InstanceType and InstanceCount.")
    if not resources and not source.get("ResourceConfig"):
        raise ValidationError(
            message="The training job definition needs a ResourceConfig or a HyperParameterTuningResourceConfig."
        )
    metric = objective["MetricName"]
    known = [m["Name"] for m in source["AlgorithmSpecification"].get("MetricDefinitions") or []]
    if metric not in known:
        raise ValidationError(
            message=f"The objective metric {metric} must be one of the MetricDefinitions of the training job "
            f"definition; it has: {', '.join(known) or 'none'}."
        )
    maximize = objective["Type"] == "Maximize"
    try:
        parameters = ranges.parse(wanted)
        search = strategies.make(config["Strategy"], parameters, config.get("RandomSeed"), maximize)
    except ValueError as error:
        raise ValidationError(message=str(error)) from None
    static = dict(source.get("StaticHyperParameters") or {})
    for parameter in parameters:
        if parameter.name in static:
            raise ValidationError(
                message=f"The hyperparameter {parameter.name} is both static and has a range; give it once."
            )
    return Definition(name, metric, maximize, search, static, source)


def definitions(request: dict[str, Any]) -> list[Definition]:
    """The training job definitions of a request. Raises `ValidationError`."""
    one, several = request.get("TrainingJobDefinition"), request.get("TrainingJobDefinitions")
    if bool(one) == bool(several):
        raise ValidationError(message="Give either TrainingJobDefinition or TrainingJobDefinitions.")
    config = request["HyperParameterTuningJobConfig"]
    found = [_definition(source, config, bool(several)) for source in several or [one]]
    names = [definition.name for definition in found]
    if len(set(names)) != len(names):
        raise ValidationError(message="The DefinitionNames of TrainingJobDefinitions must be unique.")
    return found


def number_of_jobs(request: dict[str, Any], found: list[Definition]) -> int:
    """How many training jobs the tuning job may start."""
    limit = request["HyperParameterTuningJobConfig"]["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    grid = [d.search.combinations for d in found if d.search.combinations is not None]
    return sum(grid) if grid else int(limit)


def validate(request: dict[str, Any]) -> None:
    """Raise ValidationException for what AWS refuses at once, or what cannot be run here."""
    name = request["HyperParameterTuningJobName"]
    if not re.fullmatch(_NAME, name):
        raise ValidationError(
            message=f"1 validation error detected: Value '{name}' at 'hyperParameterTuningJobName' failed to "
            f"satisfy constraint: Member must satisfy regular expression pattern: ^{_NAME}"
        )
    _check_emulated(request)
    found = definitions(request)
    config = request["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    jobs, parallel = limits.get("MaxNumberOfTrainingJobs"), int(limits["MaxParallelTrainingJobs"])
    if config["Strategy"] == "Grid":
        grid = sum(d.search.combinations for d in found)
        if jobs is not None and int(jobs) != grid:
            raise ValidationError(
                message=f"MaxNumberOfTrainingJobs is {jobs}, but a grid search over these categories has {grid} "
                "training jobs. Leave MaxNumberOfTrainingJobs out, or give that number."
            )
    elif jobs is None:
        raise ValidationError(message="ResourceLimits.MaxNumberOfTrainingJobs must be given.")
    elif not 1 <= parallel <= int(jobs):
        raise ValidationError(
            message=f"MaxParallelTrainingJobs is {parallel}; it must be between 1 and MaxNumberOfTrainingJobs, "
            f"which is {jobs}."
        )
    for definition in found:
        validate_training(definition.training_request(f"{name}-001-00000000", {}, []))


KIND = Kind(
    "HyperParameterTuning",
    "hyper-parameter-tuning-job",
    "hyperparameter tuning job",
    lambda name, arn: ResourceNotFound(
        message=f"Amazon SageMaker can't find a tuning job with the name: {name}."
    ),
)
