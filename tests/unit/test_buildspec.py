"""buildspec.yml as CodeBuild reads it: what is taken, and what is refused with a line."""

import json
import re
import shlex
import string
import subprocess

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.services.codebuild.artifacts import collect
from local_aws.services.codebuild.buildspec import Artifacts, BuildspecError, parse
from local_aws.services.codebuild.failures import PhaseFailed
from local_aws.services.codebuild.masking import Masker
from local_aws.services.codebuild.sources import codecommit_location, split_location, unzip
from local_aws.services.codebuild.variables import split_secret

WHOLE = """\
version: 0.2
env:
  shell: bash
  variables: {STAGE: dev, COUNT: 3}
  parameter-store: {BUCKET: /lab/bucket}
  secrets-manager: {TOKEN: "lab/token:api:AWSCURRENT"}
  exported-variables: [VERSION]
  git-credential-helper: yes
phases:
  install:
    runtime-versions: {python: 3.11}
    commands: [echo install]
  pre_build:
  build:
    on-failure: ABORT
    commands:
      - |
        echo one
        echo two
      - 42
    finally:
      - echo end
artifacts:
  files: ['**/*']
  exclude-paths: ['*.pyc']
  base-directory: out
  discard-paths: no
  name: app-$(date +%F).zip
  secondary-artifacts:
    report:
      files: report.html
cache:
  paths: [/var/cache/pip]
"""


def test_everything_that_runs():
    spec = parse(WHOLE.replace("files: report.html", "files: [report.html]"))
    assert spec.shell == "bash"
    assert spec.variables == {"STAGE": "dev", "COUNT": "3"}
    assert (spec.parameters, spec.secrets) == (
        {"BUCKET": "/lab/bucket"},
        {"TOKEN": "lab/token:api:AWSCURRENT"},
    )
    assert (spec.exported, spec.git_credentials) == (["VERSION"], True)
    assert list(spec.phases) == ["install", "pre_build", "build"]
    assert spec.phases["install"].runtimes == {"python": "3.11"}
    assert spec.phases["build"].commands == ["echo one\necho two\n", "42"]
    assert (spec.phases["build"].finally_, spec.phases["build"].on_failure) == (["echo end"], "ABORT")
    assert spec.artifacts == Artifacts(["**/*"], ["*.pyc"], "out", False, "app-$(date +%F).zip")
    assert spec.secondary == {"report": Artifacts(["report.html"])}
    assert spec.notes == ["cache is not emulated by local_aws: nothing is cached (line 33)"]


BUILD = "phases: {build: {commands: [ls]}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the buildspec is empty"),
        ("version: 0.2\nphases:\n  build:\n   commands:\n  - ls: [\n", r"is not YAML: .* \(line \d\)"),
        (BUILD, "has no version; write version: 0.2"),
        ("version: 0.1\n" + BUILD, r"version 0.1 is not emulated by local_aws \(line 1\)"),
        ("version: 0.3\n" + BUILD, "version 0.3 does not exist"),
        ("version: 0.2\n", "has no phases"),
        ("version: 0.2\nphase: {}\n", r"the unknown key phase \(line 2\); known are .*phases"),
        ("version: 0.2\nphases:\n  test: {}\n", r"phases has the unknown key test \(line 3\)"),
        (
            "version: 0.2\nphases:\n  build:\n    command: ls\n",
            r"phases.build has the unknown key command \(line 4\)",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    commands: ls\n",
            r"phases.build.commands must be a list \(line 4\)",
        ),
        (
            "version: 0.2\nphases:\n  build:\n    commands:\n      - echo a: b\n",
            r"commands\[0\] must be a string, but it is a mapping \(line 5\); put quotes",
        ),
        ("version: 0.2\nrun-as: bob\n" + BUILD, r"run-as is not emulated by local_aws \(line 2\)"),
        (
            "version: 0.2\nphases: {build: {run-as: bob, commands: []}}\n",
            "phases.build.run-as is not emulated",
        ),
        ("version: 0.2\nbatch: {}\n" + BUILD, "batch is not emulated"),
        ("version: 0.2\nphases: {build: {on-failure: IGNORE}}\n", "must be ABORT or CONTINUE, not IGNORE"),
        ("version: 0.2\nphases: {build: {on-failure: RETRY-3}}\n", "RETRY-3 is not emulated"),
        ("version: 0.2\nenv: {shell: powershell.exe}\n" + BUILD, "env.shell powershell.exe is not emulated"),
        ("version: 0.2\nenv:\n  variables:\n    A-B: x\n" + BUILD, r"'A-B' .* no name .* \(line 4\)"),
        (
            "version: 0.2\nenv: {variables: {A: [x]}}\n" + BUILD,
            "env.variables.A must be a string, but it is a list",
        ),
        ("version: 0.2\nartifacts: {name: x}\n" + BUILD, "artifacts has no files"),
        (
            "version: 0.2\nartifacts: {files: [x], discard-paths: maybe}\n" + BUILD,
            "must be yes or no, not maybe",
        ),
        (
            "version: 0.2\nartifacts: {files: [x], s3-prefix: y}\n" + BUILD,
            "artifacts.s3-prefix is not emulated",
        ),
        ("version: 0.2\nversion: 0.2\n" + BUILD, r"has version twice \(line 2\)"),
        ("- version\n", "the buildspec must be a mapping"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(BuildspecError, match=message):
        parse(text)


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_buildspec_or_an_error(text):
    try:
        parse(text)
    except BuildspecError as error:
        assert str(error)


_words = st.text(string.ascii_letters + " $'\"&|;:#{}[]-\\\n", min_size=1, max_size=30)


@given(
    st.dictionaries(
        st.sampled_from(["install", "pre_build", "build", "post_build"]), st.lists(_words), min_size=1
    )
)
@settings(max_examples=60, deadline=None)
def test_commands_come_out_as_they_went_in(phases):
    document = {
        "version": "0.2",
        "phases": {name: {"commands": commands} for name, commands in phases.items()},
    }
    spec = parse(yaml.safe_dump(document))
    assert {name: phase.commands for name, phase in spec.phases.items()} == phases


# -- artifacts ----------------------------------------------------------------------------------------------
@pytest.fixture
def source(tmp_path):
    for name in ("a.txt", "out/b.txt", "out/deep/c.txt", "out/deep/d.pyc", ".hidden/e", "out/x[1].txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (Artifacts(["a.txt"]), ["a.txt"]),
        (Artifacts(["out/*.txt"]), ["out/b.txt", "out/x[1].txt"]),
        (Artifacts(["out/**/*.txt"]), ["out/b.txt", "out/deep/c.txt", "out/x[1].txt"]),
        (
            Artifacts(["**/*"], exclude=["**/*.pyc"]),
            [".hidden/e", "a.txt", "out/b.txt", "out/deep/c.txt", "out/x[1].txt"],
        ),
        (Artifacts(["**/*.txt"], base="out"), ["b.txt", "deep/c.txt", "x[1].txt"]),
        (Artifacts(["deep/*"], base="o*", discard_paths=True), ["c.txt", "d.pyc"]),
        (Artifacts(["./a.txt", "missing"]), ["a.txt"]),
        (Artifacts(["out/x[[]1].txt"]), ["out/x[1].txt"]),
    ],
)
def test_files_of_an_artifact(source, spec, names):
    assert sorted(collect(spec, source)) == names


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (Artifacts(["*.jar", "*.war"]), r"no matching artifact paths found for \*.jar, \*.war"),
        (Artifacts(["*"], base="dist"), "no matching base directory path found for dist"),
        (Artifacts(["*"], base=".."), "outside of the source folder"),
        (Artifacts(["../secret"]), "outside of the source folder"),
    ],
)
def test_artifacts_that_are_not_there(source, spec, message):
    (source.parent / "secret").write_text("x")
    with pytest.raises(PhaseFailed, match=message):
        collect(spec, source)


