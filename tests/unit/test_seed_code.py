"""The two seed repositories agree with the library, and share no copied file."""

import hashlib
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from lab_lib import seed
from lab_lib.images import image_uri
from lab_lib.mlpipelines.commands import pairs
from lab_lib.mlpipelines.deployment import read_config
from lab_lib.seed import PACKAGE, SEEDS
from local_aws.services.codebuild.buildspec import parse
from tools.templates import template

ROOT = Path(__file__).resolve().parents[2]
SEED = {kind: ROOT / "seed_code" / folder for kind, folder in SEEDS.items()}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def files(kind):
    return {path.relative_to(SEED[kind]): path for path in SEED[kind].rglob("*") if path.is_file()}


def test_no_file_is_in_both():
    digests = {
        kind: {hashlib.sha256(path.read_bytes()).hexdigest(): name for name, path in files(kind).items()}
        for kind in SEED
    }
    shared = digests["training"].keys() & digests["deployment"].keys()
    assert not shared, [digests["training"][digest] for digest in shared]


@pytest.mark.parametrize("kind", SEED)
def test_a_repository_is_complete(kind):
    names = {str(name) for name in files(kind)}
    expected = {"README.md", "buildspec.yml", "requirements.txt", "Dockerfile"}
    assert names >= expected | {"configs/dev.yml", "configs/prod.yml"}
    assert not any(name.endswith(".py") for name in names), "their code is lab_lib"
    pins = re.findall(rf"^{PACKAGE}==(.*)$", (SEED[kind] / "requirements.txt").read_text(), re.M)
    assert pins == [PROJECT["version"]]


@pytest.mark.parametrize("kind", SEED)
def test_the_buildspec_calls_commands_that_exist_with_the_pinned_boto3(kind):
    spec = yaml.safe_load((SEED[kind] / "buildspec.yml").read_text())
    assert spec["version"] == 0.2
    commands = [c for phase in spec["phases"].values() for c in phase["commands"]]
    (boto3,) = [requirement for requirement in PROJECT["dependencies"] if requirement.startswith("boto3==")]
    assert any(boto3 in command for command in commands)
    own = {command.split()[0] for command in commands} & PROJECT["scripts"].keys()
    assert (
        own
        == {
            "training": {"run-pipeline"},
            "deployment": {"deploy-model"},
        }[kind]
    )
    # what the wheel brings along has the versions that the workshop was tested with
    (finds,) = [command for command in commands if command.startswith("CONSTRAINTS=")]
    (installs,) = [command for command in commands if "requirements.txt" in command and "pip" in command]
    assert "constraints.txt" in finds and installs.endswith('--constraint "$CONSTRAINTS"')
    # nothing prints the environment, where credentials are
    assert not any(re.search(r"\b(env|printenv|set)\b\s*($|\|)", command) for command in commands)


def test_the_production_stage_deploys_the_version_that_dev_has_tried(tmp_path):
    """Not the latest approved one: while somebody decides, a newer one may be approved."""
    spec = parse((SEED["deployment"] / "buildspec.yml").read_text())
    assert spec.exported == ["MODEL_PACKAGE_ARN"]
    stub = tmp_path / "deploy-model"
    stub.write_text(
        '#!/bin/sh\necho "$@" >> calls\necho \'{"model_package_arn": "arn:group/3"}\' > deployment.json\n'
    )
    stub.chmod(0o755)
    path = f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin"
    script = "\n".join([*spec.phases["build"].commands, "printenv MODEL_PACKAGE_ARN"])
    for given in ({}, {"MODEL_PACKAGE_ARN": "arn:group/3"}):
        environment = {"PATH": path, "DEPLOY_CONFIG": "configs/a.yml", **given}
        done = subprocess.run(
            ["sh", "-ec", script], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.stdout.strip() == "arn:group/3", done.stderr
    first, second = (tmp_path / "calls").read_text().splitlines()
    assert "--model-package-arn" not in first
    assert second == f"{first} --model-package-arn arn:group/3"
    stages = template("02-ci-cd")["Resources"]["DeploymentPipeline"]["Properties"]["Stages"]
    assert stages[1]["Actions"][0]["Namespace"] == "Dev"
    production = stages[3]["Fn::If"][1]["Actions"][0]["Configuration"]["EnvironmentVariables"]
    variables = {one["name"]: one["value"] for one in json.loads(production)}
    assert variables == {"DEPLOY_CONFIG": "configs/prod.yml", "MODEL_PACKAGE_ARN": "#{Dev.MODEL_PACKAGE_ARN}"}


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_deployment_configurations_are_valid(name):
    config = read_config(SEED["deployment"] / "configs" / f"{name}.yml")
    assert config.environment == name and config.endpoint.name.endswith(name)
    assert not config.handler


@pytest.mark.slow
def test_training_configurations_name_parameters_of_the_pipeline():
    from lab_lib.mlpipelines.definition import check_parameters, load_module, make_pipeline, offline_lab

    lab = offline_lab("arn:aws:iam::123456789012:role/lab", "demo-bucket", root=ROOT)
    pipeline = make_pipeline(load_module("lab_lib.mlpipelines.training"), lab, {})
    for path in sorted((SEED["training"] / "configs").iterdir()):
        given = pairs([f"@{path}"], "--parameters")
        assert check_parameters(pipeline, given)["ModelApprovalStatus"] == "PendingManualApproval", path


@pytest.mark.parametrize("kind, scope", [("training", "training"), ("deployment", "inference")])
def test_the_dockerfile_starts_from_the_image_that_the_library_names(kind, scope):
    text = (SEED[kind] / "Dockerfile").read_text()
    (base,) = re.findall(r"^FROM (.*)$", text, re.M)
    assert base.replace("${REGION}", "eu-west-1") == image_uri(
        "tensorflow", scope, "eu-west-1", "ml.m5.large"
    )
    needed = getattr(importlib.import_module("lab_lib.algorithms.training.tensorflow"), "REQUIREMENTS", ())
    installed = re.findall(r"^RUN python -m pip install --no-cache-dir (.*)$", text, re.M)
    assert installed == ([" ".join(needed)] if kind == "training" else [])


def test_pushing_a_seed_again_says_which_of_the_learners_files_it_replaces(tmp_path, monkeypatch):
    seed.git("init", "--quiet", "--bare", str(tmp_path / "bare"))
    repository = seed.Repository("training", "lab-training", str(tmp_path / "bare"))
    monkeypatch.setattr(seed, "find_repositories", lambda _: {"training": repository})
    monkeypatch.setattr(seed, "build_wheel", lambda *_: None)
    monkeypatch.setattr(seed, "upload_wheel", lambda *_: None)
    lab, said = SimpleNamespace(root=ROOT), []
    assert seed.push_seed(lab, "training", say=said.append)
    assert seed.push_seed(lab, "training", say=said.append) is None and said == []
    copy = seed.checkout(repository, tmp_path / "copy")
    (copy / "configs" / "dev.yml").write_text("Framework: huggingface\n")
    (copy / "notes.txt").write_text("mine\n")
    seed.commit_and_push(copy, "Another framework")
    assert seed.push_seed(lab, "training", say=said.append)
    (line,) = said
    assert "lab-training: configs/dev.yml replaced by the seed's" in line and "notes.txt" not in line
    assert (seed.checkout(repository, copy) / "notes.txt").read_text() == "mine\n"
