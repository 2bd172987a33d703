"""Least privilege: the templates obey the rules, and each rule finds what it is for."""

import copy

import pytest
from policy_rules import IDENTITY, RULES, statements

from tools.templates import STACKS, load, template

BAD = {
    "no_star_action": 'Statement: {Effect: Allow, Action: "*", Resource: "arn:aws:s3:::b"}',
    "no_star_action of a service": 'Statement: {Effect: Allow, Action: ["s3:*"], Resource: "arn:aws:s3:::b"}',
    "no_star_action by NotAction": 'Statement: {Effect: Allow, Action: "s3:GetObject", NotResource: x, Resource: y}',
    "no_star_resource": 'Statement: {Effect: Allow, Action: [s3:GetObject], Resource: "*"}',
    "no_star_resource in a list": 'Statement: {Effect: Allow, Action: sagemaker:CreateModel, Resource: ["*"]}',
    "no_star_resource in a branch": (
        'Statement: [!If [C, {Effect: Allow, Action: sqs:SendMessage, Resource: "*"}, !Ref AWS::NoValue]]'
    ),
    "limit_takes_effect": (
        'Statement: {Effect: Allow, Action: sagemaker:ListModels, Resource: "arn:aws:sagemaker:*:*:model/a*"}'
    ),
    "limit_takes_effect of another kind": (
        'Statement: {Effect: Allow, Action: sagemaker:CreateModel, Resource: "arn:aws:sagemaker:*:*:endpoint/a*"}'
    ),
    "actions_exist": 'Statement: {Effect: Allow, Action: sagemaker:CreateTrainingJobs, Resource: "*"}',
    "pass_role_names_its_service": (
        'Statement: {Effect: Allow, Action: iam:PassRole, Resource: "arn:aws:iam::123456789012:role/x"}'
    ),
}


def bad_template(document):
    return load(
        "Resources:\n  Bad:\n    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      PolicyDocument:\n        "
        + document
    )


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_template_obeys(stack, rule):
    assert list(rule(template(stack))) == []


@pytest.mark.parametrize("case", BAD)
def test_the_rule_finds_a_bad_policy(case):
    rule = next(rule for rule in RULES if rule.__name__ == case.split()[0])
    assert list(rule(bad_template(BAD[case])))


def test_every_statement_is_looked_at():
    """A policy in a form that the rules do not read would pass them all."""
    for stack in STACKS:
        parsed = template(stack)
        seen = {name for name, _ in statements(parsed, IDENTITY)}
        made = {name for name, r in parsed["Resources"].items() if r["Type"] in IDENTITY}
        without = {
            n
            for n in made
            if not parsed["Resources"][n]["Properties"].keys() & {"Policies", "PolicyDocument"}
        }
        assert seen == made - without


@pytest.mark.parametrize(
    "status",
    [["Approved", "Rejected"], [{"anything-but": "PendingManualApproval"}], [{"prefix": "App"}], None],
)
def test_a_rule_that_would_deploy_what_was_not_approved_is_found(status):
    bad = copy.deepcopy(template("03-ml-environment"))
    bad["Resources"]["ApprovalRule"]["Properties"]["EventPattern"]["detail"]["ModelApprovalStatus"] = status
    rule = RULES[-1]
    assert "not exactly Approved" in next(iter(rule(bad)))


def test_an_anonymous_principal_is_found():
    bad = copy.deepcopy(template("03-ml-environment"))
    document = bad["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]
    document["Statement"][0]["Effect"] = "Allow"
    assert list(RULES[-2](bad)) == ["BucketPolicy: Principal * is allowed"]
