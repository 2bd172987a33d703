"""What a pipeline definition may say, and what is said of one that is wrong."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.services.pipelines.definition import InvalidDefinition, parse
from local_aws.services.pipelines.graph import between, connected, find_cycle

CLUSTER = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}


def processing(name, outputs=(), **more):
    arguments = {
        "ProcessingResources": {"ClusterConfig": CLUSTER},
        "AppSpecification": {"ImageUri": "image"},
        "RoleArn": "role",
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": o,
                    "S3Output": {
                        "S3Uri": f"s3://b/{o}",
                        "LocalPath": "/opt/ml/processing/o",
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for o in outputs
            ]
        },
        **more.pop("arguments", {}),
    }
    return {"Name": name, "Type": "Processing", "Arguments": arguments, **more}


def fail(name, message="no", **more):
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **more}


def condition(name, conditions, then=(), other=(), **more):
    arguments = {"Conditions": conditions, "IfSteps": list(then), "ElseSteps": list(other)}
    return {"Name": name, "Type": "Condition", "Arguments": arguments, **more}


def equals(left, right):
    return {"Type": "Equals", "LeftValue": left, "RightValue": right}


def text(*steps, parameters=(), **more):
    return json.dumps({"Version": "2020-12-01", "Parameters": list(parameters), "Steps": list(steps), **more})


def test_dependencies_come_from_depends_on_references_and_branches():
    get = {"Get": "Steps.prep.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"}
    score = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.eval.PropertyFiles.report"}, "Path": "a.b"}}
    files = [{"PropertyFileName": "report", "OutputName": "out", "FilePath": "e.json"}]
    found = parse(
        text(
            processing("prep", ["train"]),
            processing("eval", ["out"], PropertyFiles=files, arguments={"Environment": {"IN": get}}),
            condition("check", [equals(score, 1)], [processing("a")], [fail("b")]),
            processing("last", DependsOn=["a", {"Step": "prep", "Trigger": "Any"}]),
        )
    ).steps
    assert found["eval"].needs == {"prep": "Completed"}
    assert found["check"].needs == {"eval": "Completed"}
    assert found["a"].branch == ("check", True) and found["b"].branch == ("check", False)
    assert found["last"].needs == {"a": "Completed", "prep": "Any"}
    assert list(found) == ["prep", "eval", "check", "a", "b", "last"]


S3_INPUT = {"S3Uri": "s3://b/i", "S3DataType": "S3Prefix", "S3InputMode": "Fast"}


def function(outputs):
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    return {"Name": "l", "Type": "Lambda", "FunctionArn": arn, "Arguments": {}, "OutputParameters": outputs}


def output(name, kind="String"):
    return {"OutputName": name, "OutputType": kind}


def parameter(kind="String", **more):
    return {"Name": "p", "Type": kind, **more}


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("{", "it is not valid JSON"),
        ("[]", "it must be a JSON object"),
        (json.dumps({"Version": "2019-01-01", "Steps": [fail("a")]}), "Version must be '2020-12-01'"),
        (text(), "Steps must be a list with at least one step"),
        (text(fail("a"), fail("a")), "the step name 'a' is used twice"),
        (text(fail("a"), condition("c", [equals(1, 1)], [fail("a")])), "the step name 'a' is used twice"),
        (text({"Name": "a b", "Type": "Fail"}), "a step has the Name 'a b'"),
        (text({"Name": "a", "Type": "Spark"}), "the step 'a' has the unknown type 'Spark'"),
        (text(fail("a", DependsOn=["z"])), "the step 'a' depends on 'z', which is no step"),
        (text(fail("a"), fail("b", DependsOn=[{"Step": "a", "Trigger": "Soon"}])), "the Trigger 'Soon'"),
        (text(fail("a", {"Get": "Steps.z.X"})), "the step 'a' refers to the step 'z', which does not exist"),
        (
            text(fail("a", {"Get": "Parameters.q"}), parameters=[parameter()]),
            "the parameter 'q', which is not declared",
        ),
        (text(fail("a", {"Get": "Execution.Day"})), "'Execution.Day' is no execution variable"),
        (text(fail("a", {"Get": "Weather"})), "'Weather' cannot be read"),
        (
            text(fail("a", {"Get": "PipelineExperimentConfig.TrialName"})),
            "TrialName of the PipelineExperimentConfig, which the definition does not have",
        ),
        (text(fail("a", {"Std:Upper": {}})), "the function 'Std:Upper' is not known"),
        (text(fail("a", {"Std:Join": {"On": "/"}})), "Std:Join needs a list of Values"),
        (text(fail("a", {"Std:JsonGet": {"Path": "x"}})), "needs either a PropertyFile or an S3Uri"),
        (text(fail("a"), fail("b", {"Get": "Steps.a.X"})), "the Fail step 'a', which has no properties"),
        (text(fail("a"), parameters=[parameter(), parameter()]), "the parameter 'p' is declared twice"),
        (text(fail("a"), parameters=[parameter("Date")]), "the parameter 'p' has the type 'Date'"),
        (
            text(fail("a"), parameters=[parameter("Integer", DefaultValue="3")]),
            "'3' of the parameter 'p' is no Integer",
        ),
        (text(fail("a"), parameters=[parameter("Integer", DefaultValue=True)]), "is no Integer"),
        (
            text(fail("a"), parameters=[parameter(DefaultValue="c", EnumValues=["a", "b"])]),
            "the default value 'c' of the parameter 'p' is not in its EnumValues ['a', 'b']",
        ),
        (
            text(fail("a", DependsOn=["c"]), fail("b", DependsOn=["a"]), fail("c", DependsOn=["b"])),
            "a cycle: a -> b -> c -> a",
        ),
        (text(fail("a", DependsOn=["a"])), "a cycle: a -> a"),
        (
            text(condition("c", [equals(1, 1)], [fail("x")], DependsOn=["x"])),
            "a cycle: c -> x -> c",
        ),
        (text(condition("c", [])), "step 'c': a condition step needs a list of Conditions"),
        (text(condition("c", [{"Type": "Like"}])), "the condition type 'Like' is not known"),
        (text(condition("c", [{"Type": "Not"}])), "a condition Not needs Condition"),
        (
            text(condition("c", [{"Type": "In", "QueryValue": 1, "Values": []}])),
            "a condition In needs a list",
        ),
        (
            text(
                processing(
                    "a",
                    ["out"],
                    PropertyFiles=[{"PropertyFileName": "f", "OutputName": "no", "FilePath": "x"}],
                )
            ),
            "the property file 'f' is of the output 'no', which the step does not have",
        ),
        (
            text(
                processing("a", ["out"]),
                fail("b", {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.a.PropertyFiles.f"}, "Path": "x"}}),
            ),
            "reads the property file 'f', which the step 'a' does not have",
        ),
        (text(processing("a", arguments={"Colour": 1})), "Arguments has no member 'Colour'"),
        (
            text(processing("a", arguments={"AppSpecification": {}})),
            "AppSpecification lacks the required member 'ImageUri'",
        ),
        (
            text(processing("a", arguments={"StoppingCondition": {"MaxRuntimeInSeconds": "60"}})),
            "Arguments.StoppingCondition.MaxRuntimeInSeconds must be of type integer",
        ),
        (
            text(processing("a", RetryPolicies=[{"ExceptionType": ["Rain"]}])),
            "the ExceptionType 'Rain' is not known",
        ),
        (
            text(processing("a", RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 21}])),
            "MaxAttempts of a retry policy must be from 1 to 20",
        ),
        (
            text(processing("a", CacheConfig={"Enabled": True, "ExpireAfter": "soon"})),
            "ExpireAfter must be an ISO 8601 duration",
        ),
        (text({"Name": "l", "Type": "Lambda", "Arguments": {}}), "a Lambda step needs a FunctionArn"),
        (text(fail("a", DependOn=["b"])), "the step 'a' has the unknown member 'DependOn'"),
        (text(fail("a"), Stepz=[]), "it has the unknown member 'Stepz'"),
        (text(condition("c", [{**equals(1, 1), "Expression": 1}])), "Equals has no member 'Expression'"),
        (text(condition("c", [equals(float("nan"), 1)])), "NaN is no JSON number"),
        (text(fail("a", None)), "step 'a': ErrorMessage must be a text, but is None"),
        (
            text(fail("b", {"Std:JsonGet": {"PropertyFile": "f", "Path": "x"}})),
            "must be a Get of Steps.STEP.PropertyFiles.NAME",
        ),
        (
            text(processing("a"), fail("b", {"Get": "Steps.a.ProcessingJobNme"})),
            "the step 'b' refers to a property of the step 'a': there is no property 'ProcessingJobNme'",
        ),
        (
            text(
                processing("a"),
                fail("b", {"Get": "Steps.a.ProcessingOutputConfig.Outputs['o'].S3Output.Uri"}),
            ),
            "'Uri' is not one of S3Uri, ",
        ),
        (
            text(processing("a"), fail("b", {"Get": "Steps.a.ProcessingJobName.Length"})),
            "nothing is below 'string' at 'Length'",
        ),
        (
            text(condition("a", [equals(1, 1)]), fail("b", {"Get": "Steps.a.Result"})),
            "'Result' is not one of Outcome",
        ),
        (
            text(function([output("n")]), fail("b", {"Get": "Steps.l.OutputParameters['m']"})),
            "there is no property 'OutputParameters['m']': 'm' is not one of n",
        ),
        (text(function([output("n", "Text")])), "the output parameter 'n' has the OutputType 'Text'"),
        (text(function([output("n"), output("n")])), "the output parameter 'n' is declared twice"),
        (text(function([{"OutputType": "String"}])), "an output parameter lacks OutputName"),
        (
            text(processing("a", arguments={"ProcessingInputs": [{"InputName": "i", "S3Input": S3_INPUT}]})),
            "S3InputMode is 'Fast'; it must be one of Pipe, File",
        ),
        (text(fail("a"), parameters=[{"Name": "a b", "Type": "String"}]), "a parameter has the Name 'a b'"),
        (text(fail("a"), parameters=[parameter(Default="x")]), "'p' has no member 'Default'"),
    ],
)
def test_an_invalid_definition_is_refused_with_what_is_wrong(definition, said):
    with pytest.raises(InvalidDefinition) as refused:
        parse(definition)
    assert str(refused.value).startswith("Unable to parse pipeline definition: ")
    assert said in str(refused.value)


def test_properties_that_a_step_may_have():
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    read = [
        "Steps.p.ProcessingOutputConfig.Outputs['o'].S3Output.S3Uri",
        "Steps.p.AppSpecification.ContainerArguments[0]",
        "Steps.p.Environment['ANY']",
        "Steps.p",
        "Steps.c.Outcome",
        "Steps.l.OutputParameters['n']",
        "Steps.q.CalculatedBaselineStatistics",  # of a type that is not emulated nothing is said
    ]
    parse(
        text(
            processing("p"),
            condition("c", [{"Type": "NotIn", "Value": 1, "In": [2]}, {**equals(1, 2), "Type": "NotEquals"}]),
            {**function([output("n", "Float")]), "FunctionArn": arn},
            {"Name": "q", "Type": "QualityCheck", "Arguments": {}, "CheckType": "DATA_QUALITY"},
            *(fail(f"f{index}", {"Get": path}) for index, path in enumerate(read)),
        )
    )


def test_what_may_be_left_out_or_nested():
    """A parameter is a String unless it says otherwise; AWS runs conditions in a condition's branches."""
    steps = [
        condition("c", [equals(1, 1)], [condition("d", [equals(1, 1)], [fail("e", {"Get": "Parameters.p"})])])
    ]
    found = parse(json.dumps({"Parameters": [{"Name": "p"}], "Steps": steps}))
    assert found.parameters["p"].type == "String" and found.steps["e"].branch == ("d", True)


