"""CodeBuild: builds that really run, told from their records, their logs and what they leave in S3."""

import base64
import importlib.metadata
import io
import json
import os
import re
import signal
import time
import uuid
import zipfile
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError
from git_client import Copy, git, with_credentials
from servers import ROLE, clients_of

from local_aws import client
from local_aws.config import DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY, LocalAwsError
from local_aws.following import follow_streams

IMAGE = "aws/codebuild/amazonlinux2-x86_64-standard:5.0"


def spec(*commands, **more):
    """A buildspec whose build phase has these commands."""
    return json.dumps({"version": "0.2", "phases": {"build": {"commands": list(commands)}}, **more})


class Project:
    """A project without a source, and its builds."""

    def __init__(self, aws, name=None, **fields):
        self.aws, self.name = aws, name or f"project-{uuid.uuid4().hex[:8]}"
        request = {
            "name": self.name,
            "source": {"type": "NO_SOURCE", "buildspec": spec("true")},
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": {
                "type": "LINUX_CONTAINER",
                "image": IMAGE,
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            "serviceRole": ROLE,
            **fields,
        }
        aws.codebuild.create_project(**request)

    def start(self, *commands, **overrides):
        if commands:
            overrides["buildspecOverride"] = spec(*commands)
        return self.aws.codebuild.start_build(projectName=self.name, **overrides)["build"]["id"]

    def get(self, build_id):
        return self.aws.codebuild.batch_get_builds(ids=[build_id])["builds"][0]

    def wait(self, build_id, seconds=30, until=lambda build: build["buildComplete"]):
        deadline = time.monotonic() + seconds
        while not until(build := self.get(build_id)):
            assert time.monotonic() < deadline, build
            time.sleep(0.02)
        return build

    def run(self, *commands, **overrides):
        return self.wait(self.start(*commands, **overrides))

    def log(self, build):
        logs = build["logs"]
        answer = self.aws.logs.get_log_events(
            logGroupName=logs["groupName"], logStreamName=logs["streamName"], startFromHead=True
        )
        return [event["message"] for event in answer["events"]]

    def output(self, build):
        """What the commands printed."""
        return [line for line in self.log(build) if not line.startswith("[Container]")]


@pytest.fixture(scope="module")
def project(aws):
    return Project(aws)


def phase(build, name):
    return next((p for p in build["phases"] if p["phaseType"] == name), None)


def failure(build, name):
    """(status code, message) of a failed phase."""
    found = phase(build, name)
    assert found["phaseStatus"] == "FAILED", found
    return found["contexts"][0]["statusCode"], found["contexts"][0]["message"]


def error_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]


