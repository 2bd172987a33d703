"""The Lambda runtime inside a function's process: imports the handler, calls it once, tells the server.

Standard library only. What it tells goes through a pipe as JSON lines: `init` (the module is imported), then
`result` or `error`, with the error's log entry. Error types and texts follow the Lambda guide, "AWS Lambda
function errors in Python".
"""

import importlib
import json
import logging
import os
import resource
import sys
import time
import traceback


class Context:
    """The handler's second argument (Lambda guide, "Using the Lambda context object to retrieve Python
    function information")."""

    def __init__(self, call):
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = call["arn"]
        self.aws_request_id = call["request_id"]
        self.identity = self.client_context = None
        self._deadline = time.monotonic() + call["timeout"]

    def get_remaining_time_in_millis(self):
        return max(0, int((self._deadline - time.monotonic()) * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


class LogHandler(logging.Handler):
    """What `logging` writes: level, UTC time, request id and message, separated by tabs."""

    def __init__(self, request_id):
        super().__init__()
        form = f"[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t{request_id}\t%(message)s"
        formatter = logging.Formatter(form, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record):
        sys.stdout.write(self.format(record) + "\n")
        sys.stdout.flush()


class Refused(Exception):
    """A handler that cannot be called: the error's type, message and traceback lines."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind, self.trace = kind, list(trace)


def load(name):
    """The handler function of `module.function`; the module may be a path with slashes."""
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise Refused(
            "Runtime.MalformedHandlerName", f"Bad handler '{name}': it must look like file.function"
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Refused(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from error
    except SyntaxError as error:
        place = f'  File "{error.filename}" Line {error.lineno}\n    {(error.text or "").strip()}\n'
        raise Refused(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [place]
        ) from error
    try:
        return getattr(module, function)
    except AttributeError as error:
        raise Refused(
            "Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'"
        ) from error


def frames(error):
    """The traceback's entries that are the function's own code."""
    entries = traceback.extract_tb(error.__traceback__)
    hidden = (__file__, "<frozen importlib")
    own = [e for e in entries if not e.filename.startswith(hidden) and "/importlib/" not in e.filename]
    return traceback.format_list(own)


def failure(error, request_id):
    """The error payload, and its log entry."""
    if isinstance(error, Refused):
        kind, message, trace = error.kind, str(error), error.trace
    elif isinstance(error, SystemExit):
        message = f"RequestId: {request_id} Error: Runtime exited with error: exit status {error.code or 0}"
        return {"errorType": "Runtime.ExitError", "errorMessage": message}, message
    else:
        kind, message, trace = type(error).__name__, str(error), frames(error)
    payload = {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": trace,
    }
    head = f"[ERROR] {kind}: {message}\nTraceback (most recent call last):\n"
    return payload, (head + "".join(trace)).rstrip()


def main():
    descriptor = int(os.environ.pop("LOCAL_AWS_CONTROL"))
    os.set_inheritable(descriptor, False)
    control = os.fdopen(descriptor, "w", encoding="utf-8")

    def tell(**message):
        sys.stdout.flush()
        sys.stderr.flush()
        control.write(json.dumps(message) + "\n")
        control.flush()

    call = json.loads(sys.stdin.buffer.readline())
    event = json.loads(sys.stdin.buffer.read() or b"{}")
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  the function's own standard input is empty
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    logging.getLogger().addHandler(LogHandler(call["request_id"]))
    began = time.perf_counter()
    status = 0
    try:
        handler = load(os.environ["_HANDLER"])
        tell(init=time.perf_counter() - began)
        context, began = Context(call), time.perf_counter()
        result = handler(event, context)
        try:
            text = json.dumps(result, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise Refused("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
        answer = {"result": text}
    except BaseException as error:  # also SystemExit and KeyboardInterrupt of the function
        payload, log = failure(error, call["request_id"])
        answer = {"error": payload, "log": log}
        status = 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    tell(**answer, duration=time.perf_counter() - began, memory=peak)
    os._exit(status)  # threads that the function left behind end with the invocation


if __name__ == "__main__":
    main()
