"""The labs of an account whose names are in SSM Parameter Store: a KMS key, private subnets, a security group."""

import json
import subprocess
import sys

import papermill
import pytest
from checkout_copy import BIN, HERE, copy_checkout, environment
from service_model import problems

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NAMES = {
    "kms-key-id": KEY,
    "private-subnet-ids": "subnet-0a1b2c3d4e5f60718,subnet-1a1b2c3d4e5f60718",
    "security-group-ids": "sg-0a1b2c3d4e5f60718",
}
LABS = (
    ("nbs/00-ml-build-train/00-Data-Visualization.ipynb", {"sample": 600}),
    (
        "nbs/00-ml-build-train/01-Train-Build-Model.ipynb",
        {"framework": "tensorflow", "epochs": 2, "minimum_macro_f1": 0.0},
    ),
    ("nbs/01-ml-deploy/00-Deploy-SageMaker-Endpoint-Monitor.ipynb", {}),
)


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """The parameters of every AWS call that the labs made, by operation."""
    copy = copy_checkout(tmp_path_factory.mktemp("vpc"))
    recorded = copy / "calls.jsonl"
    env = environment(copy, RECORDED_CALLS=str(recorded), PYTHONPATH=f"{copy}:{HERE / 'recorder'}")
    store = (
        "import json, sys; from lab_lib.settings import get_lab; lab = get_lab(verbose=False); "
        "[lab.client('ssm').put_parameter(Name=f'/{lab.project}/{name}', Value=value, Type='String') "
        "for name, value in json.loads(sys.argv[1]).items()]"
    )
    try:
        subprocess.run([sys.executable, "-c", store, json.dumps(NAMES)], cwd=copy, env=env, check=True)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            for lab, parameters in LABS:
                folder = (copy / lab).parent
                papermill.execute_notebook(
                    copy / lab, copy / "out.ipynb", parameters, cwd=folder, progress_bar=False
                )
    finally:
        subprocess.run([BIN / "local-aws", "stop"], cwd=copy, env=env, check=True)
    made = [json.loads(line) for line in recorded.read_text(encoding="utf-8").splitlines()]
    return [(call["service"], call["operation"], call["parameters"]) for call in made]


def parameters_of(calls, operation):
    found = [parameters for _, name, parameters in calls if name == operation]
    assert found, operation
    return found


def test_the_calls_fit_the_service_models(calls):
    found = {
        problem for service, operation, given in calls for problem in problems(service, operation, given)
    }
    assert not found


def test_training_is_encrypted_and_in_the_vpc(calls):
    (job,) = parameters_of(calls, "CreateTrainingJob")
    assert job["OutputDataConfig"]["KmsKeyId"] == job["ResourceConfig"]["VolumeKmsKeyId"] == KEY
    assert ",".join(job["VpcConfig"]["Subnets"]) == NAMES["private-subnet-ids"]
    assert job["VpcConfig"]["SecurityGroupIds"] == [NAMES["security-group-ids"]]


def test_processing_is_encrypted_and_in_the_vpc(calls):
    jobs = parameters_of(calls, "CreateProcessingJob")
    assert len(jobs) == 2
    for job in jobs:
        assert job["ProcessingOutputConfig"]["KmsKeyId"] == KEY
        assert job["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] == KEY
        assert ",".join(job["NetworkConfig"]["VpcConfig"]["Subnets"]) == NAMES["private-subnet-ids"]


def test_the_endpoint_is_encrypted_and_its_model_in_the_vpc(calls):
    for config in parameters_of(calls, "CreateEndpointConfig"):
        assert config["KmsKeyId"] == KEY
    for model in parameters_of(calls, "CreateModel"):
        assert model["VpcConfig"]["SecurityGroupIds"] == [NAMES["security-group-ids"]]
