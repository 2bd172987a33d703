"""Which version is the latest that is approved, and what a list of versions says: `lab_lib.registry`."""

import json
from types import SimpleNamespace

import boto3
import botocore.paginate
import pytest
from moto import mock_aws

from lab_lib import registry


@pytest.fixture
def lab():
    """What `get_lab` returns, on an account in memory."""
    with mock_aws():
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        made = SimpleNamespace(
            client=session.client,
            region="us-east-1",
            bucket="demo-bucket",
            model_package_group="tweets",
            settings={"endpoint": {"instance_type": "ml.m5.large"}},
        )
        made.client("s3").create_bucket(Bucket=made.bucket)
        yield made


def register(lab, framework="huggingface", score=0.5, **more):
    key = f"{framework}/{score}.json"
    report = {"multiclass_classification_metrics": {"macro_f1": {"value": score}, "confusion_matrix": {}}}
    lab.client("s3").put_object(Bucket=lab.bucket, Key=key, Body=json.dumps(report))
    return registry.register_model(
        lab,
        framework=framework,
        image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/image:tag",
        model_data_url="s3://demo-bucket/model.tar.gz",
        evaluation_uri=f"s3://{lab.bucket}/{key}",
        **more,
    )


def latest(lab, framework=None):
    return registry.latest_approved(lab, framework)["ModelPackageArn"]


def test_the_newest_approved_version_counts_whatever_came_after_it(lab):
    first, second = register(lab, score=0.9), register(lab)
    register(lab, approval_status="Rejected")
    pending = register(lab)
    registry.approve_model(lab, second, "better")
    registry.approve_model(lab, first, "the best on paper")  # approved later, but registered before
    assert latest(lab) == second
    registry.approve_model(lab, pending, "newer")
    assert latest(lab) == pending
    client = lab.client("sagemaker")
    for arn in (second, pending):
        client.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
    assert latest(lab) == first
    assert client.describe_model_package(ModelPackageName=first)["ApprovalDescription"] == "the best on paper"
    client.update_model_package(ModelPackageArn=first, ModelApprovalStatus="Rejected")
    with pytest.raises(LookupError, match="No Approved model in Model Package Group 'tweets'"):
        latest(lab)


def test_a_framework_has_its_own_latest_version(lab):
    tensorflow = register(lab, "tensorflow", approval_status="Approved")
    huggingface = register(lab, "huggingface", approval_status="Approved")
    assert (latest(lab), latest(lab, "tensorflow")) == (huggingface, tensorflow)
    with pytest.raises(LookupError, match="No Approved sklearn model"):
        latest(lab, "sklearn")


def test_another_group_has_its_own_versions(lab):
    register(lab, approval_status="Approved")
    lab.model_package_group = "others"
    with pytest.raises(LookupError, match="'others'"):  # there is no such group yet
        latest(lab)
    own = register(lab, approval_status="Approved")
    assert latest(lab) == own


def test_versions_are_listed_newest_first_also_those_without_metrics(lab):
    register(lab, "tensorflow", 0.74)
    register(lab, "huggingface", 0.8, approval_status="Approved")
    bare = lab.client("sagemaker").create_model_package(
        ModelPackageGroupName="tweets", ModelApprovalStatus="Rejected"
    )["ModelPackageArn"]
    rows = registry.list_versions(lab)
    assert rows["version"].tolist() == [3, 2, 1]
    assert rows["framework"].tolist() == ["", "huggingface", "tensorflow"]
    assert rows["status"].tolist() == ["Rejected", "Approved", "PendingManualApproval"]
    assert rows["macro_f1"].tolist()[1:] == [0.8, 0.74] and rows["macro_f1"].isna()[0]
    assert registry.model_metrics(lab, rows["arn"][1]) == {"macro_f1": 0.8}  # scalars only
    with pytest.raises(LookupError, match="without model quality metrics"):
        registry.model_metrics(lab, bare)


def test_a_group_with_more_versions_than_a_page_has(lab, monkeypatch):
    first = register(lab, "tensorflow", approval_status="Approved")
    register(lab, approval_status="Approved")
    plain = botocore.paginate.Paginator.paginate
    small = {"PaginationConfig": {"PageSize": 1}}
    monkeypatch.setattr(
        botocore.paginate.Paginator, "paginate", lambda self, **request: plain(self, **request, **small)
    )
    assert latest(lab, "tensorflow") == first
    assert registry.list_versions(lab)["version"].tolist() == [2, 1]
