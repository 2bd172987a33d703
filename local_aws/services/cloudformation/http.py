"""CloudFormation's protocol: moto's parser and serializer for it, without moto's CloudFormation.

moto's own service is not even imported: its template parser imports every service that moto has, which takes more
than a second at each start of the server.
"""

from collections.abc import Callable, Iterable

from moto.core.request import Request
from moto.core.responses import BaseResponse

from local_aws.server import emulated
from local_aws.server.app import LocalAwsApp
from local_aws.server.errors import render
from local_aws.server.identify import identify

SERVICE = "cloudformation"


class CloudFormationResponse(BaseResponse):
    """One request. The operations become its methods (`responses`, `changesets`); `params` are botocore's."""

    def __init__(self) -> None:
        super().__init__(service_name=SERVICE)
        self.automated_parameter_parsing = True


class Handler:
    """The WSGI handler of all CloudFormation requests: refuses what there is not, and holds the app's lock."""

    def __init__(self, app: LocalAwsApp):
        self._app = app

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        call = identify(environ)
        refusal = emulated.why_not(call.service, call.action)
        if refusal:
            status, headers, body = render(SERVICE, 501, "UnsupportedOperation", refusal)
            start_response(status, headers)
            return [body]
        with self._app.lock:
            request = Request(environ)
            code, fields, body = CloudFormationResponse.dispatch(request, request.url, request.headers)
        data = body.encode("utf-8") if isinstance(body, str) else body
        fields = {k: v for k, v in fields.items() if k not in ("status", "Content-Length", "content-length")}
        headers = [(name, str(value)) for name, value in fields.items()]
        start_response(
            f"{code} {'OK' if code < 400 else 'Error'}", [*headers, ("Content-Length", str(len(data)))]
        )
        return [data]
