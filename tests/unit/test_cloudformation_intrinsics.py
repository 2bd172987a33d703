"""Intrinsic functions: their values, their errors, and what an unknown value does to them."""

import base64
import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.evaluation import Evaluation
from local_aws.services.cloudformation.intrinsics import Resolver, Unknown, unknowns
from local_aws.services.cloudformation.parameters import Value
from local_aws.services.cloudformation.template import Template

DATA = {
    "Mappings": {"Sizes": {"us-east-1": {"small": "t3", "all": ["a", "b"]}}},
    "Conditions": {
        "Yes": {"Fn::Equals": [{"Ref": "Text"}, "hello"]},
        "No": {"Fn::Not": [{"Condition": "Yes"}]},
        "Both": {"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]},
        "Any": {"Fn::Or": [{"Condition": "Yes"}, {"Condition": "No"}]},
        "Circle": {"Fn::Not": [{"Condition": "Circle"}]},
    },
    "Resources": {"Made": {"Type": "T"}, "Later": {"Type": "T"}, "Never": {"Type": "T", "Condition": "No"}},
}


def environment():
    values = {"Text": Value("Text", "hello", "hello"), "List": Value("List", "x,y", ["x", "y"])}
    pseudo = {"AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"}
    exports = {"shared": "exported"}
    found = Evaluation(
        Template("", DATA), values, pseudo, exports.__getitem__, lambda region: [f"{region}a", f"{region}b"]
    )
    found.resource_ref = lambda name: "id-1" if name == "Made" else Unknown((name, None))
    found.resource_attribute = lambda name, attribute: (
        f"{name}.{attribute}" if name == "Made" else Unknown((name, attribute))
    )
    return found  # fmt: skip


def resolve(value):
    return Resolver(environment()).resolve(value)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ({"Ref": "Text"}, "hello"),
        ({"Ref": "List"}, ["x", "y"]),
        ({"Ref": "Made"}, "id-1"),
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Fn::GetAtt": ["Made", "A.B"]}, "Made.A.B"),
        ({"Fn::Sub": "${Text}-${Made}-${Made.Arn}-${!Text}-${AWS::Region}"}, "hello-id-1-Made.Arn-${Text}-us-east-1"),
        ({"Fn::Sub": ["${a}/${Text}", {"a": {"Ref": "Made"}}]}, "id-1/hello"),
        ({"Fn::Join": ["-", ["a", 1, True, {"Ref": "Text"}]]}, "a-1-true-hello"),
        ({"Fn::Join": [",", {"Ref": "List"}]}, "x,y"),
        ({"Fn::Split": ["|", "a|b|"]}, ["a", "b", ""]),
        ({"Fn::Select": ["1", {"Fn::Split": [",", "a,b"]}]}, "b"),
        ({"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "us-east-1a"),
        ({"Fn::GetAZs": "eu-west-1"}, ["eu-west-1a", "eu-west-1b"]),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "AWS::Region"}, "small"]}, "t3"),
        ({"Fn::FindInMap": ["Sizes", "us-east-1", "all"]}, ["a", "b"]),
        ({"Fn::If": ["Yes", "a", {"Ref": "Nobody"}]}, "a"),
        ({"a": {"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}, "b": 2}, {"b": 2}),
        ([1, {"Ref": "AWS::NoValue"}, {"Fn::If": ["Any", 3, 4]}], [1, 3]),
        ({"Fn::If": ["Both", 1, 2]}, 2),
        ({"Fn::Cidr": ["10.0.0.0/22", 3, 8]}, ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]),
        ({"Fn::ImportValue": {"Fn::Sub": "shared"}}, "exported"),
        ({"Condition": "Yes"}, {"Condition": "Yes"}),  # a function in conditions only
        ({"Ref": "kept", "x": 1}, {"Ref": "kept", "x": 1}),
    ],
)  # fmt: skip
def test_values(value, result):
    assert resolve(value) == result


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Fn::Select": [2, ["a", "b"]]}, "Template error: Fn::Select  cannot select nonexistent value at index 2"),
        ({"Fn::Join": [",", "ab"]}, "Template error: every Fn::Join object requires two parameters"),
        ({"Fn::Sub": "${List}"}, "Template error: Fn::Sub expression does not resolve to a string: ${List}"),
        ({"Fn::FindInMap": ["Sizes", "mars", "small"]}, "Template error: Unable to get mapping for Sizes::mars::small"),
        ({"Fn::FindInMap": ["Sizzes", "a", "b"]}, "Template error: Mapping named 'Sizzes' is not present"),
        ({"Fn::If": ["Circle", 1, 2]}, "Template error: the condition Circle depends on itself"),
        ({"Fn::If": ["Huh", 1, 2]}, "Template format error: Unresolved condition dependency Huh"),
        ({"Fn::Cidr": ["10.0.0.0/24", 2, 8]}, "Template error: Fn::Cidr cannot make 2 blocks"),
        ({"Fn::Cidr": ["10.0.0.1/24", 2, 4]}, "Template error: Fn::Cidr cannot be evaluated"),
        ({"Ref": "Never"}, "Template format error: Unresolved resource dependencies [Never]"),
        ({"Fn::Nothing": 1}, "Template error: Fn::Nothing is no intrinsic function"),
    ],
)  # fmt: skip
def test_errors(value, message):
    with pytest.raises(ValidationError) as error:
        resolve(value)
    assert error.value.message.startswith(message)


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::Sub": "x-${Later}"},
        {"Fn::Join": ["-", ["a", {"Ref": "Later"}]]},
        {"Fn::Select": [0, {"Fn::Split": [",", {"Ref": "Later"}]}]},
        {"Fn::Base64": {"Ref": "Later"}},
        {"deep": [{"Ref": "Later"}]},
    ],
)
def test_unknown_values_stay_unknown_and_differ_from_everything(value):
    result = resolve(value)
    assert unknowns(result) == {("Later", None)}
    assert result != resolve(value)


plain = st.recursive(
    st.text(max_size=5) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.from_regex(r"[A-Z][a-z]?", fullmatch=True), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(plain)
@settings(max_examples=60, deadline=None)
def test_a_value_without_functions_is_itself(value):
    assert resolve(value) == value


@given(
    st.lists(st.from_regex(r"[a-z0-9]{0,4}", fullmatch=True), min_size=1), st.sampled_from([",", "--", "/"])
)
@settings(max_examples=60, deadline=None)
def test_split_undoes_join(parts, delimiter):
    assert resolve({"Fn::Split": [delimiter, {"Fn::Join": [delimiter, parts]}]}) == parts


@given(st.text(max_size=30))
@settings(max_examples=30, deadline=None)
def test_base64_can_be_decoded(text):
    assert base64.b64decode(resolve({"Fn::Base64": text})).decode() == text


@given(st.integers(8, 24), st.integers(4, 8), st.integers(1, 16))
@settings(max_examples=40, deadline=None)
def test_cidr_blocks_lie_in_the_block_and_do_not_overlap(prefix, bits, count):
    block = ipaddress.ip_network(f"10.0.0.0/{prefix}")
    if count > 2 ** (32 - bits - prefix):
        return
    found = [ipaddress.ip_network(b) for b in resolve({"Fn::Cidr": [str(block), count, bits]})]
    assert len(found) == count
    assert all(b.prefixlen == 32 - bits and b.subnet_of(block) for b in found)
    assert not any(a.overlaps(b) for a, b in zip(found, found[1:], strict=False))
