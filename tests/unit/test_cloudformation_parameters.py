"""Parameters: what values they take, and the sentence for each that they do not."""

import json

import pytest

from local_aws.services.cloudformation.errors import ValidationError
from local_aws.services.cloudformation.parameters import bind, check_declarations
from local_aws.services.cloudformation.template import parse


class Account:
    store = {"/lab/vpc": "vpc-1", "/lab/list": "a, b"}

    def exists(self, kind, value):
        return value in {"vpc-1", "subnet-1", "subnet-2"}

    def ssm_parameters(self, names):
        return {name: self.store[name] for name in names if name in self.store}


def template(**parameters):
    return parse(json.dumps({"Parameters": parameters, "Resources": {"R": {"Type": "T"}}}))


def one(declared, text=None, previous=None):
    given = [] if text is None else [{"ParameterKey": "P", "ParameterValue": text}]
    return bind(template(P=declared), given, Account(), previous)["P"]


@pytest.mark.parametrize(
    ("declared", "text", "resolved"),
    [
        ({"Type": "String", "Default": 3}, None, "3"),
        ({"Type": "String", "Default": True}, None, "true"),
        ({"Type": "String"}, "", ""),
        ({"Type": "Number"}, "4.50", "4.50"),
        ({"Type": "List<Number>"}, "1, 2", ["1", "2"]),
        ({"Type": "CommaDelimitedList"}, "a, b,c", ["a", "b", "c"]),
        ({"Type": "AWS::EC2::VPC::Id"}, "vpc-1", "vpc-1"),
        ({"Type": "List<AWS::EC2::Subnet::Id>"}, "subnet-1,subnet-2", ["subnet-1", "subnet-2"]),
        ({"Type": "AWS::SSM::Parameter::Value<String>"}, "/lab/vpc", "vpc-1"),
        ({"Type": "AWS::SSM::Parameter::Value<List<String>>"}, "/lab/list", ["a", "b"]),
        ({"Type": "AWS::SSM::Parameter::Value<AWS::EC2::VPC::Id>"}, "/lab/vpc", "vpc-1"),
        ({"Type": "AWS::SSM::Parameter::Name"}, "/lab/vpc", "/lab/vpc"),
        ({"Type": "String", "AllowedValues": [1, True]}, "true", "true"),
    ],
)
def test_values(declared, text, resolved):
    assert one(declared, text).resolved == resolved


@pytest.mark.parametrize(
    ("declared", "text", "message"),
    [
        ({"Type": "String"}, None, "Parameters: [P] must have values"),
        ({"Type": "String", "AllowedValues": ["a", "b"]}, "c", "Parameter 'P' must be one of AllowedValues: [a, b]"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "a1", "Parameter 'P' must match pattern [a-z]+"),
        ({"Type": "String", "AllowedPattern": "[a-z]+", "ConstraintDescription": "letters only"}, "1",
         "Parameter P failed to satisfy constraint: letters only"),
        ({"Type": "String", "MinLength": 2}, "a", "Parameter 'P' must contain at least 2 characters"),
        ({"Type": "String", "MaxLength": "2"}, "abc", "Parameter 'P' must contain at most 2 characters"),
        ({"Type": "Number"}, "four", "Parameter 'P' must be a number"),
        ({"Type": "Number", "MinValue": 3}, "2", "Parameter 'P' must be a number not less than 3"),
        ({"Type": "Number", "MaxValue": 3}, "3.5", "Parameter 'P' must be a number not greater than 3"),
        ({"Type": "List<Number>", "MaxValue": 3}, "1,9", "Parameter 'P' must be a number not greater than 3"),
        ({"Type": "AWS::EC2::VPC::Id"}, "vpc-2",
         "Parameter validation failed: parameter value vpc-2 for parameter name P does not exist"),
        ({"Type": "AWS::EC2::VPC::Id", "Default": ""}, None,
         "Parameter validation failed: parameter value  for parameter name P does not exist"),
        ({"Type": "AWS::SSM::Parameter::Value<String>"}, "/lab/none",
         "Unable to fetch parameters [/lab/none] from parameter store for this account."),
    ],
)  # fmt: skip
def test_refused_values(declared, text, message):
    with pytest.raises(ValidationError) as error:
        one(declared, text)
    assert error.value.message == message


def test_all_missing_and_all_unknown_ones_are_named():
    declared = {name: {"Type": "String"} for name in "AB"}
    with pytest.raises(ValidationError, match=r"Parameters: \[A, B\] must have values$"):
        bind(template(**declared), [], Account())
    unknown = [{"ParameterKey": name, "ParameterValue": "x"} for name in "XY"]
    with pytest.raises(ValidationError, match=r"Parameters: \[X, Y\] do not exist in the template$"):
        bind(template(**declared), unknown, Account())


def test_previous_values():
    use = [{"ParameterKey": "P", "UsePreviousValue": True}]
    declared = template(P={"Type": "String", "Default": "new"})
    assert bind(declared, use, Account(), {"P": "old"})["P"].resolved == "old"
    assert bind(declared, [], Account(), {"P": "old"})["P"].resolved == "new"  # not asked for: the default
    with pytest.raises(ValidationError, match="Cannot specify usePreviousValue as true"):
        bind(declared, use, Account(), None)


def test_what_is_not_to_be_echoed_is_hidden():
    value = one({"Type": "String", "NoEcho": True}, "secret")
    assert value.resolved == "secret"
    assert value.described() == {"ParameterKey": "P", "ParameterValue": "****"}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"Type": "List<String>"}, "Unrecognized parameter type: List<String>"),
        ({"Type": "AWS::RDS::DBInstance::Id"}, "Unrecognized parameter type"),
        ({"Type": "String", "AllowedPattern": "["}, "AllowedPattern of parameter P is no expression"),
        ({"Type": "String", "MaxLength": 1, "Default": "ab"}, "must contain at most 1 characters"),
        ({"Type": "String", "Default": ["a"]}, "Every Default member must be a string. (parameter P)"),
        ({"Type": "String", "MinLength": "few"}, "Every MinLength member must be a number. (parameter P)"),
        ({"Type": ["String"]}, "Every Type member must be a string. (parameter P)"),
    ],
)
def test_declarations_are_checked_without_a_value(declared, message):
    with pytest.raises(ValidationError) as error:
        check_declarations(template(P=declared))
    assert message in error.value.message
