"""Deploy and remove the workshop's stacks: `python -m tools.aws_stacks up|down|status [STACK …]`.

On the backend of settings.ini or LAB_BACKEND: your AWS account, or local_aws on this machine.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from botocore.exceptions import BotoCoreError, ClientError

from lab_lib import settings as lab_settings
from lab_lib.settings import LabError
from local_aws import LocalAwsError
from tools.labs import ROOT
from tools.stack_data import Data
from tools.stack_events import Stacks, show_outputs
from tools.stack_parameters import parameters
from tools.templates import STACKS, path, template

CONFIRMATION = "delete-data"


class Place:
    """Where the stacks are: backend, account, region, and how they are called there."""

    def __init__(self) -> None:
        self.settings = lab_settings.read_settings(ROOT / "settings.ini")
        workshop = self.settings["workshop"]
        self.backend = os.environ.get("LAB_BACKEND") or workshop["backend"]
        if self.backend not in ("local", "aws"):
            raise LabError(
                f"Unknown backend {self.backend!r}: it is local or aws (settings.ini or LAB_BACKEND)."
            )
        self.region, self.project = workshop["region"], workshop["project"]
        if self.backend == "local":
            os.chdir(ROOT)  # whose local_aws it is
            lab_settings.start_local_backend(self.region)
        self.session, self.account = lab_settings._log_in(self.region)
        pause = 0.2 if self.backend == "local" else 3.0
        self.stacks = Stacks(self.session.client("cloudformation"), pause)

    def __str__(self) -> str:
        where = "local_aws on this machine" if self.backend == "local" else f"AWS account {self.account}"
        return f"{where}, region {self.region}"

    def name(self, stack: str) -> str:
        return f"{self.project}-{stack}"


def up(place: Place, chosen: list[str], environment: str, given: dict[str, str]) -> None:
    """Deploy the chosen stacks in their order. A given parameter goes to each of them that has it."""
    parts = {
        stack: {key: given[key] for key in given if key in template(stack)["Parameters"]} for stack in chosen
    }
    if unknown := set(given) - {key for part in parts.values() for key in part}:
        raise LabError(
            f"No parameter {', '.join(sorted(unknown))} in {', '.join(chosen)}; see the README there."
        )
    print(f"Deploying to {place}.")
    for stack in chosen:
        name = place.name(stack)
        values = parameters(stack, place.settings, place.account, environment, parts[stack])
        body = path(stack).read_text(encoding="utf-8")
        if not place.stacks.deploy(name, body, values, {"project": place.project}):
            print(f"{name}: nothing to change")
        show_outputs(place.stacks.describe(name))


def down(place: Place, chosen: list[str], confirm: str, prefix: str) -> None:
    """Delete the chosen stacks in reverse order; what people have put into them only when `confirm` says so."""
    there = [stack for stack in STACKS if place.stacks.describe(place.name(stack))]
    gone = [stack for stack in reversed(there) if stack in chosen]
    print(f"Removing from {place}.")
    if not gone:
        print("None of these stacks is there.")
        return
    later = [stack for stack in there if stack not in gone and STACKS.index(stack) > STACKS.index(gone[-1])]
    if later:
        raise LabError(
            f"{', '.join(later)} build on {gone[-1]}: remove them first, or all with `make aws-down`."
        )
    data = Data(place.session, {stack: place.name(stack) for stack in gone}, prefix)
    if data:
        print("There is something in them:", *(f"\n  {line}" for line in data.describe()), sep="")
        if confirm != CONFIRMATION:
            raise LabError(
                f"Nothing was removed. To delete it with the stacks, for good: make aws-down CONFIRM={CONFIRMATION}"
            )
        data.delete()
    for stack in gone:
        place.stacks.delete(place.name(stack))
    if remains := data.remains():
        print("Still there, made by the labs and outside of the stacks; none of it costs by the hour:")
        print(*(f"  {line}" for line in remains), sep="\n")


def status(place: Place) -> None:
    """Print what is deployed."""
    print(f"On {place}:")
    for stack in STACKS:
        found = place.stacks.describe(place.name(stack))
        print(f"{place.name(stack)}: {found['StackStatus'] if found else 'not deployed'}")
        if found:
            show_outputs(found)


def _given(text: str) -> dict[str, str]:
    """`A=1 B='two words'` as a dict. Raises `LabError` for a word without =, or an open quotation mark."""
    try:
        pairs = [word.partition("=") for word in shlex.split(text)]
    except ValueError as error:
        raise LabError(f"The parameters {text!r} cannot be read: {error}.") from error
    if bad := [name for name, sign, _ in pairs if not sign]:
        raise LabError(f"Parameters are given as NAME=VALUE NAME=VALUE …, not {bad[0]!r}.")
    return {name: value for name, _, value in pairs}


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["up", "down", "status"])
    parser.add_argument("stacks", nargs="*", help=f"default: all of {', '.join(STACKS)}")
    parser.add_argument(
        "--parameters", default="", help='"NAME=VALUE NAME=VALUE": instead of what params/ says'
    )
    parser.add_argument("--environment", default="dev", help="the file in params/ (default: dev)")
    parser.add_argument(
        "--confirm", default="", help=f"{CONFIRMATION}: down also deletes what is in the stacks"
    )
    parser.add_argument(
        "--prefix", default="tweet-sentiment", help="what endpoints of the workshop are named"
    )
    args = parser.parse_args(argv)
    if unknown := set(args.stacks) - set(STACKS):
        parser.error(f"no stack {', '.join(sorted(unknown))}; there are: {', '.join(STACKS)}")
    return args


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    args = _arguments(argv)
    chosen = [stack for stack in STACKS if stack in args.stacks] or list(STACKS)
    try:
        place = Place()
        if args.action == "up":
            up(place, chosen, args.environment, _given(args.parameters))
        elif args.action == "down":
            down(place, chosen, args.confirm, args.prefix)
        else:
            status(place)
    except (LabError, LocalAwsError) as error:
        print(error, file=sys.stderr)
        return 1
    except ClientError as error:
        found = error.response["Error"]
        print(f"AWS refused {error.operation_name} ({found['Code']}): {found['Message']}", file=sys.stderr)
        if "Expired" in found["Code"]:
            print(
                "Renew the credentials, for example with `aws sso login`, and run it again.", file=sys.stderr
            )
        return 1
    except BotoCoreError as error:
        print(f"AWS cannot be reached: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nCloudFormation goes on without this command; run it again to follow.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