def zipped(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return data.getvalue()


def unzipped(aws, bucket, key):
    with zipfile.ZipFile(io.BytesIO(aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read())) as packed:
        return {name: packed.read(name).decode() for name in packed.namelist()}


# -- phases and the shell -----------------------------------------------------------------------------------
def test_a_build_that_succeeds(project):
    build = project.run("echo hello")
    assert build["buildStatus"] == "SUCCEEDED"
    assert [p["phaseType"] for p in build["phases"]] == [
        "SUBMITTED",
        "QUEUED",
        "PROVISIONING",
        "DOWNLOAD_SOURCE",
        "INSTALL",
        "PRE_BUILD",
        "BUILD",
        "POST_BUILD",
        "UPLOAD_ARTIFACTS",
        "FINALIZING",
        "COMPLETED",
    ]
    assert {p["phaseStatus"] for p in build["phases"][:-1]} == {"SUCCEEDED"}
    assert build["logs"]["groupName"] == f"/aws/codebuild/{project.name}"
    assert project.output(build) == ["hello"]
    lines = [line.split(" ", 3)[3] for line in project.log(build) if line.startswith("[Container] 20")]
    assert "Running command echo hello" in lines
    assert "Phase complete: BUILD State: SUCCEEDED" in lines


@pytest.mark.slow
def test_the_command_line_shows_a_builds_log(project, server, capsys):
    build = project.run(buildspecOverride=spec("echo from the build"))
    assert follow_streams(server, build["id"], follow=False) == 0
    assert "from the build" in capsys.readouterr().out.splitlines()
    with pytest.raises(LocalAwsError, match="no log of a job, build or endpoint named no:such"):
        follow_streams(server, "no:such", follow=False)


def test_commands_share_one_shell(project):
    text = """
version: 0.2
env: {shell: bash}
phases:
  install:
    commands:
      - EXPORTED=1; export EXPORTED; PLAIN=2
      - mkdir -p deep/er && cd deep/er
      - greet() { echo "greetings $1"; }
  build:
    commands:
      - echo $EXPORTED $PLAIN $(basename $(dirname $PWD))/$(basename $PWD)
      - greet ada
      - |
        if [[ 10 -gt 9 ]]; then
          printf 'no line end'
        fi
      - cat
      - test ! -e /proc/self/fd/9 && echo closed
"""
    build = project.run(buildspecOverride=text)
    assert project.output(build) == ["1 2 deep/er", "greetings ada", "no line end", "closed"]
    assert build["buildStatus"] == "SUCCEEDED"


def test_a_failed_build_still_runs_post_build_and_finally(project):
    text = """
version: 0.2
env: {exported-variables: [KEPT, UNSET]}
phases:
  build:
    commands: [KEPT=yes, "sh -c 'exit 3'", echo never]
    finally: [echo cleanup]
  post_build:
    commands: [echo succeeding=$CODEBUILD_BUILD_SUCCEEDING, exit 4, echo never]
"""
    build = project.run(buildspecOverride=text)
    assert build["buildStatus"] == "FAILED"
    assert project.output(build) == ["cleanup", "succeeding=0"]
    message = "Error while executing command: sh -c 'exit 3'. Reason: exit status 3"
    assert failure(build, "BUILD") == ("COMMAND_EXECUTION_ERROR", message)
    assert "exit 4. Reason: exit status 4" in failure(build, "POST_BUILD")[1]
    assert build["exportedEnvironmentVariables"] == [
        {"name": "KEPT", "value": "yes"},
        {"name": "UNSET", "value": ""},
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phases", "ran"),
    [
        ({"install": {"commands": ["false"]}}, []),
        ({"pre_build": {"commands": ["false"]}}, []),
        ({"install": {"commands": ["false"], "on-failure": "CONTINUE"}}, ["build", "post"]),
        ({"build": {"commands": ["false"]}}, ["post"]),
        ({"build": {"commands": ["false"], "on-failure": "ABORT"}}, []),
    ],
)
def test_transitions(project, phases, ran):
    usual = {"build": {"commands": ["echo build"]}, "post_build": {"commands": ["echo post"]}}
    text = json.dumps({"version": "0.2", "phases": {**usual, **phases}})
    build = project.run(buildspecOverride=text)
    assert build["buildStatus"] == "FAILED"
    assert project.output(build) == ran


@pytest.mark.slow
def test_a_command_that_ends_or_breaks_the_shell(project):
    text = """
version: 0.2
phases:
  build:
    commands: ["if then", echo never]
  post_build:
    commands: [cd /, set -e, "false"]
    finally: [pwd]
"""
    build = project.run(buildspecOverride=text)
    assert "if then. Reason: exit status 2" in failure(build, "BUILD")[1]
    assert "false. Reason: exit status 1" in failure(build, "POST_BUILD")[1]
    assert project.output(build)[-1] == "/"


# -- environment and secrets --------------------------------------------------------------------------------
def test_the_environment_of_a_build(aws, project, monkeypatch):
    build = project.run(
        "env",
        "python -c 'import sys; print(sys.executable)'",
        environmentVariablesOverride=[
            {"name": "OWN", "value": "1", "type": "PLAINTEXT"},
            {"name": "CODEBUILD_BUILD_ID", "value": "mine", "type": "PLAINTEXT"},
        ],
        sourceVersion="v7",
    )
    output = project.output(build)
    ignored = "These names are CodeBuild's own, their values are ignored: CODEBUILD_BUILD_ID"
    assert any(ignored in line for line in project.log(build))
    env = dict(line.split("=", 1) for line in output if "=" in line)
    assert env["OWN"] == "1"
    assert env["CODEBUILD_BUILD_ID"] == build["id"]
    assert env["CODEBUILD_BUILD_ARN"] == build["arn"]
    assert env["CODEBUILD_BUILD_NUMBER"] == str(build["buildNumber"])
    assert env["CODEBUILD_BUILD_SUCCEEDING"] == "1"
    assert env["CODEBUILD_LOG_PATH"] == build["logs"]["streamName"]
    assert (env["AWS_DEFAULT_REGION"], env["AWS_ENDPOINT_URL"]) == ("us-east-1", aws.url)
    assert (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]) == ("***", "***")
    assert not [name for name in env if name.startswith(("PYTEST", "LOCAL_AWS", "VIRTUAL_ENV"))]
    assert output[-1].endswith("/env/bin/python")


