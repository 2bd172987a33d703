"""The tool's own logic: which parameters a stack gets, and what is said when nobody is logged in."""

import os
import subprocess
import sys

import pytest

from lab_lib.settings import LabError, read_settings
from tools import aws_stacks, stack_parameters
from tools.labs import ROOT
from tools.stack_parameters import parameters
from tools.templates import STACKS, template

ACCOUNT = "123456789012"


@pytest.fixture
def settings():
    return read_settings(ROOT / "settings.ini")


@pytest.mark.parametrize("stack", STACKS)
def test_every_mandatory_parameter_is_given(stack, settings):
    values = parameters(stack, settings, ACCOUNT)
    assert values.keys() <= template(stack)["Parameters"].keys()
    mandatory = {name for name, p in template(stack)["Parameters"].items() if "Default" not in p}
    assert mandatory <= values.keys()


def test_02_and_03_mean_the_same_bucket_and_group(settings):
    cicd, ml = parameters(STACKS[2], settings, ACCOUNT), parameters(STACKS[3], settings, ACCOUNT)
    assert cicd["S3BucketArtifacts"] == ml["S3BucketName"] == "sagemaker-e2e-lab-ml-123456789012-us-east-1"
    assert cicd["ModelPackageGroupName"] == ml["ModelPackageGroupName"]
    assert cicd["KMSAlias"] == ml["KMSAlias"]


def test_the_bucket_belongs_to_the_account_that_03_is_deployed_in(settings):
    given = {"AccountIdDev": "210987654321"}
    cicd = parameters(STACKS[2], settings, ACCOUNT, given=given)
    assert cicd["S3BucketArtifacts"] == parameters(STACKS[3], settings, "210987654321")["S3BucketName"]
    same = parameters(STACKS[2], settings, ACCOUNT, given={"AccountIdDev": ""})
    assert same["S3BucketArtifacts"] == parameters(STACKS[3], settings, ACCOUNT)["S3BucketName"]


def test_another_project_has_other_names(settings):
    settings["workshop"]["project"] = "my-lab"
    settings["storage"]["bucket"] = "my-bucket"
    values = {name: value for stack in STACKS for name, value in parameters(stack, settings, ACCOUNT).items()}
    assert values["S3BucketName"] == "my-bucket" and values["SageMakerDomainName"] == "my-lab"
    assert values["AccountIdToolingStored"] == "/my-lab/account-id-tooling"
    assert not [name for name, value in values.items() if "sagemaker-e2e-lab" in value]


def test_what_is_given_wins(settings):
    assert parameters(STACKS[0], settings, ACCOUNT, given={"NatGateway": "false"})["NatGateway"] == "false"
    with pytest.raises(LabError, match="00-networking has no parameter Nat. It has: ProjectName"):
        parameters(STACKS[0], settings, ACCOUNT, given={"Nat": "false"})


@pytest.mark.parametrize(
    "origin, url",
    [
        ("https://github.com/someone/lab.git", "https://github.com/someone/lab.git"),
        ("https://user:secret@example.org/lab", "https://example.org/lab"),
        ("git@github.com:someone/lab.git", ""),
        ("/srv/git/lab", ""),
    ],
)
def test_the_repositorys_address_carries_no_secret(tmp_path, monkeypatch, origin, url):
    for command in (["init", "-q"], ["remote", "add", "origin", origin]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(stack_parameters, "ROOT", tmp_path)
    assert stack_parameters.repository_url() == url


@pytest.mark.parametrize("content", ["{", '{"ProjectName": "x"}', '[{"Name": "x"}]'])
def test_a_parameter_file_of_another_form(tmp_path, monkeypatch, content):
    (tmp_path / "00-networking" / "params").mkdir(parents=True)
    (tmp_path / "00-networking" / "params" / "dev.json").write_text(content)
    monkeypatch.setattr(stack_parameters, "FOLDER", tmp_path)
    monkeypatch.setattr(stack_parameters, "ROOT", tmp_path)
    with pytest.raises(LabError, match="dev.json is not a JSON list of ParameterKey and ParameterValue"):
        stack_parameters.from_file("00-networking", "dev")


def test_given_parameters_are_pairs():
    assert aws_stacks._given("A=1 B=x=y C=") == {"A": "1", "B": "x=y", "C": ""}
    assert aws_stacks._given("A='two words' B=1") == {"A": "two words", "B": "1"}
    with pytest.raises(LabError, match="No closing quotation"):
        aws_stacks._given("A='two words")
    with pytest.raises(LabError, match="NAME=VALUE NAME=VALUE …, not 'A'"):
        aws_stacks._given("A")


@pytest.mark.slow
def test_on_aws_without_credentials_it_says_what_to_do(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAB_"))}
    environment = kept | {
        "LAB_BACKEND": "aws",
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    command = [sys.executable, "-m", "tools.aws_stacks", "up"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("No usable AWS credentials") and "aws configure" in done.stderr
    assert len(done.stderr.splitlines()) == 1
