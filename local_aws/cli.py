"""The command `local-aws`: start, stop, status, logs, env, reset."""

import argparse
import shlex
import sys
import time
from pathlib import Path

from local_aws import client
from local_aws.activation import environment, removed_variables
from local_aws.config import LocalAwsError, load_settings
from local_aws.following import follow_file, follow_streams


def _start(options) -> int:
    settings = load_settings(options.home, options.port)
    running = client.find(settings.home)
    if running:
        print(f"The local AWS is already running at {running.endpoint_url} (pid {running.pid}).")
        return 0
    client.ensure_started(settings.home, settings.port)
    return 0


def _stop(options) -> int:
    settings = load_settings(options.home, options.port)
    if client.stop(settings.home):
        print("Stopped the local AWS.")
    else:
        print(f"No local AWS is running for {settings.home}.")
    return 0


def _env(options) -> int:
    local = _running(options)
    for name in removed_variables():
        print(f"unset {name}")
    for name, value in environment(local).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _status(options) -> int:
    settings = load_settings(options.home, options.port)
    local = client.find(settings.home)
    if local is None:
        print(f"No local AWS is running for {settings.home}.")
        return 3
    answer = client.control(local.endpoint_url, "status")
    print(f"Running at {local.endpoint_url} (pid {local.pid}), state in {local.home}.")
    print(f"Jobs and endpoints run in {answer['sandbox']}.")
    if not answer["running"]:
        print("No job or endpoint is running.")
    for item in answer["running"]:
        since = time.strftime("%H:%M:%S", time.localtime(item["since"])) if item.get("since") else "-"
        print(f"{item['kind']:<16} {item['name']:<50} {item['status']:<14} since {since}")
    return 0


def _reset(options) -> int:
    settings = load_settings(options.home, options.port)
    stopped = client.reset(settings.home)
    print(("Stopped the local AWS and forgot" if stopped else "Forgot") + f" its state in {settings.home}.")
    return 0


def _logs(options) -> int:
    if options.name is None:
        settings = load_settings(options.home, options.port)
        return follow_file(settings.home / "logs" / "server.log", options.follow)
    return follow_streams(_running(options), options.name, options.follow)


def _running(options) -> client.LocalAws:
    settings = load_settings(options.home, options.port)
    local = client.find(settings.home)
    if local is None:
        raise LocalAwsError(f"No local AWS is running for {settings.home}. Start it with: local-aws start")
    return local


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="local-aws", description="The AWS of this machine.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--home", type=Path, help="folder of its state (default: see [tool.local_aws])")
    common.add_argument("--port", type=int, help="TCP port on 127.0.0.1")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run, text in (
        ("start", _start, "start it and wait until it answers"),
        ("stop", _stop, "stop it, and every job and endpoint that it runs"),
        ("status", _status, "whether it runs, and its jobs and endpoints"),
        ("reset", _reset, "stop it and forget all its state"),
        ("env", _env, 'print the lines for a shell: eval "$(local-aws env)"'),
    ):
        command = commands.add_parser(name, parents=[common], help=text, description=text)
        command.set_defaults(run=run)
    command = commands.add_parser(
        "logs", parents=[common], help="a job's, a build's or an endpoint's log, or the server's own"
    )
    command.add_argument(
        "name", nargs="?", help="training job, processing job, build id or endpoint (default: the server)"
    )
    command.add_argument(
        "-f", "--follow", action="store_true", help="go on until the job has ended (or Ctrl-C)"
    )
    command.set_defaults(run=_logs)
    options = parser.parse_args(argv)
    try:
        return options.run(options)
    except LocalAwsError as error:
        print(f"local-aws: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `local-aws logs | head`
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
