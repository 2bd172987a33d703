"""The four stacks deployed in order on a local AWS, used by labs, updated, and deleted with nothing left.

The tests of this file follow one another, as a learner's day does.
"""

import json
import re

import pytest
from places import clients, register, started_by_events, until
from presence import CHECKS, inventory, is_there

from tools.templates import STACKS, read_names, stored_names, template

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PROJECT = "sagemaker-e2e-lab"
BUCKET = f"{PROJECT}-ml-123456789012-us-east-1"


def name_of(stack):
    return f"{PROJECT}-{stack}"


@pytest.fixture(scope="module")
def deployed(checkout):
    """The output of the first `up`; the stacks are there from here on."""
    return checkout.stacks("up")


@pytest.fixture(scope="module")
def aws(checkout, deployed):
    return clients(checkout.url)


def resources(aws, stack):
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=name_of(stack))
    return {r["LogicalResourceId"]: r for page in pages for r in page["StackResourceSummaries"]}


def outputs(aws, stack):
    (found,) = aws.cloudformation.describe_stacks(StackName=name_of(stack))["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def names(aws):
    pages = aws.ssm.get_paginator("get_parameters_by_path").paginate(Path=f"/{PROJECT}", Recursive=True)
    return {p["Name"].removeprefix(f"/{PROJECT}/"): p["Value"] for page in pages for p in page["Parameters"]}


def test_they_deploy_in_their_order(deployed):
    ends = [deployed.index(f"CREATE_COMPLETE              {name_of(stack)}") for stack in STACKS]
    assert ends == sorted(ends)
    assert "FAILED" not in deployed and f"BucketName            {BUCKET}" in deployed


@pytest.mark.parametrize("stack", STACKS)
def test_each_resource_is_there(aws, stack):
    found = resources(aws, stack)
    always = {name for name, r in template(stack)["Resources"].items() if "Condition" not in r}
    assert always <= found.keys()
    missing = {
        name: r["PhysicalResourceId"]
        for name, r in found.items()
        if not is_there(aws, r["ResourceType"], r["PhysicalResourceId"])
    }
    assert missing == {}


@pytest.mark.parametrize("kind", CHECKS)
def test_the_check_of_a_kind_can_say_no(aws, kind):
    assert not is_there(aws, kind, "nothing-of-that-name")
    assert "S3" in kind or not is_there(aws, kind, "nothing|of-that-name")


def test_outputs_are_the_resources(aws):
    ids = {stack: {n: r["PhysicalResourceId"] for n, r in resources(aws, stack).items()} for stack in STACKS}
    network, studio, cicd, ml = (outputs(aws, stack) for stack in STACKS)
    subnets = [ids[STACKS[0]][f"PrivateSubnet{number}"] for number in (1, 2)]
    assert network["PrivateSubnetIds"] == ",".join(subnets)
    assert network["VpcId"] == ids[STACKS[0]]["Vpc"]
    assert studio["DomainId"] == ids[STACKS[1]]["Domain"]
    assert studio["ExecutionRoleArn"].endswith(f":role/{ids[STACKS[1]]['ExecutionRole']}")
    assert cicd["CodePipelineDeploymentArn"].endswith(f":{PROJECT}-deployment-dev")
    assert cicd["PipelineStoreName"] == ids[STACKS[2]]["PipelineStore"]
    assert ml["BucketName"] == BUCKET
    assert ml["KeyArn"].endswith(f":key/{ids[STACKS[3]]['Key']}")
    for stack in STACKS:
        made = {n for n, o in template(stack)["Outputs"].items() if "Condition" not in o}
        assert made <= outputs(aws, stack).keys()


def test_each_stored_name_has_the_value_that_its_readers_expect(aws):
    found = names(aws)
    network, studio, cicd, ml = (outputs(aws, stack) for stack in STACKS)
    first, second = network["PrivateSubnetIds"].split(",")
    assert found == {
        "vpc-id": network["VpcId"],
        "private-subnet-1-id": first,
        "private-subnet-2-id": second,
        "private-subnet-ids": network["PrivateSubnetIds"],
        "security-group-ids": network["SecurityGroupId"],
        "account-id-tooling": "123456789012",
        "execution-role-arn": studio["ExecutionRoleArn"],
        "execution-role-name": studio["ExecutionRoleArn"].rsplit("/", 1)[-1],
        "domain-id": studio["DomainId"],
        "repository-url": "none",
        "repository-branch": "main",
        "codepipeline-training-arn": cicd["CodePipelineTrainingArn"],
        "codepipeline-deployment-arn": cicd["CodePipelineDeploymentArn"],
        "repository-training-name": f"{PROJECT}-training",
        "repository-deployment-name": f"{PROJECT}-deployment",
        "bucket-name": ml["BucketName"],
        "kms-key-id": ml["KeyArn"],
        "model-package-group-name": f"{PROJECT}-tweet-sentiment",
    }
    assert found.keys() == {name for stack in STACKS for name in stored_names(stack)}
    assert {name for stack in STACKS for name in read_names(stack)} <= found.keys()


def test_studio_is_in_the_private_network(aws):
    network = outputs(aws, STACKS[0])
    domain = aws.sagemaker.describe_domain(DomainId=outputs(aws, STACKS[1])["DomainId"])
    assert domain["AppNetworkAccessType"] == "VpcOnly" and domain["VpcId"] == network["VpcId"]
    assert domain["SubnetIds"] == network["PrivateSubnetIds"].split(",")
    settings = domain["DefaultUserSettings"]
    assert settings["SecurityGroups"] == [network["SecurityGroupId"]]
    assert settings["StudioWebPortal"] == "ENABLED"
    idle = settings["JupyterLabAppSettings"]["AppLifecycleManagement"]["IdleSettings"]
    assert idle["LifecycleManagement"] == "ENABLED" and int(idle["IdleTimeoutInMinutes"]) == 60


def test_an_approval_and_nothing_else_starts_the_deployment(aws):
    rule = resources(aws, STACKS[3])["ApprovalRule"]["PhysicalResourceId"].rsplit("/", 1)[-1].split("|")[-1]
    pattern = json.loads(aws.events.describe_rule(Name=rule)["EventPattern"])
    assert pattern["detail"]["ModelApprovalStatus"] == ["Approved"]
    (target,) = aws.events.list_targets_by_rule(Rule=rule)["Targets"]
    assert target["Arn"] == names(aws)["codepipeline-deployment-arn"]
    pipeline = f"{PROJECT}-deployment-dev"
    package = register(aws, names(aws)["model-package-group-name"], BUCKET)
    for status in ("Rejected", "PendingManualApproval", "Approved"):
        aws.sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus=status)
    until(lambda: started_by_events(aws, pipeline), "no execution after the approval")
    assert len(started_by_events(aws, pipeline)) == 1


