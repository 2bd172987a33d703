"""The order of resources: what they refer to, circles, and who needs whom."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.graph import Reference, needed_by, order, references


def test_references_of_every_kind():
    value = {
        "a": {"Ref": "A"},
        "b": [{"Fn::GetAtt": ["B", "Arn"]}],
        "c": {"Fn::Sub": "${C}-${D.Name}-${!Not}-${AWS::Region}"},
        "d": {"Fn::Sub": ["${own}${E}", {"own": {"Ref": "F"}}]},
        "e": {"Fn::Join": ["", [{"Fn::If": ["x", {"Ref": "G"}, {"Ref": "H"}]}]]},
    }
    assert set(references(value)) == {
        Reference("A"),
        Reference("B", "Arn"),
        Reference("C"),
        Reference("D", "Name"),
        Reference("AWS::Region"),
        Reference("E"),
        Reference("F"),
        Reference("G"),
        Reference("H"),
    }


def test_only_the_branch_that_is_taken_counts():
    value = {"Fn::If": ["x", {"Ref": "G"}, {"Ref": "H"}]}
    assert list(references(value, lambda name: False)) == [Reference("H")]


def test_a_circle_is_named_without_what_leads_to_it():
    needs = {"Before": ["A"], "A": ["B"], "B": ["C"], "C": ["A", "After"], "After": []}
    with pytest.raises(ValidationError) as error:
        order(needs)
    assert error.value.message == "Circular dependency between resources: [A, B, C]"


def test_a_resource_that_needs_itself_is_a_circle():
    with pytest.raises(ValidationError, match=r"\[A\]"):
        order({"A": ["A"], "B": []})


@st.composite
def acyclic(draw):
    names = [f"N{i}" for i in range(draw(st.integers(0, 12)))]
    needs = {name: draw(st.sets(st.sampled_from(names[:i]))) if i else set() for i, name in enumerate(names)}
    return {name: needs[name] for name in draw(st.permutations(names))}


@given(acyclic())
@settings(max_examples=40, deadline=None)
def test_each_comes_after_all_that_it_needs(needs):
    found = order(needs)
    assert sorted(found) == sorted(needs)
    assert all(found.index(needed) < found.index(name) for name in needs for needed in needs[name])


@given(acyclic())
@settings(max_examples=40, deadline=None)
def test_what_is_needed_through_others_is_needed(needs):
    for name in needs:
        found = needed_by([name], needs)
        assert set(needs[name]) <= found
        assert all(set(needs[other]) <= found for other in found)
        assert name not in found
