"""The way from InvokeEndpoint to a container, with containers that misbehave on the wire."""

import io
import json
import socket
import threading
from types import SimpleNamespace

import pytest

from local_aws.services.endpoints.fleet import Fleet, Variant
from local_aws.services.endpoints.instance import Instance, InstanceGone, ModelTimeout, NotReached
from local_aws.services.endpoints.invoke import InvokeEndpoint

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def container(tmp_path):
    """Starts a container whose connections are handled by a function(socket); gives an Instance for it."""
    listeners = []

    def start(handle) -> Instance:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        app = SimpleNamespace(logs=lambda group, stream, region, account: None)
        instance = Instance(
            app, "AllTraffic", {}, tmp_path, ("123456789012", "us-east-1"), "/aws/sagemaker/Endpoints/e"
        )
        instance._port = listener.getsockname()[1]
        return instance

    yield start
    for listener in listeners:
        listener.close()


def read_request(connection) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return body


def test_connections_are_kept(container):
    connections = []

    def handle(connection):
        connections.append(connection)
        while read_request(connection):
            connection.sendall(ANSWER)

    instance = container(handle)
    for _ in range(5):
        status, headers, body = instance.invoke(b"x", {})
        assert (status, headers["Content-Type"], body) == (200, "text/plain", b"ok")
    assert len(connections) == 1
    assert instance.busy == 0


def test_a_kept_connection_that_was_closed_costs_no_request(container):
    def handle(connection):
        read_request(connection)
        connection.sendall(ANSWER)
        connection.close()  # without saying so in a header

    instance = container(handle)
    assert [instance.invoke(b"x", {})[2] for _ in range(5)] == [b"ok"] * 5


def test_a_container_that_hangs_up_is_gone(container):
    seen = []

    def handle(connection):
        seen.append(read_request(connection))
        connection.close()

    with pytest.raises(InstanceGone):
        container(handle).invoke(b"x", {})
    assert seen == [b"x"]  # never sent twice over new connections


def test_a_container_that_has_ended_is_not_reached(container):
    instance = container(lambda connection: None)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    instance._port = port
    with pytest.raises(NotReached):
        instance.invoke(b"x", {})
    assert not instance.ready  # nothing more is sent there until its /ping answers


def test_a_container_that_is_silent_times_out(container):
    instance = container(lambda connection: threading.Event().wait(5))
    with pytest.raises(ModelTimeout):
        instance.invoke(b"x", {}, timeout=0.2)
    fleet = Fleet([Variant("AllTraffic", 1.0, [instance])], None)
    added = []
    manager = SimpleNamespace(
        fleet=lambda *place: (fleet.enter(), fleet)[1],
        app=SimpleNamespace(account_id="123456789012"),
        metrics=SimpleNamespace(add=lambda *values: added.append(values)),
    )
    plain = instance.invoke
    instance.invoke = lambda body, headers: plain(body, headers, timeout=0.2)
    answer = {}
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/endpoints/e/invocations",
        "CONTENT_LENGTH": "1",
        "wsgi.input": io.BytesIO(b"x"),
    }
    handler = InvokeEndpoint(manager)
    body = b"".join(
        handler(environ, lambda status, headers: answer.update(status=status, headers=dict(headers)))
    )
    assert answer["status"] == "424 Failed Dependency"
    assert answer["headers"]["x-amzn-ErrorType"] == "ModelError"
    error = json.loads(body)
    assert error["OriginalStatusCode"] == 0
    assert error["OriginalMessage"] == (
        "Your invocation timed out while waiting for a response from container primary. Review the latency "
        "metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
    )
    assert added[0][3] == 500
    assert fleet.drain(0)
