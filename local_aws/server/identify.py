"""Which service and action a request asks for, and who signed it."""

import io
import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from local_aws.config import DEFAULT_REGION

_CREDENTIAL = re.compile(r"Credential=([^/]+)/[^/]+/([^/]+)/([^/]+)/aws4_request")
_FORM = "application/x-www-form-urlencoded"
_GIT = re.compile(r"/v1/(regions/[^/]+/)?repos/.*")


@dataclass
class Call:
    """One request. `service` is the signing name; `action` the operation's name, or the method for unknown
    ones."""

    service: str
    action: str
    region: str
    access_key: str
    method: str
    path: str

    @property
    def name(self) -> str:
        return f"{self.service}:{self.action}"


def _read_form(environ: dict) -> dict[str, list[str]]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)


def _rest_action(service: str, environ: dict) -> str | None:
    from botocore.exceptions import UnknownServiceError
    from moto.core.request import Request
    from moto.core.routing import NotFound, get_service_router

    router = _ROUTERS.get(service)
    if router is None:
        try:
            router = get_service_router(_BOTO_NAMES.get(service, service))
        except UnknownServiceError:  # the caller names the method instead
            router = False
        _ROUTERS[service] = router
    if router is False:
        return None
    try:
        return router.match(Request(environ.copy()))[0].name
    except (NotFound, NotImplementedError, KeyError):
        return None


_ROUTERS: dict = {}
_BOTO_NAMES = {
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
    "email": "ses",
    "elasticfilesystem": "efs",
    "elasticloadbalancing": "elbv2",
}


def identify(environ: dict) -> Call:
    """Read service, region and key id from the signature (SigV4), the action from target, form, query or
    route."""
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/")
    auth = environ.get("HTTP_AUTHORIZATION", "")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    scope = _CREDENTIAL.search(auth)
    if scope:
        access_key, region, service = scope.groups()
    elif "X-Amz-Credential" in query:  # presigned URL
        access_key, _, region, service, _ = (query["X-Amz-Credential"][0].split("/") + [""] * 5)[:5]
    else:
        access_key, region, service = "", DEFAULT_REGION, ""
    if not service and _GIT.fullmatch(path):  # git over HTTP: Basic credentials, not a signature
        pushes = "git-receive-pack" in (path.rsplit("/", 1)[-1], *query.get("service", []))
        return Call("codecommit", "GitPush" if pushes else "GitPull", region, "", method, path)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    action = None
    if target:
        action = target.rsplit(".", 1)[-1]
        service = service or target.split(".", 1)[0].lower()
    elif (environ.get("CONTENT_TYPE") or "").startswith(_FORM) and service != "s3":
        action = _read_form(environ).get("Action", [None])[0]
    elif "Action" in query and service != "s3":
        action = query["Action"][0]
    if service == "" and action in ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"):
        service = "sts"
    service = service or "s3"  # moto's own default for unsigned requests
    if action is None:
        action = _rest_action(service, environ) or method
    return Call(service.lower(), action, region or DEFAULT_REGION, access_key, method, path)
