"""Records, payloads, filters and joins of batch transform, without a server."""

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.services.transform import formats
from local_aws.services.transform.formats import CSV, JSON, JSON_LINES, BadRecord
from local_aws.services.transform.jsonpath import BadPath, NotFound, Path
from local_aws.services.transform.processing import MEGABYTE, Processing

RECORD = {"id": 1, "features": {"x": [10, 20, 30], "weird name": "w"}, "list": [{"a": 1}, {"a": 2}]}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", RECORD),
        ("$.id", 1),
        ("$.features.x", [10, 20, 30]),
        ("$.features['weird name']", "w"),
        ("$['id','list']", [1, [{"a": 1}, {"a": 2}]]),
        ("$.features.x[0]", 10),
        ("$.features.x[-1]", 30),
        ("$.features.x[0,2]", [10, 30]),
        ("$.features.x[1:]", [20, 30]),
        ("$.features.x[:-1]", [10, 20]),
        ("$.features.x[*]", [10, 20, 30]),
        ("$.list[*].a", [1, 2]),
    ],
)
def test_paths(path, found):
    assert Path(path).find(RECORD) == found


@pytest.mark.parametrize("path", ["x", "$..x", "$[?(@.a)]", "$.", "$[", "$" + "." + "x" * 70])
def test_paths_that_are_not_understood(path):
    with pytest.raises(BadPath):
        Path(path)


@pytest.mark.parametrize("path", ["$.nothing", "$.id.x", "$.features.x[9]", "$.features[0]"])
def test_a_path_that_selects_nothing(path):
    with pytest.raises(NotFound, match="selects nothing"):
        Path(path).find(RECORD)


fields = st.lists(
    st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\u2028\u2029\x85")),
    min_size=1,
    max_size=5,
)


@settings(max_examples=100, deadline=None)
@given(fields)
def test_a_row_of_csv_is_read_as_it_was_written(row):
    text = formats.render(row, CSV)
    assert formats.parse(text, CSV) == row
    assert next(csv.reader([text]), []) == row


def processing(**options):
    source = {"ContentType": options.pop("content", CSV), "SplitType": options.pop("split", "Line")}
    request = {"TransformInput": source, "TransformOutput": {"AssembleWith": options.pop("assemble", "Line")}}
    return Processing({**request, **options})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("ab,1", min_size=1, max_size=40), max_size=60),
    st.booleans(),
    st.booleans(),
    st.integers(40, 200),
)
def test_payloads_hold_every_line_once_in_order_within_the_limit(
    tmp_path_factory, lines, single, ends, limit
):
    file = tmp_path_factory.mktemp("payloads") / "data"
    file.write_bytes("\n".join(lines).encode() + (b"\n" if ends else b""))
    made = processing(**({"BatchStrategy": "SingleRecord"} if single else {}))
    made.limit = limit
    payloads = list(made.payloads(file))
    assert [line for p in payloads for line in p.body.decode().splitlines()] == lines
    assert [p.count for p in payloads] == [len(p.body.decode().splitlines()) for p in payloads]
    assert all(len(p.body) <= limit + 1 for p in payloads)
    if single:
        assert all(p.count == 1 for p in payloads)
    elif len(payloads) > 1:  # none could have taken the next one's first line, too
        pairs = zip(payloads, payloads[1:], strict=False)
        assert all(len(a.body) + len(b.body.split(b"\n")[0]) + 1 > limit for a, b in pairs)


def test_a_line_above_the_limit_is_refused(tmp_path):
    file = tmp_path / "data"
    file.write_bytes(b"x" * (MEGABYTE + 1))
    with pytest.raises(BadRecord, match=r"Too much data for max payload size \(1 MB\)"):
        list(processing(MaxPayloadInMB=1).payloads(file))
    assert len(next(iter(processing(MaxPayloadInMB=0).payloads(file))).body) == MEGABYTE + 2


def joined(tmp_path, text, answer, answer_type, content=CSV, split="Line", **filters):
    file = tmp_path / "data"
    file.write_text(text, "utf-8")
    made = processing(content=content, split=split, assemble=split, DataProcessing=filters)
    (payload,) = made.payloads(file)
    return payload.body.decode(), made.result(payload, answer.encode(), answer_type).decode()


def test_csv_is_joined_by_columns(tmp_path):
    sent, result = joined(tmp_path, "1,a\n2,b\n", "x,y\nz,w\n", CSV, InputFilter="$[1]", JoinSource="Input")
    assert (sent, result) == ("a\nb\n", "1,a,x,y\n2,b,z,w\n")


def test_json_lines_are_joined_under_sagemakeroutput(tmp_path):
    text = '{"a": 1}\n{"a": 2}\n'
    _, result = joined(tmp_path, text, "[10, 20]", JSON, JSON_LINES, JoinSource="Input")
    assert [json.loads(line) for line in result.splitlines()] == [
        {"a": 1, "SageMakerOutput": 10},
        {"a": 2, "SageMakerOutput": 20},
    ]
    _, result = joined(tmp_path, "[1, 2]\n", "3\n", JSON_LINES, JSON_LINES, JoinSource="Input")
    assert json.loads(result) == {"SageMakerInput": [1, 2], "SageMakerOutput": 3}


def test_a_whole_json_document_is_filtered(tmp_path):
    sent, result = joined(
        tmp_path,
        '{"keep": {"n": 1}, "id": 7}',
        '{"score": 0.5}',
        JSON,
        JSON,
        "None",
        InputFilter="$.keep",
        JoinSource="Input",
        OutputFilter="$['id','SageMakerOutput']",
    )
    assert (json.loads(sent), json.loads(result)) == ({"n": 1}, [7, {"score": 0.5}])


def test_what_cannot_be_joined_is_said(tmp_path):
    with pytest.raises(BadRecord, match="answered 2 records with 1 lines"):
        joined(tmp_path, "1\n2\n", "only one", CSV, JoinSource="Input")
    with pytest.raises(BadRecord, match="cannot be joined with an inference of type application/jsonlines"):
        joined(tmp_path, "1\n", "{}", JSON_LINES, JoinSource="Input")
    with pytest.raises(BadRecord, match="answered with image/png"):
        joined(tmp_path, "1\n", "x", "image/png", JoinSource="Input")
    with pytest.raises(BadRecord, match="A record is no JSON"):
        joined(tmp_path, "{no\n", "{}", JSON_LINES, JSON_LINES, JoinSource="Input")
    with pytest.raises(BadRecord, match="InputFilter .* selects nothing"):
        joined(tmp_path, "1\n", "x", CSV, InputFilter="$[5]")
