"""Command line of the server process: install requirements, load the model, then listen."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from . import requirements, server
from .limits import Limits
from .workers import Workers


def make_handler(kind: str, model_dir: str):
    """The handler of a kind of image; imports only what that kind needs."""
    if kind == "tensorflow":
        from .tensorflow import TensorFlowHandler

        return TensorFlowHandler(model_dir)
    if kind == "huggingface":
        from .huggingface import HuggingFaceHandler

        return HuggingFaceHandler(model_dir)
    from .toolkit import ToolkitHandler

    return ToolkitHandler(model_dir)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="local_aws.serving", description=__doc__)
    parser.add_argument("--kind", choices=["toolkit", "huggingface", "tensorflow"], required=True)
    parser.add_argument(
        "--base-dir", default="/opt/ml", help="the folder that holds model/ (default /opt/ml)"
    )
    parser.add_argument(
        "--port-file", required=True, help="where the port is written once the model is loaded"
    )
    options = parser.parse_args(argv)
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    model_dir = f"{options.base_dir}/model"
    os.environ.setdefault("SAGEMAKER_BASE_DIR", options.base_dir)
    sock = server.bind()
    port = sock.getsockname()[1]
    os.environ["SAGEMAKER_BIND_TO_PORT"] = str(port)
    try:
        limits = Limits.from_environment()
        code = Path(model_dir) / "code"
        if options.kind == "tensorflow" and (code / "lib").is_dir():
            print("Loading modules from code/lib; code/requirements.txt is ignored.")
        else:
            requirements.install(code)
        handler = make_handler(options.kind, model_dir)
        handler.load()
    except Exception:
        traceback.print_exc()
        return 1
    workers = Workers(limits.workers)
    httpd = server.create(server.Application(handler, limits, workers), sock, threads=8)
    written = Path(options.port_file)
    partial = written.with_name(written.name + ".tmp")
    partial.write_text(str(port), encoding="ascii")
    partial.rename(written)
    print(f"Model loaded from {model_dir}; waiting for requests.")
    threading.Thread(target=httpd.run, name="http", daemon=True).start()
    workers.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