@pytest.mark.slow
def test_precedence_of_variables(aws):
    own = {"type": "LINUX_CONTAINER", "image": IMAGE, "computeType": "BUILD_GENERAL1_SMALL"}
    project = Project(
        aws, environment={**own, "environmentVariables": [{"name": n, "value": "project"} for n in "BC"]}
    )
    text = spec("echo $A $B $C", env={"variables": dict.fromkeys("ABC", "buildspec")})
    build = project.run(
        buildspecOverride=text, environmentVariablesOverride=[{"name": "C", "value": "start"}]
    )
    assert project.output(build) == ["buildspec project start"]


def test_no_secret_reaches_the_log(aws, project):
    token, password, pem = f"tok-{uuid.uuid4().hex}", f"pw-{uuid.uuid4().hex}", f"line-{uuid.uuid4().hex}"
    name = f"lab/{uuid.uuid4().hex[:8]}"
    aws.secretsmanager.create_secret(Name=name, SecretString=json.dumps({"api": token, "other": "otherwise"}))
    aws.ssm.put_parameter(Name=f"/{name}/password", Value=password, Type="SecureString")
    aws.ssm.put_parameter(Name=f"/{name}/pem", Value=f"BEGIN\n{pem}\nEND", Type="SecureString")
    aws.ssm.put_parameter(Name=f"/{name}/bucket", Value="lab-bucket", Type="String")
    env = {
        "secrets-manager": {"TOKEN": f"{name}:api"},
        "parameter-store": {"PASSWORD": f"/{name}/password", "BUCKET": f"/{name}/bucket"},
        "exported-variables": ["TOKEN", "BUCKET", "COPY", "AWS_REGION"],
    }
    build = project.run(
        buildspecOverride=spec(
            "env; set",
            'echo "$PEM"',
            'echo "$BUCKET ${#TOKEN} ${#PASSWORD}"',
            "COPY=$PASSWORD",
            # across the length at which a line is cut: neither half may be seen
            "python3 -c \"import os; print('x' * (2**20 - 5) + os.environ['TOKEN'] + 'y' * 2**19)\"",
            "python3 -c \"import os; print('x' * (2**18 - 5) + os.environ['TOKEN'])\"",
            "python3 -c \"import os; raise SystemExit(os.environ['TOKEN'])\"",
            env=env,
        ),
        environmentVariablesOverride=[{"name": "PEM", "value": f"/{name}/pem", "type": "PARAMETER_STORE"}],
    )
    text = "\n".join(project.log(build))
    assert (
        f"*** {len(token)} {len(password)}" in text
    )  # the Parameter Store's strings of every type, as on AWS
    assert "TOKEN=***" in text
    told = text + json.dumps(build, default=str)
    for secret in (token, password, pem, "lab-bucket", DUMMY_SECRET_KEY, DUMMY_ACCESS_KEY):
        assert secret not in told
    assert token[:5] not in text and token[5:] not in text
    assert build["exportedEnvironmentVariables"] == [{"name": "COPY", "value": "***"}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "code", "message"),
    [
        (
            {"parameter-store": {"A": "/no/such"}},
            "Decrypted Variables Error",
            "parameter does not exist: /no/such",
        ),
        ({"secrets-manager": {"A": "no-such"}}, "Secrets Manager Error Message", "ResourceNotFoundException"),
    ],
)
def test_a_missing_secret(project, env, code, message):
    build = project.run(buildspecOverride=spec("echo never", env=env))
    found = failure(build, "DOWNLOAD_SOURCE")
    assert (found[0], message in found[1]) == (code, True), found
    assert phase(build, "BUILD") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 0.2\nphases:\n  build: [\n", "is not YAML"),
        ("version: 0.2\nphases:\n  build:\n    comands: [ls]\n", "unknown key comands (line 4)"),
        ("version: 0.1\nphases: {build: {commands: [ls]}}\n", "version 0.1 is not emulated"),
        ("config/buildspec.yml", "without a source needs its buildspec's text"),
    ],
)
def test_a_buildspec_that_cannot_be_used(project, text, message):
    build = project.run(buildspecOverride=text)
    assert build["buildStatus"] == "FAILED"
    code, found = failure(build, "DOWNLOAD_SOURCE")
    assert message in found
    assert code == ("CLIENT_ERROR" if "without" in message else "YAML_FILE_ERROR")


