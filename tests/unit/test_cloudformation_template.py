"""Templates as text: what is read, and what is refused before anything is made."""

import json
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.services.cloudformation import validation
from local_aws.services.cloudformation.errors import InsufficientCapabilities, ValidationError
from local_aws.services.cloudformation.evaluation import Evaluation
from local_aws.services.cloudformation.intrinsics import NAMES, Unknown
from local_aws.services.cloudformation.parameters import Value
from local_aws.services.cloudformation.reader import read
from local_aws.services.cloudformation.template import parse

PARAMETER = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v"}}


def template(**sections):
    return parse(json.dumps({"Resources": {"One": PARAMETER}, **sections}))


def refused(text):
    with pytest.raises(ValidationError) as error:
        validation.check(parse(text if isinstance(text, str) else json.dumps(text)))
    return error.value.message


def test_short_forms_become_long_forms():
    text = textwrap.dedent("""
        a: !Ref X
        b: !GetAtt X.Endpoint.Address
        c: !GetAtt [X, Arn]
        d: !Sub "${X}-a"
        e: !Sub ["${Y}", {Y: !Ref X}]
        f: !If [C, !Join [",", [a, !Ref X]], !Ref "AWS::NoValue"]
        g: !Not [!Condition C]
        h: !FindInMap [M, !Ref X, k]
        i: {"Fn::GetAtt": X.Arn}
        j: !Base64 text
    """)
    assert read(text) == {
        "a": {"Ref": "X"},
        "b": {"Fn::GetAtt": ["X", "Endpoint.Address"]},
        "c": {"Fn::GetAtt": ["X", "Arn"]},
        "d": {"Fn::Sub": "${X}-a"},
        "e": {"Fn::Sub": ["${Y}", {"Y": {"Ref": "X"}}]},
        "f": {"Fn::If": ["C", {"Fn::Join": [",", ["a", {"Ref": "X"}]]}, {"Ref": "AWS::NoValue"}]},
        "g": {"Fn::Not": [{"Condition": "C"}]},
        "h": {"Fn::FindInMap": ["M", {"Ref": "X"}, "k"]},
        "i": {"Fn::GetAtt": ["X", "Arn"]},
        "j": {"Fn::Base64": "text"},
    }


