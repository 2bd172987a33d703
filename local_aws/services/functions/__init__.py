"""Lambda functions that really run: moto's records, and Invoke as a Python process."""

from local_aws.server.app import LocalAwsApp
from local_aws.server.emulated import provides
from local_aws.services.functions.invoking import Functions, InvokeError, InvokeResult
from local_aws.services.functions.packages import inline_zip

__all__ = ["InvokeError", "InvokeResult", "inline_zip", "invoke"]


def invoke(app: LocalAwsApp, function: str, payload: bytes, account: str, region: str) -> InvokeResult:
    """Run a function (name, partial or full ARN) and wait for its result. Call it with no lock held.

    `payload` is the event as JSON (empty: {}). Raises `InvokeError` when there is no such function or it cannot
    run here; an error of the function itself is in the result's `function_error` and `payload`.
    """
    functions: Functions = app.functions
    return functions.run(functions.target(function, account, region), payload)


def register(app: LocalAwsApp) -> None:
    from local_aws.services.functions import api, loggroups, records

    records.install()
    loggroups.install()
    app.functions = Functions(app)
    app.before(api.PATH, api.InvokeHandler(app.functions), service="lambda")
    provides("lambda:Invoke")