@pytest.mark.parametrize("absolute", [True, False])
def test_a_buildspec_outside_of_the_source_is_not_read(aws, bucket, project, tmp_path, absolute):
    outside = tmp_path / "buildspec.yml"
    outside.write_text(spec("echo never"))
    aws.s3.put_object(Bucket=bucket, Key="src/empty.zip", Body=zipped({"a.txt": "1"}))
    path = str(outside) if absolute else "../" * 40 + str(outside).lstrip("/")
    build = project.run(
        sourceTypeOverride="S3", sourceLocationOverride=f"{bucket}/src/empty.zip", buildspecOverride=path
    )
    assert failure(build, "DOWNLOAD_SOURCE") == ("YAML_FILE_ERROR", f"YAML file does not exist: {path}")


@pytest.mark.slow
def test_what_is_ignored_is_in_the_log(aws):
    project = Project(
        aws,
        cache={"type": "LOCAL", "modes": ["LOCAL_SOURCE_CACHE"]},
        logsConfig={"cloudWatchLogs": {"status": "ENABLED", "groupName": "/own", "streamName": "ci"}},
    )
    text = spec("echo ran", reports={"r": {"files": ["x"]}}, proxy={"logs": "yes"})
    build = project.run(buildspecOverride=text)
    assert build["logs"]["groupName"] == "/own"
    assert build["logs"]["streamName"] == f"ci/{build['id'].split(':')[1]}"
    log = "\n".join(project.log(build))
    for ignored in ("cache of the project is", "reports are", "proxy is"):
        assert f"{ignored} not emulated by local_aws" in log
    again = project.wait(aws.codebuild.retry_build(id=build["id"])["build"]["id"])
    assert again["logs"]["streamName"] == f"ci/{again['id'].split(':')[1]}"
    assert any("cache of the project" in line for line in project.log(again))


@pytest.mark.slow
def test_disabled_logs(aws):
    project = Project(aws, logsConfig={"cloudWatchLogs": {"status": "DISABLED"}})
    build = project.run("echo hidden")
    assert (build["buildStatus"], build["logs"].get("groupName")) == ("SUCCEEDED", None)


# -- sources and artifacts ----------------------------------------------------------------------------------
def test_sources_and_artifacts_in_s3(aws, bucket, project):
    files = {"buildspec.yml": "", "a.txt": "1", "sub/b.txt": "2"}
    files["buildspec.yml"] = """
version: 0.2
phases:
  build:
    commands:
      - cat sub/b.txt $CODEBUILD_SRC_DIR_extra/c.txt > out.txt
artifacts:
  files: [out.txt, 'sub/*']
  name: made-$(echo $CODEBUILD_BUILD_NUMBER)-$(date +%Y).zip
  secondary-artifacts:
    plain: {files: ['**/*.txt'], discard-paths: yes}
"""
    aws.s3.put_object(Bucket=bucket, Key="src/main.zip", Body=zipped(files))
    aws.s3.put_object(Bucket=bucket, Key="src/extra/c.txt", Body=b"3")
    target = {
        "type": "S3",
        "location": bucket,
        "path": "made",
        "packaging": "ZIP",
        "overrideArtifactName": True,
    }
    second = {"type": "S3", "location": bucket, "path": "plain", "namespaceType": "BUILD_ID", "name": "x"}
    build = project.run(
        sourceTypeOverride="S3",
        sourceLocationOverride=f"{bucket}/src/main.zip",
        buildspecOverride="",
        secondarySourcesOverride=[
            {"type": "S3", "location": f"{bucket}/src/extra/", "sourceIdentifier": "extra"}
        ],
        artifactsOverride=target,
        secondaryArtifactsOverride=[{**second, "artifactIdentifier": "plain"}],
    )
    assert build["buildStatus"] == "SUCCEEDED", build["phases"]
    key = f"made/made-{build['buildNumber']}-{time.gmtime().tm_year}.zip"
    assert build["artifacts"]["location"] == f"arn:aws:s3:::{bucket}/{key}"
    assert len(build["artifacts"]["sha256sum"]) == 64
    assert unzipped(aws, bucket, key) == {"out.txt": "23", "sub/b.txt": "2"}
    prefix = f"plain/{build['id'].split(':')[1]}/x/"
    listed = aws.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    assert [item["Key"][len(prefix) :] for item in listed] == ["a.txt", "b.txt", "out.txt"]


