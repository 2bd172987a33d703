"""Change sets: what is added, changed, replaced and removed, and why."""

import json

import pytest

from local_aws.services.cloudformation.changes import Plan
from local_aws.services.cloudformation.evaluation import Evaluation
from local_aws.services.cloudformation.model import Resource, Stack
from local_aws.services.cloudformation.parameters import Value
from local_aws.services.cloudformation.resources.base import Context
from local_aws.services.cloudformation.schema import coerced, problems
from local_aws.services.cloudformation.template import parse

KIND = "AWS::SSM::Parameter"


def ssm(value, **properties):
    return {"Type": KIND, "Properties": {"Type": "String", "Value": value, **properties}}


FIRST, SECOND = ssm({"Ref": "Text"}, Name="first"), ssm({"Fn::Sub": "${First}/${First.Value}"}, Name="second")


def text(**resources):
    return json.dumps({"Parameters": {"Text": {"Type": "String"}}, "Resources": resources})


def stack():
    found = Stack(
        "arn:stack/s/1", "s", "1", "us-east-1", "CREATE_COMPLETE", template=text(First=FIRST, Second=SECOND)
    )
    found.values = {"Text": Value("Text", "a", "a").to_dict()}
    for name, value in (("First", "a"), ("Second", "first/a")):
        properties = {"Type": "String", "Value": value, "Name": name.lower()}
        attributes = {"Value": value, "Type": "String"}
        found.resources[name] = Resource(
            name, KIND, name.lower(), "CREATE_COMPLETE", declared=properties, attributes=attributes
        )
    return found  # fmt: skip


def plan(new, value="a", tags=None):
    values = {"Text": Value("Text", value, value)}
    old = stack()
    return Plan(
        old,
        parse(old.template),
        Evaluation(parse(new), values, {}, dict().__getitem__, lambda r: []),
        tags or {},
    )


def brief(found):
    return [(c.action, c.logical_id, c.replacement, tuple(c.scope)) for c in found.changes]


def causes(change):
    found = set()
    for detail in change.details:
        target = detail["Target"]
        cause = detail["ChangeSource"], detail.get("CausingEntity"), detail["Evaluation"]
        found.add((target.get("Name"), *cause, target["RequiresRecreation"]))
    return found


def test_the_same_again_is_nothing():
    found = plan(text(First=FIRST, Second=SECOND))
    assert found.changes == []
    assert not found.anything()


def test_a_parameter_changes_one_and_another_follows():
    first, second = plan(text(First=FIRST, Second=SECOND), "b").changes
    assert (first.action, first.replacement) == ("Modify", "False")
    assert causes(first) == {("Value", "ParameterReference", "Text", "Static", "Never")}
    assert causes(second) == {("Value", "ResourceAttribute", "First.Value", "Dynamic", "Never")}


def test_another_name_replaces_and_what_refers_to_it_changes():
    renamed = ssm({"Ref": "Text"}, Name="other")
    first, second = plan(text(First=renamed, Second=SECOND)).changes
    assert (first.replacement, first.policy_action) == ("True", "ReplaceAndDelete")
    assert causes(first) == {("Name", "DirectModification", None, "Static", "Always")}
    assert ("Value", "ResourceReference", "First", "Dynamic", "Never") in causes(second)


def test_a_name_that_is_not_known_yet_may_replace():
    third = ssm("x", Name={"Fn::Sub": "${First}-x"})
    found = plan(text(First=ssm("a", Name="other"), Second={**third}))
    assert [(c.logical_id, c.replacement) for c in found.changes] == [
        ("First", "True"),
        ("Second", "Conditional"),
    ]


def test_added_and_removed():
    found = plan(text(First=FIRST, Third=ssm("c")))
    assert brief(found) == [("Add", "Third", "", ()), ("Remove", "Second", "", ())]
    assert found.changes[1].policy_action == "Delete"


def test_policies_metadata_and_tags_are_changes_too():
    kept = {**FIRST, "DeletionPolicy": "Retain", "Metadata": {"a": 1}}
    found = plan(text(First=kept, Second=SECOND), tags={"Team": "x"})
    assert brief(found) == [
        ("Modify", "First", "False", ("Tags", "Metadata", "DeletionPolicy")),
        ("Modify", "Second", "False", ("Tags",)),
    ]


def test_a_changed_output_is_something_to_do():
    new = json.loads(text(First=FIRST, Second=SECOND)) | {"Outputs": {"O": {"Value": "x"}}}
    found = plan(json.dumps(new))
    assert found.changes == []
    assert found.anything()


# -- schemas and names ----------------------------------------------------------------------------------------
def test_values_get_the_types_of_the_schema():
    given = {"EnableDnsSupport": "true", "CidrBlock": "10.0.0.0/16", "Tags": [{"Key": "a", "Value": 1}]}
    assert coerced("AWS::EC2::VPC", given) == {
        "EnableDnsSupport": True,
        "CidrBlock": "10.0.0.0/16",
        "Tags": [{"Key": "a", "Value": "1"}],
    }


@pytest.mark.parametrize(
    ("properties", "wrong"),
    [
        ({"Type": "String", "Value": "x"}, []),
        ({"Type": "Strin", "Value": "x"}, ["#/Type: Strin is not a valid enum value"]),
        ({"Type": "String"}, ["#: required key [Value] not found"]),
        ({"Type": "String", "Value": "x", "Vlue": 1}, ["#: extraneous key [Vlue] is not permitted"]),
        ({"Type": "String", "Value": ["x"]}, ["#/Value: expected type: string, found: list"]),
    ],
)
def test_the_schema_finds_what_is_wrong(properties, wrong):
    assert problems(KIND, properties) == wrong


def context(**more):
    class App:
        endpoint_url = "http://127.0.0.1:1"

    common = {
        "account_id": "1",
        "region": "r",
        "stack_name": "a-long-stack-name",
        "stack_id": "arn:s",
        "logical_id": "Bucket",
    }
    return Context(App(), **{**common, **more})  # fmt: skip


@pytest.mark.parametrize("limit", [20, 32, 63, 128])
def test_generated_names_fit_and_change_with_a_replacement(limit):
    name = context().physical_name(limit=limit)
    assert len(name) <= limit
    assert name == context().physical_name(limit=limit)
    assert name != context(generation=1).physical_name(limit=limit)
    assert context().physical_name(limit=limit, lower=True) == name.lower()


def test_a_resources_own_tags_win():
    ctx = context(tags={"Team": "stack", "Cost": "1"}, old_tags={"Gone": "x"})
    own = [{"Key": "Team", "Value": "own"}]
    assert ctx.tag_list(own) == [{"Key": "Team", "Value": "own"}, {"Key": "Cost", "Value": "1"}]
    assert ctx.tag_changes(own, own) == ({"Cost": "1"}, ["Gone"])
