"""A FailureReason that says why: at most 1024 characters, in SageMaker's form."""

LIMIT = 1024
_TRACE = "Traceback (most recent call last):"
# Marks a text that only says that something failed, not why: the SDK's drivers and AWS's toolkit write these.
_GENERIC = ("CalledProcessError", "Training Execution failed. For more details", 'ErrorMessage ""')


def last_traceback(lines: list[str]) -> str | None:
    """The last Python traceback of the log that is not the SDK driver's own, up to its error line."""
    found = None
    for start in (i for i, line in enumerate(lines) if _TRACE in line):
        block = [lines[start][lines[start].index(_TRACE) :]]
        for line in lines[start + 1 :]:
            if _TRACE in line or "Command failed with exit code" in line:
                break
            block.append(line)
            head = line.split(":", 1)[0].strip()
            # the error line: 'some.Error: text', not indented in a raw log, no 'File "…", line n'
            if head.replace(".", "").replace("_", "").isalnum() and (
                head.rsplit(".", 1)[-1].endswith(("Error", "Exception", "Exit", "Interrupt", "Warning"))
            ):
                break
        text = "\n".join(block)
        if not any(word in text for word in _GENERIC):
            found = text
    return found


def failure_reason(exit_code: int, failure_file: str, log_tail: list[str]) -> str:
    """`AlgorithmError: …, exit code: N` from /opt/ml/output/failure, or a traceback, or the log's last
    lines."""
    text = failure_file.strip()
    if not text or any(word in text for word in _GENERIC):
        text = last_traceback(log_tail) or text or "\n".join(log_tail[-10:]).strip()
    head, tail = "AlgorithmError: ", f", exit code: {exit_code}"
    room = LIMIT - len(head) - len(tail)
    if len(text) > room:  # the end of a traceback says what went wrong
        text = "..." + text[-(room - 3) :]
    return head + text + tail