@pytest.mark.slow
def test_artifacts_of_a_failed_build_are_uploaded(aws, bucket, project):
    target = {"type": "S3", "location": bucket, "path": "kept", "name": "x.zip", "packaging": "ZIP"}
    text = spec("echo why > report.txt", "false", artifacts={"files": ["report.txt"]})
    build = project.run(buildspecOverride=text, artifactsOverride=target)
    assert build["buildStatus"] == "FAILED"
    assert unzipped(aws, bucket, "kept/x.zip") == {"report.txt": "why\n"}
    nothing = project.run(
        buildspecOverride=spec("true", artifacts={"files": ["*.jar"]}), artifactsOverride=target
    )
    found = failure(nothing, "UPLOAD_ARTIFACTS")
    assert found == ("CLIENT_ERROR", "no matching artifact paths found for *.jar")


@pytest.mark.slow
def test_a_codecommit_source(aws, tmp_path):
    name = f"src-{uuid.uuid4().hex[:8]}"
    made = aws.codecommit.create_repository(repositoryName=name)["repositoryMetadata"]
    copy = Copy(tmp_path / "copy", with_credentials(made["cloneUrlHttp"]))
    text = """
version: 0.2
env: {git-credential-helper: yes}
phases:
  build:
    commands:
      - cat n; git rev-parse HEAD; echo $CODEBUILD_RESOLVED_SOURCE_VERSION
      - git ls-remote origin refs/heads/main | cut -f1
      - git ls-remote https://git-codecommit.us-east-1.amazonaws.com/v1/repos/$NAME refs/heads/main | cut -f1
"""
    first = copy.commit({"ci/build.yml": text, "n": "1\n"})
    second = copy.commit({"n": "2\n"})
    copy.push("main")
    url = f"https://git-codecommit.us-east-1.amazonaws.com/v1/repos/{name}"
    project = Project(
        aws, source={"type": "CODECOMMIT", "location": url, "buildspec": "ci/build.yml", "gitCloneDepth": 1}
    )
    variables = [{"name": "NAME", "value": name}]
    build = project.run(environmentVariablesOverride=variables)
    assert project.output(build) == ["2", second, second, second, second]
    assert build["resolvedSourceVersion"] == second
    older = project.run(sourceVersion=first, environmentVariablesOverride=variables)
    assert project.output(older)[:2] == ["1", first]
    missing = project.run(sourceVersion="no-such-branch")
    code, message = failure(missing, "DOWNLOAD_SOURCE")
    assert (code, "no-such-branch" in message) == ("CLIENT_ERROR", True)
    gone = project.run(buildspecOverride="no/such.yml")
    assert failure(gone, "DOWNLOAD_SOURCE") == ("YAML_FILE_ERROR", "YAML file does not exist: no/such.yml")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "body", "message"),
    [("missing.zip", None, "cannot be read"), ("broken.zip", b"no zip", "no zip archive")],
)
def test_a_source_that_is_not_there(aws, bucket, project, key, body, message):
    if body:
        aws.s3.put_object(Bucket=bucket, Key=key, Body=body)
    build = project.run(sourceTypeOverride="S3", sourceLocationOverride=f"{bucket}/{key}")
    code, found = failure(build, "DOWNLOAD_SOURCE")
    assert (code, message in found) == ("CLIENT_ERROR", True), found


@pytest.mark.slow
def test_an_unknown_image(project):
    build = project.run(imageOverride="example.com/own:1")
    assert failure(build, "PROVISIONING")[0] == "BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE"


