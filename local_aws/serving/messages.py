"""What passes between the HTTP side of an instance and the code that runs the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

JSON = "application/json"


@dataclass
class Request:
    """One invocation. `headers` has names in Title-Case, as clients write them."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Response:
    """The answer of the container: HTTP status, body and its content type (None: no such header)."""

    status: int
    body: bytes
    content_type: str | None = JSON
    headers: dict[str, str] = field(default_factory=dict)


class Handler(Protocol):
    """Code that has a model. `load` may take long and may raise; `handle` never raises."""

    def load(self) -> None: ...

    def handle(self, request: Request) -> Response: ...
