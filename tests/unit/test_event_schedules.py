"""Schedule expressions of EventBridge rules, and the templates and paths of their targets."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.services.events.inputs import find, payload
from local_aws.services.events.policy import may_send
from local_aws.services.events.schedules import parse

START = datetime(2026, 11, 25, tzinfo=UTC)  # a Wednesday


def times(expression, days=40):
    """When it comes due in the days after START, to the hour for `0` minutes."""
    schedule = parse(expression)
    minutes = (START + timedelta(minutes=15 * n) for n in range(days * 96))
    return [when for when in minutes if schedule.due(START, when)]


def days(expression, count=40):
    return [f"{when:%m-%d}" for when in times(expression, count)]


def test_cron():
    assert times("cron(15 10 * * ? *)", 2) == [
        START.replace(hour=10, minute=15),
        START.replace(day=26, hour=10, minute=15),
    ]
    assert len(times("cron(0/30 9-10 ? * MON-FRI *)", 7)) == 4 * 5
    assert days("cron(0 8 1,15 * ? *)") == ["12-01", "12-15", "01-01"]
    assert days("cron(0 8 L * ? *)") == ["11-30", "12-31"]
    assert days("cron(0 8 ? * 6L *)") == ["11-27", "12-25"]
    assert days("cron(0 8 ? * TUE#2 *)") == ["12-08"]
    assert days("cron(0 8 28W NOV ? 2026)") == ["11-27"]  # a Saturday's nearest weekday
    assert days("cron(0 8 ? DEC SUN 2027)") == []


def test_rate():
    schedule = parse("rate(2 hours)")
    assert not schedule.due(START, START + timedelta(minutes=119))
    assert schedule.due(START, START + timedelta(minutes=120))
    assert parse("rate(1 day)").due(START, START + timedelta(days=1))


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minutes)", "rate(5 minute)", "rate(0 hours)", "rate(five minutes)", "every day", "cron(0 8 * * *)",
        "cron(0 8 * * * *)", "cron(0 8 ? * ? *)", "cron(61 8 * * ? *)", "cron(0 8 32 * ? *)", "cron(0 8 ? * FOO *)",
        "cron(0 9-8 * * ? *)",
    ],
)  # fmt: skip
def test_what_is_no_schedule(expression):
    with pytest.raises(ValueError):
        parse(expression)


EVENT = {
    "id": "1",
    "time": "2026-11-25T00:00:00Z",
    "detail": {"name": 'Ada "A"', "n": 3, "list": [{"k": 1}, {"k": 2}]},
}


def test_paths():
    assert find("$.detail.list[1].k", EVENT) == 2
    assert find("$.detail.list[*].k", EVENT) == [1, 2]
    assert find("$['detail']['n']", EVENT) == 3
    assert find("$", EVENT) == EVENT
    for path in ("$.nope", "$.detail.list[7]", "$.id.x", "$.id[0]"):
        with pytest.raises(LookupError):
            find(path, EVENT)
    with pytest.raises(ValueError, match="no JSON path"):
        find("detail", EVENT)


def transformed(template, **paths):
    target = {"InputTransformer": {"InputTemplate": template, "InputPathsMap": paths}}
    return payload(target, EVENT, "arn:aws:events:us-east-1:123456789012:rule/bus/nightly")


def test_templates():
    assert transformed('{"who": <n>, "said": "<n> was <c>"}', n="$.detail.name", c="$.detail.n") == {
        "who": 'Ada "A"',
        "said": 'Ada "A" was 3',
    }
    assert transformed('"<r> <x>"', x="$.nope", r="$.id") == "1 "
    assert transformed('{"a": <x>, "b": 1}', x="$.nope") == {"b": 1}
    assert transformed('{"rule": "<aws.events.rule-name>"}') == {"rule": "nightly"}
    assert transformed('{"e": <aws.events.event.json>}') == {"e": EVENT}
    assert transformed("plain <n>", n="$.detail.n") == "plain 3"
    assert transformed('{"html": "<b>"}') == {"html": "<b>"}  # no variable of the map


@settings(max_examples=80, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v, max_size=3)))
def test_a_value_comes_through_a_template_unchanged(value):
    target = {"InputTransformer": {"InputTemplate": '{"v": <v>}', "InputPathsMap": {"v": "$.detail"}}}
    assert payload(target, {**EVENT, "detail": value}, "arn:rule/x") == {"v": value}


BUS = "arn:aws:events:us-east-1:123456789012:event-bus/default"


def statement(**changes):
    allow = {"Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": BUS}
    return {**allow, **changes}


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([], False),
        ([statement()], True),
        ([statement(Principal={"AWS": "arn:aws:iam::210987654321:root"})], True),
        ([statement(Principal={"AWS": ["999999999999", "210987654321"]})], True),
        ([statement(Principal={"AWS": "arn:aws:iam::999999999999:root"})], False),
        ([statement(Action="events:PutRule")], False),
        ([statement(Resource=BUS + "-other")], False),
        ([statement(), statement(Effect="Deny")], False),
        ([statement(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})], False),
        ([statement(Condition={"StringEquals": {"aws:SourceAccount": "210987654321"}})], True),
        ([statement(Condition={"StringEquals": {"events:source": "aws.sagemaker"}})], True),
        ([statement(Condition={"StringLike": {"events:source": ["aws.*"]}})], True),
        ([statement(Condition={"StringEquals": {"events:source": "aws.*"}})], False),
        ([statement(Condition={"StringEquals": {"events:detail-type": "Other"}})], False),
    ],
)
def test_the_policy_of_a_bus(statements, allowed):
    assert may_send(statements, BUS, "210987654321", "aws.sagemaker", "A State Change") is allowed