def test_types_of_aws_that_are_not_emulated_are_no_error_of_the_definition():
    check = {"Name": "q", "Type": "QualityCheck", "Arguments": {}, "FailOnViolation": True}
    assert parse(text(check)).steps["q"].type == "QualityCheck"


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefg"), max_size=3), max_size=7)
)
def test_a_cycle_is_found_when_there_is_one_and_is_one(raw):
    graph = {name: [u for u in raw.get(name, []) if u in raw] for name in raw}
    cycle = find_cycle(graph)
    order, left = [], set(graph)  # sort topologically, in the plainest way
    while ready := [n for n in left if not set(graph[n]) & left]:
        order += ready
        left -= set(ready)
    assert (cycle is None) == (not left)
    if cycle:
        assert cycle[0] == cycle[-1] and all(a in graph[b] for a, b in zip(cycle, cycle[1:], strict=False))


def test_what_lies_between_and_what_hangs_together():
    graph = {"a": [], "b": ["a"], "c": ["b"], "d": []}
    assert between(graph, ["a", "c"]) == {"b"} and between(graph, ["a", "b"]) == set()
    assert (
        connected(graph, ["a", "b"]) and not connected(graph, ["a", "c"]) and not connected(graph, ["a", "d"])
    )


def places(data, path=()):
    """The path of every value in JSON data."""
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def replaced(data, path, value):
    if not path:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


