"""One build from PROVISIONING to its end (CodeBuild User Guide, "Build phase transitions").

A failed install or pre_build phase skips all others; post_build runs also after a failed build, and the upload of
artifacts is attempted then, too. `on-failure` CONTINUE goes on to the next phase, ABORT to the end.
"""

import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

from local_aws.config import DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY
from local_aws.runtime.images import INSIDE, Image, ImageError, make_overlay, resolve
from local_aws.runtime.sandbox import Sandbox
from local_aws.server.app import LocalAwsApp
from local_aws.services.codebuild.artifacts import Target, collect, target_of, upload
from local_aws.services.codebuild.buildlog import BuildLog
from local_aws.services.codebuild.buildspec import Artifacts, Buildspec, BuildspecError, Phase, parse
from local_aws.services.codebuild.failures import PhaseFailed
from local_aws.services.codebuild.masking import Masker
from local_aws.services.codebuild.records import Build, Builds
from local_aws.services.codebuild.shell import Shell, ShellGone
from local_aws.services.codebuild.sources import Sources, split_location
from local_aws.services.codebuild.variables import Variables, builtin
from local_aws.services.jobs.containers import base_environment

ROOT = "/opt/codebuild"  # what AWS's build images have at /codebuild
_SOURCE = "output/src/src"
_STANDARD = re.compile(r"(aws/codebuild/|public\.ecr\.aws/codebuild/)[\w./-]+(:[\w.-]+)?")


class Ended(Exception):
    """The build was stopped, or its time is over."""


