"""Errors in the form that AWS SDKs parse: one body for each protocol.

Source: botocore's parsers (json, query, ec2, rest-json, rest-xml) and the AWS documents that they cite.
"""

import json
from functools import cache
from uuid import uuid4
from xml.sax.saxutils import escape

_JSON = "application/x-amz-json-1.1"


@cache
def protocol(service: str) -> str:
    """botocore's protocol for a signing name; `json` when botocore has no such service."""
    from botocore.exceptions import UnknownServiceError
    from botocore.session import get_session

    from local_aws.server.identify import _BOTO_NAMES

    name = _BOTO_NAMES.get(service, service)
    try:
        return get_session().get_service_model(name).metadata["protocol"]
    except UnknownServiceError:
        return "json"


def render(service: str, status: int, code: str, message: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status line, headers and body of an error answer of `service` in its own protocol."""
    request_id = str(uuid4())
    kind = protocol(service)
    code_, message_ = escape(code), escape(message)
    if kind in ("json", "rest-json", "smithy-rpc-v2-cbor"):
        content_type = _JSON if kind == "json" else "application/json"
        body = json.dumps({"__type": code, "message": message, "Message": message})
    elif kind == "ec2":
        content_type = "text/xml"
        body = (
            f"<Response><Errors><Error><Code>{code_}</Code><Message>{message_}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    elif kind == "rest-xml":
        content_type = "application/xml"
        body = f"<Error><Code>{code_}</Code><Message>{message_}</Message><RequestId>{request_id}</RequestId></Error>"
    else:
        content_type = "text/xml"
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code_}</Code><Message>{message_}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    data = body.encode("utf-8")
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(data))),
        ("x-amzn-ErrorType", code),
        ("x-amzn-RequestId", request_id),
    ]
    reasons = {400: "Bad Request", 404: "Not Found", 501: "Not Implemented", 507: "Insufficient Storage"}
    return (
        f"{status} {reasons.get(status, 'Internal Server Error' if status == 500 else 'Error')}",
        headers,
        data,
    )