@pytest.mark.slow
def test_pip_installs_for_the_build_alone(aws, bucket, project):
    """What the workshop has satisfies requirements offline; a wheel of the build's own shadows the workshop's."""
    head = "Metadata-Version: 2.1\nName: psutil\nVersion: 99.0\n"
    wheel = {
        "psutil/__init__.py": "__version__ = '99.0'\n",
        "psutil-99.0.dist-info/METADATA": head,
        "psutil-99.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "psutil-99.0.dist-info/RECORD": "",
    }
    encoded = base64.b64encode(zipped(wheel)).decode()
    build = project.run(
        f"mkdir wheels; echo {encoded} | base64 -d > wheels/psutil-99.0-py3-none-any.whl",
        "echo numpy > requirements.txt; echo psutil==99.0 >> requirements.txt",
        "pip install -q --no-index --find-links wheels -r requirements.txt",
        "python -c 'import psutil, numpy; print(psutil.__version__)'",
    )
    assert build["buildStatus"] == "SUCCEEDED", project.log(build)
    assert project.output(build)[-1] == "99.0"
    again = project.run("python -c 'import psutil; print(psutil.__version__)'")
    assert project.output(again) == [psutil.__version__]


@pytest.mark.slow
def test_a_wheel_of_the_version_that_the_workshop_has_in_editable_mode(project):
    """pip must not take the checkout's metadata for an installation: a build does not see the checkout's code."""
    name, version = "sagemaker-end-to-end-lab", importlib.metadata.version("sagemaker-end-to-end-lab")
    stem = f"sagemaker_end_to_end_lab-{version}"
    wheel = {
        "lab_lib/__init__.py": "where = 'the wheel'\n",
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/RECORD": "",
    }
    encoded = base64.b64encode(zipped(wheel)).decode()
    build = project.run(
        f"echo {encoded} | base64 -d > {stem}-py3-none-any.whl",
        f"pip install -q --no-index --find-links . {name}=={version}",
        "python -c 'import lab_lib; print(lab_lib.where)'",
    )
    assert project.output(build) == ["the wheel"], project.log(build)