# -- small parts --------------------------------------------------------------------------------------------
def test_secrets_are_masked():
    mask = Masker(["hunter2", "line one\nline two", '{"user": "ada", "password": "s3cr3t"}', "ab", ""])
    assert mask("x hunter2hunter2 ab") == "x ****** ab"
    assert mask("line two s3cr3t ada") == "*** *** ***"
    mask.add("hunter2-and-more")
    assert mask("hunter2-and-more") == "***"
    assert Masker()("plain") == "plain"


@pytest.mark.parametrize(
    "written",
    [
        lambda secret: secret,
        lambda secret: repr({"key": secret}),
        lambda secret: json.dumps({"key": secret}),
        lambda secret: json.dumps({"key": secret}, ensure_ascii=False),
        shlex.quote,
        lambda secret: (
            subprocess.run(
                ["bash", "-c", "S=$1; export S; export -p; set", "-", secret], capture_output=True, text=True
            ).stdout
        ),
    ],
)
def test_a_secret_is_masked_however_it_is_written(written):
    secret = 'it\'s "zebra" $giraffe \\\\ für'
    masked = Masker([secret])(written(secret))
    assert "***" in masked
    assert not re.search("zebra|iraffe", masked), masked


def test_access_key_ids_are_masked():
    assert Masker()("found ASIA0123456789ABCDEF, AKIA0123456789ABCDEF.") == "found ***, ***."


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("lab/token", ("lab/token", "", "", "")),
        ("lab/token:key", ("lab/token", "key", "", "")),
        ("lab/token:key:AWSPREVIOUS:v1", ("lab/token", "key", "AWSPREVIOUS", "v1")),
        (
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:lab/token-a1b2c3:key",
            ("arn:aws:secretsmanager:us-east-1:123456789012:secret:lab/token-a1b2c3", "key", "", ""),
        ),
    ],
)
def test_secret_references(reference, parts):
    assert split_secret(reference) == parts


def test_locations():
    aws = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/seed"
    assert codecommit_location(aws, "us-east-1") == ("seed", "eu-west-1")
    assert codecommit_location("http://127.0.0.1:5599/v1/repos/seed", "us-east-1") == ("seed", "us-east-1")
    here = "http://127.0.0.1:5599/v1/regions/eu-west-1/repos/seed"
    assert codecommit_location(here, "us-east-1") == ("seed", "eu-west-1")
    assert codecommit_location("https://github.com/a/b", "us-east-1") is None
    assert split_location("arn:aws:s3:::bucket/a/b.zip") == ("bucket", "a/b.zip")
    assert split_location("bucket/a.zip") == ("bucket", "a.zip")


def test_an_archive_that_would_leave_its_folder(tmp_path):
    import zipfile

    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("../outside", "x")
    with pytest.raises(ValueError, match="would leave the source folder"):
        unzip(archive, tmp_path / "in")
    archive.write_bytes(b"no zip")
    with pytest.raises(ValueError):
        unzip(archive, tmp_path / "in")
