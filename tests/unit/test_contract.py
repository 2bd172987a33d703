"""The request and response contract that both endpoints share."""

import csv
import io
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_lib.algorithms.contract import (
    LABELS,
    MAX_BYTES,
    MAX_CHARACTERS,
    MAX_TEXTS,
    RequestError,
    format_response,
    parse_request,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.just("inputs"), inner, max_size=3)
    ),
    max_leaves=12,
)


def refused(body, content_type="application/json"):
    with pytest.raises(RequestError) as caught:
        parse_request(body, content_type)
    return caught.value


@given(st.lists(texts, min_size=1, max_size=8), st.booleans(), st.booleans())
def test_json_round_trip(inputs, as_bytes, escaped):
    body = json.dumps({"inputs": inputs}, ensure_ascii=escaped)
    assert parse_request(body.encode() if as_bytes else body, "application/json; charset=UTF-8") == inputs


@given(st.lists(texts, min_size=1, max_size=8))
def test_csv_round_trip(inputs):
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([text] for text in inputs)
    expected = [inputs[0], *inputs[1:]]
    assert parse_request(stream.getvalue(), "text/csv") == expected


@given(texts.filter(lambda text: not text.startswith("\ufeff")))
def test_plain_text_is_one_text(text):
    assert parse_request(text.encode(), "text/plain") == [text]


@given(json_values, st.sampled_from(["application/json", "text/csv", "text/plain"]))
def test_any_json_value_gives_texts_or_a_request_error(value, content_type):
    try:
        parsed = parse_request(json.dumps(value), content_type)
    except RequestError as error:
        assert 400 <= error.status_code < 500 and str(error)
    else:
        assert parsed and all(isinstance(text, str) and text.strip() for text in parsed)


@given(st.binary(max_size=200) | st.text(max_size=200), st.text(max_size=30) | st.none())
def test_any_body_and_content_type_give_texts_or_a_request_error(body, content_type):
    for kind in (content_type, "application/json", "text/csv", "text/plain"):
        try:
            parse_request(body, kind)
        except RequestError as error:
            assert 400 <= error.status_code < 500


@pytest.mark.parametrize(
    ("body", "content_type", "status", "says"),
    [
        ("", "application/json", 400, "not JSON"),
        ('{"inputs": ["a"', "application/json", 400, "not JSON"),
        ('"good"', "application/json", 400, 'no key "inputs"'),
        ('{"inputs": {}}', "application/json", 400, "neither a string nor a list"),
        ('{"inputs": []}', "application/json", 400, "no text"),
        ('{"inputs": ["good", 3]}', "application/json", 400, "Text 2 is a int"),
        ('{"inputs": ["good", "\\n "]}', "application/json", 400, "Text 2 is blank"),
        ('{"inputs": "\\ud83d"}', "application/json", 400, "surrogate"),
        ('{"inputs": "a", "top_k": 2}', "application/json", 400, '["top_k"]'),
        ("[" * 100_000, "application/json", 400, "nested too deeply"),
        ("1" * 10_000, "application/json", 400, "not JSON"),
        (b"\xff\xfe", "text/plain", 400, "not UTF-8 at byte 0"),
        (None, "text/plain", 400, "NoneType"),
        ("a,b\n", "text/csv", 400, "Row 1 of the CSV has 2 columns"),
        ('"good\n', "text/csv", 400, "not CSV"),
        ("good\n\nbad\n", "text/csv", 400, "Text 2 is blank"),
        ("x" * 200_000, "text/csv", 413, "send at most 10,000"),
        ("x" * (MAX_CHARACTERS + 1), "text/plain", 413, "10,001 characters"),
        ("x" * 1_000_000, "text/plain", 413, "1,000,000 characters"),
        ("good\n" * (MAX_TEXTS + 1), "text/csv", 413, "513 texts"),
        (b"x" * (MAX_BYTES + 1), "text/plain", 413, "6,291,457 bytes"),
        ("good", "image/png", 415, "'image/png'"),
        ("good", "", 415, "not supported"),
        ("good", None, 415, "not supported"),
        ("good", "text/plain; charset=latin-1", 415, "'latin-1'"),
    ],
)
def test_bad_requests_name_cause_and_remedy(body, content_type, status, says):
    error = refused(body, content_type)
    assert error.status_code == status
    assert says in str(error)
    assert any(remedy in str(error) for remedy in ("send", "cut it", "leave it out", "encode it"))


def test_the_limits_themselves_are_allowed():
    assert len(parse_request(json.dumps({"inputs": ["x"] * MAX_TEXTS}), "application/json")) == MAX_TEXTS
    assert parse_request("x" * MAX_CHARACTERS, "text/plain") == ["x" * MAX_CHARACTERS]


def test_the_error_is_the_serving_toolkits_own_and_survives_a_process_border():
    toolkit = pytest.importorskip("sagemaker_inference.errors")
    error = pickle.loads(pickle.dumps(refused("x" * 20_000, "text/plain")))
    assert isinstance(error, toolkit.BaseInferenceToolkitError)
    assert error.status_code == 413 and "20,000" in error.message and error.phrase


@given(st.lists(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), max_size=5))
def test_responses_carry_every_probability(probabilities):
    body, content_type = format_response(probabilities, "application/json")
    predictions = json.loads(body)["predictions"]
    assert content_type == "application/json" and len(predictions) == len(probabilities)
    for prediction, row in zip(predictions, probabilities, strict=True):
        assert prediction["label"] == LABELS[prediction["label_id"]]
        assert prediction["score"] == pytest.approx(max(row), abs=1e-6)
        assert list(prediction["probabilities"].values()) == pytest.approx(row, abs=1e-6)
    rows = list(csv.reader(io.StringIO(format_response(probabilities, "text/csv")[0])))
    assert [int(label) for label, _ in rows] == [prediction["label_id"] for prediction in predictions]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/html, text/csv;q=0.2, application/json;q=0.1", "text/csv"),
        ("text/csv;q=0.1, application/json", "application/json"),
        ("application/json;q=0, text/csv", "text/csv"),
    ],
)
def test_accept_is_read_as_http_defines_it(accept, content_type):
    assert format_response([[0.2, 0.3, 0.5]], accept)[1] == content_type


def test_an_answer_that_cannot_be_given_is_406_and_a_broken_model_is_not_the_callers_fault():
    with pytest.raises(RequestError) as caught:
        format_response([[0.2, 0.3, 0.5]], "application/x-npy")
    assert caught.value.status_code == 406
    for row in ([0.5, 0.5], [float("nan"), 0.5, 0.5]):
        with pytest.raises(ValueError, match="3 finite probabilities"):
            format_response([row])
