"""Resource policies of model package groups."""

import json

import pytest
from botocore.exceptions import ClientError


def test_policy_is_kept_until_deleted(aws):
    sm, name = aws.sagemaker, {"ModelPackageGroupName": "shared-models"}
    arn = sm.create_model_package_group(**name)["ModelPackageGroupArn"]
    with pytest.raises(ClientError, match="Cannot find resource policy for: "):
        sm.get_model_package_group_policy(**name)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
        "Action": "sagemaker:DescribeModelPackage",
        "Resource": f"{arn}/*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert sm.put_model_package_group_policy(**name, ResourcePolicy=document)["ModelPackageGroupArn"] == arn
    assert sm.get_model_package_group_policy(**name)["ResourcePolicy"] == document
    assert "resource_policy" not in sm.describe_model_package_group(**name)
    with pytest.raises(ClientError, match="a statement has no Principal"):
        del statement["Principal"]
        sm.put_model_package_group_policy(**name, ResourcePolicy=json.dumps({"Statement": [statement]}))
    sm.delete_model_package_group_policy(**name)
    with pytest.raises(ClientError, match="Cannot find resource policy for: "):
        sm.delete_model_package_group_policy(**name)
    sm.delete_model_package_group(**name)
    with pytest.raises(ClientError, match="Model Package Group shared-models does not exist"):
        sm.get_model_package_group_policy(**name)
