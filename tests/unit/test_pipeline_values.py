"""Expressions, conditions, parameters, caching and retry policies of pipelines."""

import re
from datetime import datetime, timedelta

import pytest

from local_aws.services.pipelines import caching, conditions, naming, retries
from local_aws.services.pipelines.expressions import ExpressionError, references, resolve
from local_aws.services.pipelines.operations import request_for
from local_aws.services.pipelines.paths import PathError, look_up

DESCRIBED = {
    "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m.tar.gz"},
    "FinalMetricDataList": [{"MetricName": "loss", "Value": 0.5}, {"MetricName": "valid:f1", "Value": 0.75}],
    "ProcessingOutputConfig": {"Outputs": [{"OutputName": "train.csv", "S3Output": {"S3Uri": "s3://b/t"}}]},
    "HyperParameters": {"learning.rate": "0.1"},
    "OutputParameters": {"count": 3},
}


class Values:
    def parameter(self, name):
        return {"N": 3, "F": 0.5, "B": True, "S": "text"}[name]

    def execution(self, name):
        return f"<{name}>"

    def properties(self, step):
        return DESCRIBED

    def property_file(self, step, name):
        return {"m": [{"f1": 0.8}], "a b": {"c-d": 1}}

    def json_object(self, uri):
        return {"Result": uri}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ModelArtifacts.S3ModelArtifacts", "s3://b/m.tar.gz"),
        ("FinalMetricDataList['valid:f1'].Value", 0.75),
        ("FinalMetricDataList[0].MetricName", "loss"),
        ('ProcessingOutputConfig.Outputs["train.csv"].S3Output.S3Uri', "s3://b/t"),
        ("HyperParameters['learning.rate']", "0.1"),
        ("OutputParameters['count']", 3),
        ("$.OutputParameters.count", 3),
        ("", DESCRIBED),
    ],
)
def test_paths(path, value):
    assert look_up(DESCRIBED, path) == value


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("ModelArtifacts.Uri", "'ModelArtifacts.Uri' is not there"),
        ("FinalMetricDataList['acc'].Value", "'FinalMetricDataList.acc' is not there"),
        ("FinalMetricDataList[7]", "'FinalMetricDataList[7]' is not there"),
        ("ModelArtifacts[0]", "'ModelArtifacts[0]' is not there"),
        ("ModelArtifacts.S3ModelArtifacts.x", "is not there"),
        ("A[", "cannot be read at '['"),
    ],
)
def test_paths_that_lead_nowhere_say_where(path, said):
    with pytest.raises(PathError, match=re.escape(said)):
        look_up(DESCRIBED, path)


def test_expressions_are_resolved_where_they_stand():
    joined = {
        "Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Parameters.N"}, {"Get": "Parameters.B"}, 1.5]}
    }
    file = {"PropertyFile": {"Get": "Steps.e.PropertyFiles.r"}, "Path": "m[0].f1"}
    nested = {"Std:Join": {"On": "", "Values": [joined, {"Std:JsonGet": file}]}}
    data = {
        "a": [nested, {"Get": "Execution.PipelineName"}],
        "b": {"Get": "Steps.e.OutputParameters['count']"},
        "c": 1,
    }
    assert resolve(data, Values()) == {"a": ["s3://3/true/1.50.8", "<PipelineName>"], "b": 3, "c": 1}
    s3 = {"Std:JsonGet": {"S3Uri": {"Std:Join": {"On": "", "Values": ["s3://b/", "k"]}}, "Path": "Result"}}
    assert resolve(s3, Values()) == "s3://b/k"
    assert {(r.kind, r.name) for r in references(data)} == {
        ("Parameters", "N"),
        ("Parameters", "B"),
        ("PropertyFiles", "e"),
        ("Execution", "PipelineName"),
        ("Steps", "e"),
    }


def test_what_only_looks_like_an_expression_stays():
    data = {"Get": "Steps.a", "other": 1}
    assert resolve({"x": data, "y": {"Get": 3}}, Values()) == {"x": data, "y": {"Get": 3}}


def test_expressions_without_a_value_say_which():
    missing = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.e.PropertyFiles.r"}, "Path": "m[0].acc"}}
    with pytest.raises(
        ExpressionError, match=r"JsonGet of Steps.e.PropertyFiles.r: .*'m\[0\].acc' is not there"
    ):
        resolve(missing, Values())
    with pytest.raises(ExpressionError, match="cannot become a part of a text"):
        resolve({"Std:Join": {"On": "", "Values": [{"Get": "Steps.e.HyperParameters"}]}}, Values())


def test_values_of_different_types_cannot_be_ordered():
    bad = {"Type": "LessThan", "LeftValue": "fast", "RightValue": 3}
    with pytest.raises(ExpressionError, match="LessThan cannot compare 'fast' with 3"):
        conditions.holds(bad)
    assert conditions.holds({"Type": "LessThan", "LeftValue": "0.5", "RightValue": 3})
    assert not conditions.holds({"Type": "Equals", "LeftValue": True, "RightValue": 1})
    assert conditions.holds({"Type": "Equals", "LeftValue": "3", "RightValue": 3.0})