class Execution:
    """Runs `build` below the folder `work`. `end` may be called from any thread."""

    def __init__(self, app: LocalAwsApp, builds: Builds, build: Build, work: Path):
        self.app, self.builds, self.build, self.work = app, builds, build, work
        self.record: dict[str, Any] = build.record
        self.outcome: tuple[str, str, str] | None = (
            None  # status, code, message of what ended the build early
        )
        self.stop = threading.Event()
        self.shell: Shell | None = None
        self.sandbox: Sandbox | None = None
        self.spec = Buildspec()
        self.failed = False
        self.log = self._log()
        self.source = work / "codebuild" / _SOURCE
        self.variables = Variables(app, build.account, build.region)

    def _log(self) -> BuildLog:
        logs = self.record["logs"]
        # The key id of another account is its number, which is no secret and stands in every ARN.
        masker = Masker([DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY])
        if logs["cloudWatchLogs"]["status"] == "DISABLED":
            return BuildLog(None, masker)
        build = self.build
        writer = self.app.logs(logs["groupName"], logs["streamName"], build.region, build.account)
        return BuildLog(writer, masker)

    # -- from outside --------------------------------------------------------------------------------------
    def end(self, status: str, code: str, message: str) -> None:
        """End the build now, with everything that it started. The first caller's reason counts."""
        if self.outcome is None:
            self.outcome = (status, code, message)
        self.stop.set()
        if self.shell:
            self.shell.kill()

    # -- phases --------------------------------------------------------------------------------------------
    def run(self) -> None:
        """All phases. `Ended` when it was ended early; the present phase is then still open."""
        begins = (("PROVISIONING", self._provision), ("DOWNLOAD_SOURCE", self._download))
        skip = not all(self._guarded(name, work) for name, work in begins)
        for name in ("install", "pre_build", "build", "post_build"):
            if skip:
                break
            phase = self.spec.phases.get(name, Phase())
            fine = self._guarded(name.upper(), lambda phase=phase, name=name: self._commands(name, phase))
            skip = not fine and (
                phase.on_failure == "ABORT"
                or (phase.on_failure != "CONTINUE" and name in ("install", "pre_build"))
            )
        if self.shell is not None:
            self._export()
            if not skip:
                self._guarded("UPLOAD_ARTIFACTS", self._upload)
        self._guarded("FINALIZING", lambda: None)

    def _guarded(self, phase: str, work: Any) -> bool:
        """Run a phase and note how it ended; False when it failed."""
        self._check()
        with self.builds.lock:
            self.build.enter(phase)
        self.builds.save(self.build)
        if phase not in ("PROVISIONING", "DOWNLOAD_SOURCE"):
            self.log.say(f"Entering phase {phase}")
        status, code, message = "SUCCEEDED", "", ""
        try:
            work()
            self._check()
        except ShellGone:
            self._check()
            status, code = "FAULT", "INTERNAL_ERROR"
            message = "the build's processes were killed from inside the build, or by the machine (memory?)"
        except PhaseFailed as failure:
            self._check()
            status, code, message = failure.status, failure.code, self.log.mask(failure.message)
        if status != "SUCCEEDED":
            self.failed = True
        with self.builds.lock:
            self.build.leave(status, code, message)
        self.log.say(
            f"Phase complete: {phase} State: {status}",
            f"Phase context status code: {code} Message: {message}",
        )
        if status == "FAULT":
            self.end("FAULT", code, message)
            raise Ended
        return status == "SUCCEEDED"

    def _check(self) -> None:
        if self.stop.is_set():
            raise Ended

    def _provision(self) -> None:
        environment = self.record["environment"]
        image, kind = environment["image"], environment["type"]
        if not kind.startswith(("LINUX", "ARM")):
            raise PhaseFailed("CLIENT_ERROR", f"environments of type {kind} are not emulated by local_aws")
        if not _STANDARD.fullmatch(image):
            try:
                resolve(image)
            except ImageError:
                raise PhaseFailed(
                    "BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE",
                    f"Unable to pull customer's container image. local_aws stands in for aws/codebuild/… images and "
                    f"for SageMaker's framework images, not for {image}.",
                ) from None
        scratch = self.work / "job"
        scratch.mkdir(parents=True)
        self.source.parent.mkdir(parents=True)
        stand_in = Image(image, "codebuild", "", "processing", Path(sys.executable).resolve())
        self.environment = make_overlay(stand_in, self.app.home, scratch, editable=False)
        self.environment |= base_environment(self.app, self.build.region, self.build.account)
        self._git_settings(scratch / "home" / ".gitconfig")

    def _git_settings(self, file: Path) -> None:
        """AWS's clone URLs lead to this server, so that no build with such a URL leaves the machine."""
        here, region = self.app.endpoint_url, self.build.region
        where = "" if region == self.app.region else f"regions/{region}/"
        file.write_text(
            f'[url "{here}/v1/{where}repos/"]\n'
            f"\tinsteadOf = https://git-codecommit.{region}.amazonaws.com/v1/repos/\n"
            "[safe]\n\tdirectory = *\n[advice]\n\tdetachedHead = false\n"
        )

    def _download(self) -> None:
        record, say = self.record, self.log.say
        say("Waiting for agent ping", "Waiting for DOWNLOAD_SOURCE")
        sources = Sources(self.app, self.build.account, self.build.region)
        resolved = sources.fetch(record["source"], record.get("sourceVersion"), self.source)
        versions = {
            v["sourceIdentifier"]: v["sourceVersion"] for v in record.get("secondarySourceVersions") or []
        }
        folders = {}
        for item in record.get("secondarySources") or []:
            name = item["sourceIdentifier"]
            sources.fetch(item, versions.get(name), self.source.parent / name)
            folders[name] = f"{ROOT}/{_SOURCE.rsplit('/', 1)[0]}/{name}"
        if resolved:
            with self.builds.lock:
                record["resolvedSourceVersion"] = resolved
        folder = f"{ROOT}/{_SOURCE}"
        say("Phase is DOWNLOAD_SOURCE", f"CODEBUILD_SRC_DIR={folder}")
        self.spec = self._buildspec(record["source"].get("buildspec") or "buildspec.yml")
        say("Processing environment variables")
        own = self.variables.resolve(self.spec, record["environment"].get("environmentVariables") or [])
        self.log.mask.add(*self.variables.secrets)
        reserved = builtin(record, folder, folders, resolved)
        if taken := sorted(name for name in own if name in reserved):
            say(f"These names are CodeBuild's own, their values are ignored: {', '.join(taken)}")
        self.environment = {**self.environment, **own, **reserved}
        for note in (*self.build.private.get("notes", ()), *self.spec.notes):
            say(note)
        if self.spec.git_credentials:
            self._git_helper()
        say(f"Moving to directory {folder}")
        self._start_shell(folder)
        counts = [f" {name.upper()}: {len(p.commands)} commands" for name, p in self.spec.phases.items()]
        say(f"Phases found in YAML: {len(counts)}", *counts)

    def _git_helper(self) -> None:
        with (self.work / "job" / "home" / ".gitconfig").open("a") as file:
            file.write(
                f'[credential "{self.app.endpoint_url}"]\n\thelper = "!f() {{ echo username=$AWS_ACCESS_KEY_ID; '
                'echo password=local-signature; }; f"\n'
            )

    def _buildspec(self, given: str) -> Buildspec:
        """The buildspec: its text, or a file's path in the source, or the ARN of an S3 object."""
        if "\n" in given or given.lstrip().startswith(("{", "version:")):
            text = given
        elif given.startswith("arn:"):
            bucket, key = split_location(given)
            file = self.work / "buildspec"
            Sources(self.app, self.build.account, self.build.region)._get(bucket, key, file)
            text = file.read_text("utf-8", "replace")
        else:
            if self.record["source"]["type"] == "NO_SOURCE":
                raise PhaseFailed(
                    "CLIENT_ERROR",
                    "a project without a source needs its buildspec's text, not the name of a file",
                )
            file = self.source / given
            self.log.say(f"YAML location is {ROOT}/{_SOURCE}/{given}")
            if not file.resolve().is_relative_to(self.source.resolve()) or not file.is_file():
                raise PhaseFailed("YAML_FILE_ERROR", f"YAML file does not exist: {given}")
            text = file.read_text("utf-8", "replace")
        try:
            return parse(text)
        except BuildspecError as error:
            raise PhaseFailed("YAML_FILE_ERROR", str(error)) from None

    def _start_shell(self, folder: str) -> None:
        scratch = self.work / "job"
        self.sandbox = Sandbox(
            self.work / "codebuild",
            mount_at=ROOT,
            hostname="codebuild",
            env=self.environment,
            binds={INSIDE: scratch},
        )
        shell = Shell(self.sandbox, scratch, INSIDE, self.spec.shell, self.log.lines, self.log.mask.cut)
        try:
            shell.start(folder)
        except OSError as error:
            raise PhaseFailed("CLIENT_ERROR", f"the build's shell cannot be started: {error}") from None
        self.shell = shell
        self._check()

    def _commands(self, name: str, phase: Phase) -> None:
        for runtime, version in phase.runtimes.items():
            if runtime == "python":
                here = ".".join(map(str, sys.version_info[:3]))
                self.log.say(f"Python {version} is asked for; this build runs the workshop's Python {here}")
            else:
                self.log.say(
                    f"{runtime} {version} is not provided by local_aws: what the machine has is used"
                )
        if phase.on_failure:
            self.log.say(f"on-failure is {phase.on_failure}")
        failure = self._each(phase.commands)
        if phase.finally_:
            self.log.say(f"Running the finally block of {name.upper()}")
            last = self._each(phase.finally_)
            failure = failure or last
        if failure is not None:
            self.shell.run("export CODEBUILD_BUILD_SUCCEEDING=0")
            raise failure

    def _each(self, commands: list[str]) -> PhaseFailed | None:
        """Run commands up to the first that fails; how it failed."""
        for command in commands:
            self._check()
            self.log.say(f"Running command {command}")
            if code := self.shell.run(command):
                message = f"Error while executing command: {command.strip()}. Reason: exit status {code}"
                self.log.say(f"Command did not exit successfully {command.strip()} exit status {code}")
                return PhaseFailed("COMMAND_EXECUTION_ERROR", message)
        return None

    # -- results -------------------------------------------------------------------------------------------
    def _export(self) -> None:
        """User Guide, "exported-variables": neither what is hidden nor a name with AWS_ is exported."""
        try:
            found = [
                {"name": name, "value": self.log.mask(self.shell.value(f"${{{name}-}}"))}
                for name in self.spec.exported
                if name not in self.variables.hidden and not name.startswith("AWS_")
            ]
        except ShellGone:
            return
        with self.builds.lock:
            self.record["exportedEnvironmentVariables"] = found

    def _upload(self) -> None:
        if outputs := self.build.private.get("outputs"):
            self._upload_outputs(outputs)
            return
        primary = self.record["artifacts"]
        shown = self._one(primary, self.spec.artifacts, None)
        secondary = []
        for item in self.record.get("secondaryArtifacts") or []:
            identifier = item["artifactIdentifier"]
            secondary.append(self._one(item, self.spec.secondary.get(identifier), identifier))
        with self.builds.lock:
            self.build.private["artifacts"] = shown
            self.build.private["secondaryArtifacts"] = secondary

    def _one(
        self, artifact: dict[str, Any], spec: Artifacts | None, identifier: str | None
    ) -> dict[str, Any]:
        if artifact["type"] == "NO_ARTIFACTS":
            return {}
        if spec is None:
            what = f"secondary artifact {identifier}" if identifier else "artifacts"
            raise PhaseFailed("CLIENT_ERROR", f"the buildspec does not define the {what} of the project")
        name = artifact.get("name") or (identifier or self.build.project)
        if spec.name and artifact.get("overrideArtifactName"):
            name = self.shell.value(spec.name)
            if not name:
                raise PhaseFailed("CLIENT_ERROR", f"the artifact's name {spec.name!r} expands to nothing")
        target = target_of(artifact, self.build.id, name)
        answer = self._send(spec, target)
        return {**answer, **({"artifactIdentifier": identifier} if identifier else {})}

    def _upload_outputs(self, outputs: dict[str, list[str]]) -> None:
        """What CodePipeline wants: one artifact by `artifacts`, several by `secondary-artifacts`, zipped."""
        for name, (bucket, key) in outputs.items():
            spec = self.spec.secondary.get(name) or (self.spec.artifacts if len(outputs) == 1 else None)
            if spec is None:
                raise PhaseFailed("CLIENT_ERROR", f"the buildspec does not define the output artifact {name}")
            self._send(spec, Target(bucket, key, zipped=True))

    def _send(self, spec: Artifacts, target: Target) -> dict[str, str]:
        began = time.monotonic()
        files = collect(spec, self.source)
        self.log.say(f"Found {len(files)} file(s)")
        answer = upload(self.app, self.build.account, self.build.region, files, target, self.work)
        self.log.say(f"Uploaded to s3://{target.bucket}/{target.key} in {time.monotonic() - began:.1f} s")
        return answer