def test_a_second_run_has_nothing_to_change(checkout, deployed):
    said = checkout.stacks("up")
    assert re.findall(r"^(\S+): nothing to change$", said, re.MULTILINE) == [
        name_of(stack) for stack in STACKS
    ]
    assert "COMPLETE" not in said


def test_status_names_what_is_deployed(checkout, deployed):
    assert checkout.stacks("status").count("CREATE_COMPLETE") == 4


LAB = "nbs/00-ml-build-train/00-Data-Visualization.ipynb"
JOB = """
from pathlib import Path
from sagemaker.core.training.configs import Compute, OutputDataConfig, SourceCode, StoppingCondition
from sagemaker.train import ModelTrainer
from lab_lib.images import image_uri
from lab_lib.settings import get_lab

lab = get_lab()
Path("job").mkdir()
Path("job/train.py").write_text("from pathlib import Path; Path('/opt/ml/model/weights').write_text('1')")
instance = "ml.m5.large"
ModelTrainer(
    training_image=image_uri("tensorflow", "training", lab.region, instance),
    source_code=SourceCode(source_dir="job", entry_script="train.py"),
    compute=Compute(instance_type=instance, instance_count=1, volume_kms_key_id=lab.volume_kms_key_id(instance)),
    networking=lab.networking,
    output_data_config=OutputDataConfig(s3_output_path=lab.s3_uri("training"), kms_key_id=lab.kms_key_id),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=300),
    role=lab.role_arn,
    sagemaker_session=lab.sagemaker_session,
    base_job_name="tweet-sentiment-small",
).train(wait=True, logs=False)
print("group", lab.model_package_group)
"""


def test_labs_run_with_nothing_filled_in(checkout, aws):
    """The first lab, and a job with what every lab takes from its `lab`: bucket, key, role, subnets, group."""
    folder = str((checkout.folder / LAB).parent)
    checkout.run(
        "-m",
        "papermill",
        LAB,
        "out.ipynb",
        "--cwd",
        folder,
        "--no-progress-bar",
        "-k",
        "python3",
        "-p",
        "sample",
        "600",
    )
    said = checkout.run("-c", JOB)
    found = names(aws)
    assert f"bucket {found['bucket-name']}" in said and f"group {found['model-package-group-name']}" in said
    assert aws.s3.list_objects_v2(Bucket=found["bucket-name"], Prefix=f"{PROJECT}/data/raw/")["KeyCount"] == 1
    (job,) = aws.sagemaker.list_training_jobs(StatusEquals="Completed")["TrainingJobSummaries"]
    job = aws.sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
    assert job["RoleArn"] == found["execution-role-arn"]
    assert (
        job["OutputDataConfig"]["KmsKeyId"] == job["ResourceConfig"]["VolumeKmsKeyId"] == found["kms-key-id"]
    )
    assert job["VpcConfig"]["Subnets"] == found["private-subnet-ids"].split(",")
    assert job["VpcConfig"]["SecurityGroupIds"] == [found["security-group-ids"]]
    assert job["ModelArtifacts"]["S3ModelArtifacts"].startswith(
        f"s3://{found['bucket-name']}/{PROJECT}/training/"
    )