def test_a_request_gets_the_types_of_the_api():
    arguments = {
        "HyperParameters": {"epochs": 3, "rate": 0.5, "fast": True},
        "ResourceConfig": {"InstanceCount": "2", "VolumeSizeInGB": 1.0},
        "EnableNetworkIsolation": "true",
        "ExperimentConfig": {"TrialComponentDisplayName": "x"},
        "Environment": None,
    }
    assert request_for("Training", arguments, "job") == {
        "HyperParameters": {"epochs": "3", "rate": "0.5", "fast": "true"},
        "ResourceConfig": {"InstanceCount": 2, "VolumeSizeInGB": 1},
        "EnableNetworkIsolation": True,
        "TrainingJobName": "job",
    }
    assert "ModelPackageName" not in request_for("RegisterModel", {"ModelPackageGroupName": "g"}, "n")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT1H", 3600), ("30d", 30 * 86400), ("T16m", 960), ("30dT5h", 30 * 86400 + 18000), ("P1W", 604800)],
)
def test_durations(text, seconds):
    assert caching.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "1 hour", "PT", None, "T5", "P1DT"])
def test_what_is_no_duration(text):
    with pytest.raises(ExpressionError):
        caching.duration(text)


def test_a_signature_has_what_aws_looks_at_and_nothing_else():
    def one(**more):
        base = {"AppSpecification": {"ImageUri": "i"}, "ProcessingInputs": [], "RoleArn": "r"}
        return caching.signature("Processing", {**base, **more})

    assert one() == one(RoleArn="other", ProcessingJobName="x", ProcessingResources={"n": 2})
    assert len({one(), one(Environment={"a": "1"}), one(ProcessingInputs=[{"InputName": "x"}])}) == 3
    assert caching.signature("RegisterModel", {}) is None
    ranges = {"HyperParameterRanges": {"a": 1}, "OutputDataConfig": {"S3OutputPath": "x"}}
    same = {**ranges, "OutputDataConfig": {"S3OutputPath": "y"}}
    of = [caching.signature("Tuning", {"TrainingJobDefinition": d}) for d in (ranges, same, {})]
    assert of[0] == of[1] != of[2]


def test_a_result_expires():
    now = datetime(2026, 1, 2)
    assert caching.still_fresh({"ExpireAfter": "PT1H"}, now - timedelta(minutes=59), now)
    assert not caching.still_fresh({"ExpireAfter": "PT1H"}, now - timedelta(minutes=61), now)
    assert caching.still_fresh({}, now - timedelta(days=999), now)


def test_what_a_failure_is_called_in_a_retry_policy():
    assert retries.exception_type("ThrottlingException", 400, "") == retries.THROTTLING
    assert retries.exception_type("InternalFailure", 500, "") == retries.SERVICE_FAULT
    assert retries.exception_type("ValidationException", 400, "") is None
    assert retries.exception_type("UnsupportedOperation", 501, "") is None
    assert retries.exception_type("ResourceLimitExceeded", 400, "") == retries.RESOURCE_LIMIT
    assert retries.exception_type("", 0, "InternalServerError: x") == retries.INTERNAL_ERROR
    assert retries.exception_type("", 0, "CapacityError: x") == retries.CAPACITY_ERROR
    assert retries.exception_type("", 0, "AlgorithmError: x") is None


def test_pauses_grow_and_end():
    policy = {"ExceptionType": [retries.INTERNAL_ERROR], "IntervalSeconds": 2, "BackoffRate": 3.0}
    limited = [{**policy, "MaxAttempts": 2}]
    assert [retries.pause(limited, retries.INTERNAL_ERROR, n, 0) for n in (1, 2, 3)] == [2, 6, None]
    expiring = [{**policy, "ExpireAfterMin": 1}]
    assert retries.pause(expiring, retries.INTERNAL_ERROR, 3, 20) == 18
    assert retries.pause(expiring, retries.INTERNAL_ERROR, 4, 20) is None
    assert retries.pause(limited, retries.CAPACITY_ERROR, 1, 0) is None
    assert retries.pause(None, retries.THROTTLING, 1, 0) == 1  # without a policy, too
    assert retries.pause(None, None, 1, 0) is None


@pytest.mark.parametrize(
    ("limit", "step"), [(63, "a" * 64), (63, "Train_Model--x"), (32, "Tune-All"), (63, "-")]
)
def test_names_fit_the_api(limit, step):
    name = naming.resource_name("abcdefghijkl", step, limit)
    assert len(name) <= limit and re.fullmatch("[a-zA-Z0-9](-*[a-zA-Z0-9])*", name) and "abcdefghijkl" in name
    assert name != naming.resource_name("abcdefghijkl", step, limit)
    custom = naming.resource_name("abcdefghijkl", step, limit, "my_prefix")
    assert custom.startswith("my-prefi"[: max(1, limit - 24)]) and len(custom) <= limit