def test_scalars_are_yaml_1_1_but_dates_stay_text():
    assert read("a: 2012-10-17\nb: 3\nc: 1.5\nd: yes\ne: '3'\n1: x") == {
        "a": "2012-10-17",
        "b": 3,
        "c": 1.5,
        "d": True,
        "e": "3",
        "1": "x",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: c: d", "Template format error: YAML not well-formed. (line 2, column 5)"),
        ("a: 1\na: 2", "Template format error: YAML not well-formed: duplicate key 'a'. (line 2, column 1)"),
        ("a: !Reff X", "Template format error: YAML not well-formed: unknown tag !Reff. (line 1, column 4)"),
        ('{"a": 1,}', "Template format error: JSON not well-formed. (line 1, column 9)"),
        ('{"a": 1, "a": 2}', "Template format error: JSON not well-formed: duplicate key 'a'."),
        ("just text", "Template format error: unsupported structure."),
        ("", "Template format error: unsupported structure."),
        (
            "a: &x {b: 1}\nc: *x",
            "Template format error: YAML aliases are not allowed in CloudFormation templates. (line 1, column 4)",
        ),
    ],
)
def test_text_that_is_not_well_formed(text, message):
    with pytest.raises(ValidationError) as error:
        read(text)
    assert error.value.message == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Resources": {}}, "Template format error: At least one Resources member must be defined."),
        ({"Resource": {}}, "Invalid template property or properties [Resource]"),
        ({"Resources": {"A": None}}, "Template format error: [/Resources/A] 'null' values are not allowed"),
        (
            {"Resources": {"A": {"Properties": {}}}},
            "Template format error: [/Resources/A] Every Resources object must contain a Type member.",
        ),
        ({"Resources": {"A-b": PARAMETER}}, "Template format error: Resource name A-b is non alphanumeric."),
        ({"Resources": {"A": {**PARAMETER, "Propertys": {}}}}, "Invalid template resource property 'Propertys'"),
        (
            {"Resources": {"A": {**PARAMETER, "DeletionPolicy": "Keep"}}},
            "Template format error: Unrecognized DeletionPolicy Keep for resource A",
        ),
        ({"Outputs": {"O": {}}}, "Template format error: [/Outputs/O] Every Outputs member must contain a Value"),
        ({"Parameters": {"P": {"Type": "Sting"}}}, "Template format error: Unrecognized parameter type: Sting"),
        ({"Rules": {"R": {"Assertions": [{}]}}}, "Template format error: [/Rules/R/Assertions] An assertion has"),
        ({"AWSTemplateFormatVersion": "2011"}, "Template format error: Unsupported template format version"),
        ({"Transform": "AWS::Serverless-2016-10-31"}, "Transforms [AWS::Serverless-2016-10-31] are not emulated"),
        (
            {"Resources": {"A": {**PARAMETER, "CreationPolicy": {}}}},
            "[/Resources/A] CreationPolicy is not emulated by local_aws",
        ),
        (
            {"Resources": {"A": {"Type": "AWS::Foo::Bar"}, "B": {"Type": "AWS::EC2::Instance"}, "C": PARAMETER}},
            "Template format error: Unrecognized resource types: [AWS::EC2::Instance, AWS::Foo::Bar]",
        ),
        (
            {"Outputs": {"O": {"Value": {"Ref": "Nobody"}}}},
            "Template format error: Unresolved resource dependencies [Nobody] in the Outputs block of the template",
        ),
        (
            {"Resources": {"A": {**PARAMETER, "DependsOn": "B"}}},
            "Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
        ),
        (
            {"Outputs": {"O": {"Value": {"Fn::Sub": "${One.Arm}"}}}},
            "Template error: resource One does not support attribute type Arm in Fn::GetAtt",
        ),
        (
            {"Outputs": {"O": {"Value": {"Fn::GetAtt": ["Two", "Arn"]}}}},
            "Template error: instance of Fn::GetAtt references undefined resource Two",
        ),
        (
            {"Resources": {"A": {**PARAMETER, "Condition": "Prod"}}},
            "Template format error: Unresolved condition dependency Prod in the Resources block of the template",
        ),
        (
            {"Conditions": {"C": {"Fn::Equals": [{"Ref": "One"}, "x"]}}},
            "Template error: Unresolved dependencies [One]. Cannot reference resources in the Conditions block",
        ),
        ({"Outputs": {"O": {"Value": {"Fn::Foo": "x"}}}}, "Template error: Fn::Foo at [/Outputs/O/Value] is no"),
        (
            {"Outputs": {"O": {"Value": {"Fn::Sub": "x", "a": 1}}}},
            "Template error: Fn::Sub must be the only key of its object",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_at_once(change, message):
    assert refused({"Resources": {"One": PARAMETER}, **change}).startswith(message)


def test_the_refusal_of_a_type_names_the_resource_too():
    assert "Resources: A (AWS::EC2::Instance)" in refused(
        {"Resources": {"A": {"Type": "AWS::EC2::Instance"}}}
    )


def test_a_condition_key_in_a_policy_document_is_no_function():
    statement = {"Effect": "Allow", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    found = template(Resources={"One": {**PARAMETER, "Metadata": {"s": statement}}})
    validation.check(found)


@pytest.mark.parametrize(
    ("resource", "given", "needed"),
    [
        ({"Type": "AWS::IAM::Role"}, [], "CAPABILITY_IAM"),
        ({"Type": "AWS::IAM::Role"}, ["CAPABILITY_IAM"], None),
        ({"Type": "AWS::IAM::Role"}, ["CAPABILITY_NAMED_IAM"], None),
        ({"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r"}}, ["CAPABILITY_IAM"], "CAPABILITY_NAMED_IAM"),
        ({"Type": "AWS::IAM::Policy", "Properties": {"PolicyName": "p"}}, ["CAPABILITY_IAM"], None),
        (PARAMETER, [], None),
    ],
)  # fmt: skip
def test_capabilities(resource, given, needed):
    found = template(Resources={"A": resource})
    if needed is None:
        validation.check_capabilities(found, given)
        return
    with pytest.raises(InsufficientCapabilities) as error:
        validation.check_capabilities(found, given)
    assert error.value.message == f"Requires capabilities : [{needed}]"


def test_rules():
    rules = {
        "Large": {
            "RuleCondition": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
            "Assertions": [
                {
                    "Assert": {"Fn::Contains": [["m5", "m6"], {"Ref": "Type"}]},
                    "AssertDescription": "production needs an m5 or m6",
                }
            ],
        }
    }
    found = template(Parameters={"Stage": {"Type": "String"}, "Type": {"Type": "String"}}, Rules=rules)
    validation.check(found)

    def check(stage, kind):
        values = {"Stage": Value("Stage", stage, stage), "Type": Value("Type", kind, kind)}
        Evaluation(found, values, {}, dict().__getitem__, lambda region: []).check_rules()

    check("dev", "t3")
    check("prod", "m6")
    with pytest.raises(ValidationError) as error:
        check("prod", "t3")
    assert error.value.message == "Template validation error: rule Large: production needs an m5 or m6"


_names = st.sampled_from(["A", "B", "P", "C", "A.Arn", "AWS::Region", "AWS::NoValue"])
_functions = st.sampled_from(sorted(NAMES | {"Condition", "Fn::Transform", "Fn::Nothing"}))
_values = st.recursive(
    _names
    | st.integers(-3, 300)
    | st.booleans()
    | st.sampled_from(["${A}", "${A.Arn}-${P}", "${", "10.0.0.0/16"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_functions | _names, inner, max_size=2),
    max_leaves=6,
)
_keys = st.sampled_from(["A", "B", "P", "C"])
_templates = st.fixed_dictionaries(
    {
        "Resources": st.dictionaries(
            _keys,
            st.fixed_dictionaries(
                {"Type": st.just("Custom::Thing") | st.just("AWS::SSM::Parameter") | _values},
                optional={"Properties": _values, "DependsOn": _values, "Condition": _values, "Metadata": _values},
            ),
            min_size=1,
            max_size=3,
        )
    },
    optional={
        "Parameters": st.dictionaries(_keys, st.dictionaries(st.just("Type"), _values), max_size=2),
        "Conditions": st.dictionaries(_keys, _values, max_size=2) | _values,
        "Outputs": st.dictionaries(_keys, st.dictionaries(st.sampled_from(["Value", "Export"]), _values), max_size=2),
    },
)  # fmt: skip


@given(_templates)
@settings(max_examples=150, deadline=None)
def test_no_template_breaks_the_checks(data):
    """Whatever it is: it is accepted, or refused with a sentence."""
    try:
        found = parse(json.dumps(data))
        validation.check(found)
        evaluation = Evaluation(found, {}, {}, lambda name: Unknown((name, None)), lambda region: ["a"])
        for name in evaluation.order:
            evaluation.properties(name)
        evaluation.output_values()
    except ValidationError as error:
        assert error.message
