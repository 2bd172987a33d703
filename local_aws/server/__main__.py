"""Run the server in this process: `python -m local_aws.server --home DIR --port N` (used by `local-aws
start`)."""

import argparse
import fcntl
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from local_aws.config import DEFAULT_REGION, DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY, LocalAwsError

log = logging.getLogger("local_aws")


def _clean_environment() -> None:
    """moto makes boto3 sessions of its own: nothing of a real account may be near them."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "MOTO_"))]:
        del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID=DUMMY_ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY=DUMMY_SECRET_KEY,
        AWS_DEFAULT_REGION=DEFAULT_REGION,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )


def _write_record(home: Path, record: dict) -> None:
    temporary = home / "server.json.new"
    temporary.write_text(json.dumps(record, indent=1), "utf-8")
    temporary.replace(home / "server.json")


def _take(lock, seconds: float = 1.0) -> bool:
    """Lock the file. Tried for a while: a client that looks whether a server runs holds it for a moment."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local_aws.server", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="0: the system chooses a free one")
    options = parser.parse_args(argv)
    home: Path = options.home.resolve()
    (home / "logs").mkdir(parents=True, exist_ok=True)
    _clean_environment()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for noisy in ("waitress", "botocore", "werkzeug"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    # Held for as long as this process lives: the truth about 'is it running', unlike a pid file.
    lock = (home / "server.lock").open("w")
    if not _take(lock):
        print(f"another local_aws server is using {home}", file=sys.stderr)
        return 3
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", options.port))
    except OSError as error:
        print(f"cannot listen on 127.0.0.1:{options.port}: {error.strerror}", file=sys.stderr)
        return 4
    port = listener.getsockname()[1]

    from moto.core.config import default_user_config
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from waitress import create_server

    from local_aws.server.accesslog import AccessLog
    from local_aws.server.app import LocalAwsApp
    from local_aws.server.channel import Channel
    from local_aws.server.front import Front

    default_user_config["iam"]["load_aws_managed_policies"] = True
    ending = threading.Event()
    app = LocalAwsApp(home)
    app.endpoint_url = f"http://127.0.0.1:{port}"
    app.load_services()
    try:
        app.open_state()
    except LocalAwsError as error:
        print(error, file=sys.stderr)
        return 5
    moto_app = DomainDispatcherApplication(create_backend_app)
    front = Front(app, moto_app, AccessLog(home / "logs" / "access.jsonl"), ending.set)
    server = create_server(
        front,
        sockets=[listener],
        threads=16,
        channel_timeout=600,
        max_request_body_size=2**40,
        ident="local_aws",
    )
    server.channel_class = Channel
    app.start()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    signal.signal(signal.SIGINT, lambda *_: ending.set())
    threading.Thread(target=server.run, name="http", daemon=True).start()
    _write_record(
        home,
        {
            "pid": os.getpid(),
            "port": port,
            "endpoint_url": app.endpoint_url,
            "region": app.region,
            "account_id": app.account_id,
            "started": time.time(),
        },
    )
    log.info("listening on %s, home %s", app.endpoint_url, home)
    while not ending.wait(3600):
        pass
    log.info("stopping")
    app.stop()
    (home / "server.json").unlink(missing_ok=True)
    logging.shutdown()
    os._exit(0)  # waitress's threads are daemons; everything that must be written is written


if __name__ == "__main__":
    sys.exit(main())
