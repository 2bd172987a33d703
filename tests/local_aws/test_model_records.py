"""Models, model packages and groups where moto answers otherwise than AWS."""

import pytest
from botocore.exceptions import ClientError

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0"
SPEC = {
    "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://b/m.tar.gz", "Environment": {"A": "b"}}],
    "SupportedContentTypes": ["application/json"],
    "SupportedResponseMIMETypes": ["application/json"],
}


def arn(group, version):
    return f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/{version}"


def error_of(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_describe_model_package_keeps_what_was_sent(aws):
    sm = aws.sagemaker
    sm.create_model_package_group(ModelPackageGroupName="keeps")
    sm.create_model_package(
        ModelPackageGroupName="keeps",
        InferenceSpecification=SPEC,
        SkipModelValidation="None",
        Domain="NATURAL_LANGUAGE_PROCESSING",
    )
    answer = sm.describe_model_package(ModelPackageName=arn("keeps", 1))
    assert answer["InferenceSpecification"]["Containers"][0]["Environment"] == {"A": "b"}
    assert answer["ModelApprovalStatus"] == "PendingManualApproval"
    assert answer["SkipModelValidation"] == "None"
    assert "CreatedBy" not in answer


def test_versions_of_a_group_are_never_used_again(aws):
    sm = aws.sagemaker
    sm.create_model_package_group(ModelPackageGroupName="versions")
    for _ in range(3):
        sm.create_model_package(ModelPackageGroupName="versions", InferenceSpecification=SPEC)
    sm.delete_model_package(ModelPackageName=arn("versions", 3))
    sm.delete_model_package(ModelPackageName=arn("versions", 1))
    made = sm.create_model_package(ModelPackageGroupName="versions", InferenceSpecification=SPEC)
    assert made["ModelPackageArn"] == arn("versions", 4)


def test_delete_model_package_group(aws):
    sm = aws.sagemaker
    group = sm.create_model_package_group(ModelPackageGroupName="emptied")["ModelPackageGroupArn"]
    sm.create_model_package(ModelPackageGroupName="emptied", InferenceSpecification=SPEC)
    assert error_of(sm.delete_model_package_group, ModelPackageGroupName="emptied") == (
        "ConflictException",
        f"Model Package Group cannot be deleted because it is not empty: {group}. Delete its model "
        "packages first.",
    )
    sm.delete_model_package(ModelPackageName=arn("emptied", 1))
    sm.delete_model_package_group(ModelPackageGroupName="emptied")
    assert error_of(sm.describe_model_package_group, ModelPackageGroupName="emptied") == (
        "ValidationException",
        f"ModelPackageGroup {group} does not exist.",
    )


def test_create_model_package_group_twice(aws):
    group = aws.sagemaker.create_model_package_group(ModelPackageGroupName="twice")["ModelPackageGroupArn"]
    assert error_of(aws.sagemaker.create_model_package_group, ModelPackageGroupName="twice") == (
        "ValidationException",
        f"Model Package Group already exists: {group}",
    )


def test_model_packages_have_tags(aws):
    sm = aws.sagemaker
    sm.create_model_package_group(ModelPackageGroupName="tagged")
    sm.create_model_package(ModelPackageGroupName="tagged", InferenceSpecification=SPEC)
    sm.add_tags(ResourceArn=arn("tagged", 1), Tags=[{"Key": "a", "Value": "b"}])
    assert sm.list_tags(ResourceArn=arn("tagged", 1))["Tags"] == [{"Key": "a", "Value": "b"}]
    missing = "arn:aws:sagemaker:us-east-1:123456789012:training-job/none"
    assert error_of(sm.list_tags, ResourceArn=missing) == (
        "ValidationException",
        f"Requested resource not found: {missing}",
    )


def test_describe_model_has_no_empty_structures(aws):
    role = "arn:aws:iam::123456789012:role/lab-execution"
    aws.s3.create_bucket(Bucket="model-records")
    aws.s3.put_object(Bucket="model-records", Key="m.tar.gz", Body=b"any")
    made = aws.sagemaker.create_model(
        ModelName="plain",
        ExecutionRoleArn=role,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": "s3://model-records/m.tar.gz"},
    )
    answer = aws.sagemaker.describe_model(ModelName="plain")
    assert "VpcConfig" not in answer
    assert "Containers" not in answer
    again = {"ModelName": "plain", "ExecutionRoleArn": role, "PrimaryContainer": {"Image": IMAGE}}
    assert error_of(aws.sagemaker.create_model, **again) == (
        "ValidationException",
        f'Cannot create already existing model "{made["ModelArn"]}".',
    )