# -- ends ---------------------------------------------------------------------------------------------------
def test_stop_ends_the_whole_tree(project):
    seconds = f"{10_000 + os.getpid() % 1000}.{uuid.uuid4().int % 10_000}"
    build_id = project.start(f"sleep {seconds} & sleep {seconds}", "echo never")

    def sleeping():
        return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", seconds]]

    deadline = time.monotonic() + 15
    while len(sleeping()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    project.aws.codebuild.stop_build(id=build_id)
    build = project.wait(build_id)
    assert build["buildStatus"] == "STOPPED"
    assert phase(build, "BUILD")["phaseStatus"] == "STOPPED"
    assert phase(build, "POST_BUILD") is None
    assert sleeping() == []
    assert project.aws.codebuild.stop_build(id=build_id)["build"]["buildStatus"] == "STOPPED"


@pytest.mark.slow
def test_a_build_that_kills_itself(project):
    build = project.run("kill -9 -1; kill -9 $$; sleep 1")
    assert build["buildStatus"] in ("FAILED", "FAULT")


@pytest.mark.slow
def test_timeouts_and_the_queue(tmp_path, monkeypatch):
    """In a local AWS whose minutes last a fifth of a second, and that runs one build at a time."""
    monkeypatch.setenv("LOCAL_AWS_BUILD_MINUTE", "0.2")
    monkeypatch.setenv("LOCAL_AWS_MAX_BUILDS", "1")
    local = client.ensure_started(tmp_path / "home", 0, quiet=True)
    try:
        project = Project(clients_of(local.endpoint_url), timeoutInMinutes=10)
        first = project.start("sleep 60", "echo never")
        project.wait(first, until=lambda b: b["currentPhase"] == "BUILD")
        second = project.start("echo mine", queuedTimeoutInMinutesOverride=480)
        third = project.start("echo never", queuedTimeoutInMinutesOverride=5)
        assert project.get(second)["currentPhase"] == "QUEUED"
        late, timed_out = project.wait(third), project.wait(first)
        assert (late["buildStatus"], phase(late, "QUEUED")["phaseStatus"]) == ("TIMED_OUT", "TIMED_OUT")
        assert (timed_out["buildStatus"], phase(timed_out, "POST_BUILD")) == ("TIMED_OUT", None)
        context = phase(timed_out, "BUILD")["contexts"][0]
        assert context["statusCode"] == "BUILD_TIMED_OUT"
        assert project.wait(second)["buildStatus"] == "SUCCEEDED"
    finally:
        client.stop(tmp_path / "home")


@pytest.mark.slow
def test_a_killed_server_leaves_no_build_under_way(tmp_path):
    home = tmp_path / "home"
    local = client.ensure_started(home, 0, quiet=True)
    try:
        project = Project(clients_of(local.endpoint_url), name="kept")
        done = project.run("echo done")
        build_id = project.start("echo started", "sleep 300")
        project.wait(build_id, until=lambda b: b["currentPhase"] == "BUILD")
        os.kill(json.loads((home / "server.json").read_text())["pid"], signal.SIGKILL)
        project.aws = clients_of(_start_again(home).endpoint_url)
        build = project.get(build_id)
        assert (build["buildStatus"], build["buildComplete"]) == ("FAULT", True)
        assert "stopped while this build was running" in phase(build, "BUILD")["contexts"][0]["message"]
        assert project.get(done["id"])["buildStatus"] == "SUCCEEDED"
        assert project.run("echo again")["buildNumber"] == 3
        _wait_until_empty(home / "builds")
    finally:
        client.stop(home)


def _wait_until_empty(folder, seconds=10):
    deadline = time.monotonic() + seconds
    while left := list(folder.iterdir()):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def _start_again(home, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return client.ensure_started(home, 0, quiet=True)
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.slow
def test_without_namespaces(tmp_path, monkeypatch):
    """Where the machine allows no mount namespaces, a build still has its folder, its Python and its end."""
    monkeypatch.setenv("LOCAL_AWS_SANDBOX", "paths")
    local = client.ensure_started(tmp_path / "home", 0, quiet=True)
    try:
        aws = clients_of(local.endpoint_url)
        aws.s3.create_bucket(Bucket="lab-bucket")
        project = Project(aws)
        target = {"type": "S3", "location": "lab-bucket", "name": "x.zip", "packaging": "ZIP"}
        text = spec(
            'test "$PWD" = "$CODEBUILD_SRC_DIR" && cd ..',
            "python -c 'import numpy; print(numpy.__name__)' > $CODEBUILD_SRC_DIR/out.txt",
            "exit 3",
            artifacts={"files": ["out.txt"]},
        )
        build = project.run(buildspecOverride=text, artifactsOverride=target)
        assert "exit 3" in failure(build, "BUILD")[1]
        assert unzipped(aws, "lab-bucket", "x.zip") == {"out.txt": "numpy\n"}
        build_id = project.start("sleep 12345.5 & sleep 12345.5")
        project.wait(build_id, until=lambda b: b["currentPhase"] == "BUILD")
        aws.codebuild.stop_build(id=build_id)
        assert project.wait(build_id)["buildStatus"] == "STOPPED"
        left = [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "12345.5"]]
        assert left == []
    finally:
        client.stop(tmp_path / "home")


# -- the API ------------------------------------------------------------------------------------------------
def test_projects(aws):
    name = f"p-{uuid.uuid4().hex[:8]}"
    project = Project(aws, name=name, tags=[{"key": "team", "value": "ml"}], timeoutInMinutes=30)
    codebuild = aws.codebuild
    answer = codebuild.batch_get_projects(names=[name, "no-such"])
    found = answer["projects"][0]
    assert (found["timeoutInMinutes"], found["queuedTimeoutInMinutes"]) == (30, 480)
    assert (found["tags"], answer["projectsNotFound"]) == ([{"key": "team", "value": "ml"}], ["no-such"])
    codebuild.update_project(name=name, description="new", timeoutInMinutes=45)
    found = codebuild.batch_get_projects(names=[found["arn"]])["projects"][0]
    assert (found["description"], found["timeoutInMinutes"]) == ("new", 45)
    assert found["environment"]["image"] == IMAGE
    codebuild.invalidate_project_cache(projectName=name)
    with pytest.raises(ClientError) as twice:
        Project(aws, name=name)
    assert twice.value.response["Error"]["Code"] == "ResourceAlreadyExistsException"
    assert name in codebuild.list_projects()["projects"]
    build = project.run("true")
    codebuild.delete_project(name=name)
    assert name not in codebuild.list_projects()["projects"]
    assert error_of(codebuild.start_build, projectName=name)["Code"] == "ResourceNotFoundException"
    assert project.get(build["id"])["buildStatus"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": {"type": "GITHUB", "location": "https://github.com/a/b"}}, "GITHUB are not emulated"),
        ({"source": {"type": "S3", "location": "no-key"}}, "must be bucket/key"),
        ({"source": {"type": "CODECOMMIT", "location": "https://x.y/z"}}, "no.* clone URL|is not the HTTPS"),
        ({"source": {"type": "NO_SOURCE"}}, "a buildspec is required"),
        ({"source": {"type": "CODEPIPELINE"}}, "must both be of type CODEPIPELINE"),
        ({"artifacts": {"type": "S3"}}, "location .* is required"),
        ({"timeoutInMinutes": 2161}, "not between 5 and 2160"),
        ({"serviceRole": "lab"}, "is no role's ARN"),
        ({"name": "-x"}, "Project name '-x' is not valid"),
    ],
)
def test_projects_that_are_refused(aws, change, message):
    with pytest.raises(ClientError) as caught:
        Project(aws, **change)
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidInputException"
    assert re.search(message, error["Message"]), error["Message"]


