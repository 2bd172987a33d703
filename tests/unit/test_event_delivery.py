"""What becomes of an event on its way to a target: attempts, what is kept on disk, and what never leaves."""

import threading
from types import SimpleNamespace

import pytest

from local_aws.services.events import delivery as module
from local_aws.services.events import targets
from local_aws.services.events.delivery import Delivery, make_event
from local_aws.services.events.inputs import payload
from local_aws.services.events.targets import NotDelivered
from local_aws.state.documents import Document

HERE, THERE, FAR = "111111111111", "222222222222", "333333333333"


class Documents:
    """What is on disk, by kind and name."""

    def __init__(self):
        self.kept = {}

    def write(self, put=(), remove=()):
        self.kept.update({(d.kind, d.name): d for d in put})
        for document in remove:
            del self.kept[document.kind, document.name]

    def all(self, kind):
        return [document for (k, _), document in list(self.kept.items()) if k == kind]


def event(account=HERE):
    return make_event("lab", "Said", {"n": 1}, [], account, "us-east-1")


def invocation(event, arn="arn:aws:sqs:us-east-1:111111111111:q", **target):
    value = {"event": event, "rule": "arn:aws:events:us-east-1:1:rule/r", "target": {"Id": "1", "Arn": arn}}
    value["target"] |= target
    return Document("invocation", HERE, "us-east-1", "one", value)


@pytest.fixture
def app():
    return SimpleNamespace(
        documents=Documents(),
        lock=threading.RLock(),
        on_start=lambda function: None,
        on_stop=lambda function: None,
    )


@pytest.fixture
def deliver(app, monkeypatch):
    """Delivers one invocation whose attempts fail with these errors in turn; how many attempts were made."""
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(module.Metrics, "add", lambda self, *names: None)
    made = []

    def run(*errors, **target):
        waiting, made[:] = list(errors), []

        def send(app, document):
            made.append(document)
            if waiting:
                raise waiting.pop(0)

        monkeypatch.setattr(targets, "send", send)
        document = invocation(event(), **target)
        app.documents.write(put=[document])
        delivery = Delivery(app)
        delivery.start()
        assert delivery.wait_idle(10)
        return len(made)

    return run


def busy():
    return NotDelivered("SDK_CLIENT_ERROR", "try again", retry=True)


def test_what_may_succeed_later_is_tried_again(deliver, app):
    assert deliver(busy(), busy()) == 3
    assert deliver(*[busy()] * 9) == 4  # it is given up after three more attempts
    assert deliver(busy(), RetryPolicy={"MaximumRetryAttempts": 0}) == 1
    assert deliver(NotDelivered("NO_RESOURCE", "no such queue")) == 1
    assert deliver(KeyError("nobody foresaw this")) == 2


def test_what_is_delivered_or_given_up_is_not_kept(deliver, app):
    deliver()
    assert app.documents.kept == {}
    deliver(NotDelivered("NO_RESOURCE", "no such queue"))
    assert app.documents.kept == {}


def test_an_event_of_a_third_account_goes_no_further():
    """HERE has it from FAR, and would send it on to THERE."""
    bus = f"arn:aws:events:us-east-1:{THERE}:event-bus/default"
    with pytest.raises(NotDelivered) as caught:
        targets.send(SimpleNamespace(), invocation(event(FAR), bus))
    assert caught.value.code == "THIRD_ACCOUNT_HOP_DETECTED" and FAR in str(caught.value)


def test_a_path_that_names_nothing_is_empty_in_a_text_and_absent_elsewhere():
    transformer = {
        "InputPathsMap": {"n": "$.detail.n", "no": "$.detail.no"},
        "InputTemplate": '{"text": "<n> of <no>.", "n": <n>, "no": <no>, "list": [<n>, <no>]}',
    }
    found = payload({"InputTransformer": transformer}, event(), "arn:aws:events:us-east-1:1:rule/r")
    assert found == {"text": "1 of .", "n": 1, "list": [1]}
