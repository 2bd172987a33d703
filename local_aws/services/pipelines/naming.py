"""Names as Pipelines composes them."""

import re
import secrets
import string

_LETTERS = string.ascii_letters + string.digits
_TAIL = 10
_SHORT_LIMIT = 32  # names of tuning jobs: no room for the usual prefix


def execution_id() -> str:
    """Twelve lower-case letters and digits."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))


def _clean(text: str, length: int) -> str:
    """What a resource's name may hold, at most `length` characters, with no hyphen at an end."""
    return re.sub("[^A-Za-z0-9]+", "-", text)[: max(0, length)].strip("-")


def resource_name(execution: str, step: str, limit: int, prefix: str | None = None) -> str:
    """`pipelines-EXECUTION-STEP-RANDOM`, at most `limit` characters; `prefix` (a name in the definition, from
    the SDK's `use_custom_job_prefix`) takes the place of `pipelines` and the step's name."""
    tail = "".join(secrets.choice(_LETTERS) for _ in range(_TAIL))
    rest = f"{execution}-{tail}"
    if prefix:
        head = _clean(prefix, limit - len(rest) - 1)
        return f"{head}-{rest}" if head else rest
    if limit <= _SHORT_LIMIT:
        middle = _clean(step, limit - len(rest) - 1)
        return f"{execution}-{middle}-{tail}" if middle else rest
    middle = _clean(step, limit - len(rest) - len("pipelines--"))
    return f"pipelines-{execution}-{middle}-{tail}" if middle else f"pipelines-{rest}"