WHOLE = json.loads(
    text(
        processing(
            "prep",
            ["out"],
            PropertyFiles=[{"PropertyFileName": "r", "OutputName": "out", "FilePath": "e.json"}],
            RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 2}],
            CacheConfig={"Enabled": True, "ExpireAfter": "1d"},
        ),
        {
            "Name": "call",
            "Type": "Lambda",
            "FunctionArn": "arn",
            "Arguments": {"a": {"Get": "Parameters.p"}},
            "OutputParameters": [{"OutputName": "o", "OutputType": "String"}],
        },
        condition(
            "check",
            [
                {
                    "Type": "Not",
                    "Condition": {"Type": "Or", "Conditions": [equals(1, {"Get": "Execution.PipelineName"})]},
                },
                {"Type": "In", "QueryValue": "a", "Values": ["a", "b"]},
            ],
            [
                fail(
                    "no",
                    {"Std:Join": {"On": "", "Values": ["a", {"Get": "Steps.call.OutputParameters['o']"}]}},
                )
            ],
            DependsOn=["prep", {"Step": "call", "Trigger": "Any"}],
        ),
        parameters=[parameter(DefaultValue="a", EnumValues=["a"])],
    )
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "prep", "Get", "Training"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["Get", "Name", "Step"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(list(places(WHOLE))), JSON)
def test_whatever_is_wrong_is_refused_and_never_an_error_of_the_reader(path, value):
    try:
        parse(json.dumps(replaced(WHOLE, path, value)))
    except InvalidDefinition as refused:
        assert len(str(refused)) > 40
