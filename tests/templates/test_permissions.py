"""What labs and builds call is allowed to the role that calls it, and the bucket's rules are about what they write.

local_aws enforces no rights, so here the statements of the templates are asked directly. Which permissions a call
needs beside its own action is in the SageMaker developer guide, "SageMaker AI API permissions".
"""

import fnmatch
import inspect
import re

import pytest
from policy_rules import IDENTITY, as_list, branches, statements

from lab_lib.mlpipelines import deployment
from tools.labs import ROOT
from tools.templates import template

NETWORK, STUDIO, CICD, ENVIRONMENT = (
    "00-networking",
    "01-sagemaker-studio-environment",
    "02-ci-cd",
    "03-ml-environment",
)
HERE, THERE = "111111111111", "222222222222"
BUCKET = "arn:aws:s3:::the-bucket"
VALUES = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": HERE,
    "AWS::URLSuffix": "amazonaws.com",
    "AccountIdDev": THERE,
    "ProjectName": "lab",
    "NamePrefix": "tweet-sentiment",
    "KMSAlias": "lab",
    "S3BucketArtifacts": "the-bucket",
    "ModelPackageGroupName": "group",
    "Bucket.Arn": BUCKET,
    "Key.Arn": f"arn:aws:kms:eu-west-1:{HERE}:key/1",
}


def text(value):
    """A string with the functions that these policies use worked out; None for what is not known here."""
    if isinstance(value, dict) and "Fn::Sub" in value and isinstance(value["Fn::Sub"], str):
        return re.sub(r"\$\{([^}]*)\}", lambda found: VALUES.get(found[1], found[0]), value["Fn::Sub"])
    if isinstance(value, dict) and "Fn::GetAtt" in value:
        return VALUES.get(".".join(value["Fn::GetAtt"]))
    return value if isinstance(value, str) else None


def allowing(stack, policies, action, resource):
    """The statements of `policies` that allow `action` on `resource`, whatever their conditions."""
    return [
        statement
        for name, statement in statements(template(stack), IDENTITY)
        if name in policies
        and any(fnmatch.fnmatchcase(action.lower(), a.lower()) for a in as_list(statement["Action"]))
        and any(fnmatch.fnmatchcase(resource, text(r) or "") for r in as_list(statement["Resource"]))
    ]


def sagemaker(rest):
    return f"arn:aws:sagemaker:eu-west-1:{HERE}:{rest}"


@pytest.mark.parametrize(
    "stack, policies",
    [
        (CICD, ["EnvironmentAccess", "DeploymentAccess"]),
        (ENVIRONMENT, ["BuildAccess"]),  # of the role that another account's build takes on
    ],
)
def test_a_build_may_create_an_endpoint_whose_volumes_the_key_encrypts(stack, policies):
    """CreateEndpoint and UpdateEndpoint need kms:CreateGrant when the configuration has a KmsKeyId, as ours has."""
    assert 'more["KmsKeyId"]' in inspect.getsource(deployment.create_configuration)
    for action, kind in (
        ("CreateEndpointConfig", "endpoint-config"),
        ("CreateEndpoint", "endpoint"),
        ("UpdateEndpoint", "endpoint"),
    ):
        name = sagemaker(f"{kind}/tweet-sentiment-dev")
        assert allowing(stack, policies, f"sagemaker:{action}", name)
    (grant,) = allowing(stack, policies, "kms:CreateGrant", f"arn:aws:kms:eu-west-1:{HERE}:key/1")
    assert grant["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}


def test_a_build_of_the_tooling_account_may_fetch_the_wheel_before_it_takes_on_the_role():
    """buildspec.yml calls S3 with the build's own rights: 03's bucket and key admit the account, its role must, too."""
    for repository in ("00-ml-build-train", "01-ml-deploy"):
        spec = (ROOT / "seed_code" / repository / "buildspec.yml").read_text(encoding="utf-8")
        assert 'boto3.client("s3").download_file(os.environ["ARTIFACTS_BUCKET"], key, key)' in spec
        assert 'key = f"packages/' in spec
    policies = ["OtherAccountAccess"]
    assert allowing(CICD, policies, "s3:GetObject", f"{BUCKET}/packages/lab-1-py3-none-any.whl")
    assert not allowing(CICD, policies, "s3:GetObject", f"{BUCKET}/data/raw.csv")
    (decrypt,) = allowing(CICD, policies, "kms:Decrypt", f"arn:aws:kms:eu-west-1:{THERE}:key/1")
    assert text(decrypt["Condition"]["StringEquals"]["kms:ViaService"]) == "s3.eu-west-1.amazonaws.com"
    policy = template(ENVIRONMENT)["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]
    admitted = {statement["Sid"]: statement for statement in branches(policy)}["ToolingAccountReadsAndWrites"]
    assert "s3:GetObject" in admitted["Action"]


@pytest.mark.parametrize(
    "action, resource",
    [
        ("CreateExperiment", "experiment/tweet-sentiment-training"),
        ("CreateTrial", "experiment-trial/abcdefghijkl"),
        ("AssociateTrialComponent", "experiment-trial-component/pipelines-abcdefghijkl-process"),
    ],
)
def test_a_pipeline_may_keep_its_executions_in_an_experiment(action, resource):
    """The SDK puts an experiment into every pipeline's definition; the pipeline makes it with the execution role."""
    assert allowing(STUDIO, ["JobsPolicy"], f"sagemaker:{action}", sagemaker(resource))
    assert not allowing(STUDIO, ["JobsPolicy"], "sagemaker:CreateExperiment", sagemaker("experiment/others"))


def test_captured_traffic_is_where_the_bucket_forgets_it():
    made = template(ENVIRONMENT)["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (rule,) = [rule for rule in made if rule["Id"] == "forget-captured-traffic"]
    prefix = rule["Prefix"]["Fn::Sub"]
    assert prefix == "${ProjectName}/data-capture/" and rule["ExpirationInDays"] == 90
    written = inspect.getsource(deployment.create_configuration)
    assert 'lab.s3_uri("data-capture", endpoint.name)' in written


def test_a_replaced_domain_keeps_the_policy_that_removes_it():
    """In the clean-up after an update the old domain is removed, and the policy for that must still be there."""
    policy = template(STUDIO)["Resources"]["CleanupPolicy"]["Properties"]
    assert (
        "${Domain}" in policy["Description"]["Fn::Sub"]
    )  # an IAM policy with another description is a new one
