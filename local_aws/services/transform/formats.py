"""Records as values: rows of CSV, lines of JSON, and how an inference joins its input.

Joining follows the guide, "Associate Prediction Results with Input Records": a row of CSV gets the inference's
columns appended; a JSON object gets the key SageMakerOutput; any other JSON value becomes an object with
SageMakerInput and SageMakerOutput.
"""

import csv
import io
import json
from typing import Any

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
TYPES = (CSV, JSON, JSON_LINES)


class BadRecord(ValueError):
    """A record that is not what its content type says, or does not fit its input."""


def plain(content_type: str | None) -> str:
    """A content type without its parameters."""
    return (content_type or "").split(";")[0].strip().lower()


def parse(text: str, content_type: str) -> Any:
    """One record as a list of fields or a JSON value."""
    if content_type == CSV:
        return next(csv.reader([text]), [])
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadRecord(f"A record is no JSON: {error}") from None


def render(value: Any, content_type: str) -> str:
    """One record as text, without a line end."""
    if content_type != CSV:
        return json.dumps(value, ensure_ascii=False)
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(value if isinstance(value, list) else [value])
    return out.getvalue()


def split_answer(text: str, content_type: str, records: int) -> list[str]:
    """The answer of a model to `records` records, as as many texts."""
    if records == 1 and content_type == JSON:
        return [text]
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == records:
        return lines
    if content_type in (JSON, JSON_LINES):  # one JSON list with an entry for each record
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if isinstance(answer, list) and len(answer) == records:
            return [json.dumps(item, ensure_ascii=False) for item in answer]
    raise BadRecord(
        f"The model answered {records} records with {len(lines)} lines, so that they cannot be joined. Use "
        "BatchStrategy SingleRecord."
    )


def join(source: Any, result: Any, content_type: str) -> Any:
    """An input record with its inference."""
    if content_type == CSV:
        return [*source, *(result if isinstance(result, list) else [result])]
    if isinstance(source, dict):
        return {**source, "SageMakerOutput": result}
    return {"SageMakerInput": source, "SageMakerOutput": result}