@pytest.mark.slow
def test_lists_and_retry(project):
    codebuild = project.aws.codebuild
    first = project.run("echo $N", environmentVariablesOverride=[{"name": "N", "value": "7"}])
    again = codebuild.retry_build(id=first["id"])["build"]
    second = project.wait(again["id"])
    assert (project.output(second), second["buildNumber"]) == (["7"], first["buildNumber"] + 1)
    assert codebuild.list_builds_for_project(projectName=project.name)["ids"][:2] == [
        second["id"],
        first["id"],
    ]
    assert codebuild.list_builds()["ids"][0] == second["id"]
    answer = codebuild.batch_get_builds(ids=["x:y"])
    assert (answer["builds"], answer["buildsNotFound"]) == ([], ["x:y"])
    assert error_of(codebuild.stop_build, id="nonsense")["Code"] == "InvalidInputException"
    assert error_of(codebuild.retry_build, id="x:y")["Code"] == "ResourceNotFoundException"
    codebuild.batch_delete_builds(ids=[second["id"]])
    assert codebuild.batch_get_builds(ids=[second["id"]])["buildsNotFound"] == [second["id"]]


@pytest.mark.slow
def test_a_pipelines_project_is_not_started_by_hand(aws):
    kinds = {"source": {"type": "CODEPIPELINE"}, "artifacts": {"type": "CODEPIPELINE"}}
    project = Project(aws, **kinds)
    error = error_of(aws.codebuild.start_build, projectName=project.name)
    assert error["Code"] == "InvalidInputException"
    assert "started by its pipeline" in error["Message"]
    alone = project.run("echo alone", sourceTypeOverride="NO_SOURCE")
    assert project.output(alone) == ["alone"]


def test_events_of_a_build(aws):
    from test_codecommit import Events

    project = Project(aws)
    pattern = {"source": ["aws.codebuild"], "detail": {"project-name": [project.name]}}
    events = Events(aws, pattern)
    build = project.run("false")
    started, ended = events.take(2)
    assert started["detail-type"] == ended["detail-type"] == "CodeBuild Build State Change"
    assert [e["detail"]["build-status"] for e in (started, ended)] == ["IN_PROGRESS", "FAILED"]
    assert ended["resources"] == [build["arn"]]
    assert ended["detail"]["build-id"] == build["arn"]
    information = ended["detail"]["additional-information"]
    assert information["logs"]["group-name"] == build["logs"]["groupName"]
    assert [p["phase-type"] for p in information["phases"]][-1] == "COMPLETED"
    assert information["build-complete"] is True


def test_an_empty_build_is_quick(project):
    """Measured: 0.06 to 0.15 s on two cores. The limit leaves room for a busy machine."""
    project.run("true")
    began = time.monotonic()
    project.run("true")
    assert time.monotonic() - began < 1.5


@pytest.mark.slow
def test_nothing_is_left_behind(server, project):
    project.run("touch junk; sleep 9876.5 &")
    _wait_until_empty(Path(server.home) / "builds")
    assert [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "9876.5"]] == []
    assert git("--version").startswith("git version")