def test_an_update_changes_what_it_says_and_nothing_else(checkout, aws):
    before = {n: r["PhysicalResourceId"] for stack in STACKS for n, r in resources(aws, stack).items()}
    said = checkout.stacks(
        "up", STACKS[0], STACKS[1], "--parameters", "FlowLogRetentionDays=30 IdleMinutes=90"
    )
    assert said.count("0 to add, ") == said.count(" 0 to remove") == 2 and "FlowLogGroup" in said
    assert "is replaced" not in said and said.count(f"UPDATE_COMPLETE              {PROJECT}") == 2
    (group,) = aws.logs.describe_log_groups(logGroupNamePrefix=f"/{PROJECT}/vpc-flow-logs")["logGroups"]
    assert group["retentionInDays"] == 30
    domain = aws.sagemaker.describe_domain(DomainId=names(aws)["domain-id"])
    idle = domain["DefaultUserSettings"]["JupyterLabAppSettings"]["AppLifecycleManagement"]["IdleSettings"]
    assert int(idle["IdleTimeoutInMinutes"]) == 90
    assert before == {
        n: r["PhysicalResourceId"] for stack in STACKS for n, r in resources(aws, stack).items()
    }


def test_an_update_that_fails_is_rolled_back(checkout, aws):
    said = checkout.stacks("up", STACKS[1], "--parameters", f"SubnetId=subnet-{'0' * 17}", status=1)
    assert f"subnet-{'0' * 17}" in said and "UPDATE_ROLLBACK_COMPLETE" in said
    assert names(aws)["domain-id"] == outputs(aws, STACKS[1])["DomainId"]


def test_a_domain_that_an_update_made_and_took_back_leaves_nothing(checkout, aws):
    """Another domain needs another profile: the update fails after the new domain, with its file system, was made."""
    before = inventory(aws, PROJECT)
    said = checkout.stacks("up", STACKS[1], "--parameters", "SageMakerDomainName=another", status=1)
    assert "Domain (AWS::SageMaker::Domain) is replaced" in said and "UPDATE_ROLLBACK_COMPLETE" in said
    assert "DELETE_FAILED" not in said and "DELETE_COMPLETE              RemoveDomain" in said
    assert inventory(aws, PROJECT) == before


def test_a_domain_that_an_update_replaced_is_removed_with_its_file_system(checkout, aws):
    count = {kind: len(things) for kind, things in inventory(aws, PROJECT).items()}
    old, given = names(aws)["domain-id"], "SageMakerDomainName=another UserProfileName=someone"
    said = checkout.stacks("up", STACKS[1], "--parameters", given)
    assert "DELETE_FAILED" not in said
    assert {kind: len(things) for kind, things in inventory(aws, PROJECT).items()} == count
    assert names(aws)["domain-id"] != old
    checkout.stacks("up", STACKS[1])
    assert {kind: len(things) for kind, things in inventory(aws, PROJECT).items()} == count


def test_later_stacks_go_first(checkout, deployed):
    said = checkout.stacks("down", STACKS[0], status=1)
    assert "01-sagemaker-studio-environment, 02-ci-cd, 03-ml-environment build on 00-networking" in said


def test_what_people_made_in_studio_does_not_keep_it_from_being_deleted(checkout, aws):
    """Another profile, a space of its own, a running app, as a learner leaves them."""
    domain = {"DomainId": names(aws)["domain-id"]}
    aws.sagemaker.create_user_profile(**domain, UserProfileName="guest")
    aws.sagemaker.create_space(
        **domain,
        SpaceName="guests-own",
        OwnershipSettings={"OwnerUserProfileName": "guest"},
        SpaceSharingSettings={"SharingType": "Private"},
        SpaceSettings={"AppType": "JupyterLab"},
    )
    until(
        lambda: aws.sagemaker.describe_space(**domain, SpaceName="guests-own")["Status"] == "InService",
        "the space is not ready",
    )
    for space in ("guests-own", "learner-workshop"):
        aws.sagemaker.create_app(**domain, SpaceName=space, AppType="JupyterLab", AppName="default")
    assert len(aws.sagemaker.list_apps()["Apps"]) == 2


def test_nothing_is_deleted_that_nobody_told_to(checkout, aws):
    said = checkout.stacks("down", status=1)
    assert "1 model version(s) in group" in said and f"object version(s) in bucket {BUCKET}" in said
    assert "Nothing was removed" in said and "CONFIRM=delete-data" in said
    assert aws.s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] > 2


def test_they_are_deleted_in_reverse_with_nothing_left(checkout, aws):
    buckets = {bucket["Name"] for bucket in aws.s3.list_buckets()["Buckets"]}
    assert BUCKET in buckets
    said = checkout.stacks("down", "--confirm", "delete-data")
    ends = [said.index(f"DELETE_COMPLETE              {name_of(stack)}") for stack in reversed(STACKS)]
    assert ends == sorted(ends) and "FAILED" not in said
    assert "logs of jobs and endpoints: /aws/sagemaker/" in said
    assert inventory(aws, PROJECT) == {}
