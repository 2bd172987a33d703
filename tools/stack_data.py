"""What people and labs have put into the stacks' resources: found before anything is deleted, removed when told."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from lab_lib.settings import LabError


def _resource(client: Any, stack: str, logical_id: str) -> str | None:
    """Physical id of a resource of the stack, or None."""
    try:
        found = client.describe_stack_resources(StackName=stack, LogicalResourceId=logical_id)[
            "StackResources"
        ]
    except ClientError:
        return None
    return found[0].get("PhysicalResourceId") if found else None


def _versions(s3: Any, bucket: str) -> list[dict[str, str]]:
    """Key and version id of all that the bucket holds; nothing when there is no such bucket."""
    found = []
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found += page.get("Versions", []) + page.get("DeleteMarkers", [])
    except s3.exceptions.NoSuchBucket:
        return []
    return [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]


def _packages(sagemaker: Any, group: str) -> list[str]:
    """ARNs of the group's model versions; nothing when there is no such group."""
    try:
        pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
        return [package["ModelPackageArn"] for page in pages for package in page["ModelPackageSummaryList"]]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationException":
            return []
        raise


def _endpoints(sagemaker: Any, prefix: str) -> list[str]:
    pages = sagemaker.get_paginator("list_endpoints").paginate(NameContains=prefix)
    return [
        e["EndpointName"] for page in pages for e in page["Endpoints"] if e["EndpointName"].startswith(prefix)
    ]


class Data:
    """What is in the way of deleting the stacks of `names` (template name to stack name).

    `session` is a boto3 session; `prefix` is what the names of the workshop's endpoints begin with.
    """

    def __init__(self, session: Any, names: dict[str, str], prefix: str):
        self.session, self.prefix = session, prefix
        cloudformation = session.client("cloudformation")
        self.s3, self.sagemaker = session.client("s3"), session.client("sagemaker")
        environment = names.get("03-ml-environment")
        bucket = _resource(cloudformation, environment, "Bucket") if environment else None
        group = _resource(cloudformation, environment, "ModelPackageGroup") if environment else None
        self.bucket, self.group = bucket, group and group.rsplit("/", 1)[-1]
        self.versions = _versions(self.s3, bucket) if bucket else []
        self.packages = _packages(self.sagemaker, self.group) if self.group else []
        network = names.keys() & {"00-networking", "01-sagemaker-studio-environment"}
        self.endpoints = _endpoints(self.sagemaker, prefix) if network else []

    def __bool__(self) -> bool:
        return bool(self.versions or self.packages or self.endpoints)

    def describe(self) -> list[str]:
        """One line for each kind of thing that is there."""
        lines = [f"endpoint {name}, which costs by the hour" for name in self.endpoints]
        if self.packages:
            lines.append(f"{len(self.packages)} model version(s) in group {self.group}")
        if self.versions:
            lines.append(f"{len(self.versions)} object version(s) in bucket {self.bucket}")
        return lines

    def delete(self) -> None:
        """Delete all of it. What is gone stays gone."""
        for name in self.endpoints:
            self.sagemaker.delete_endpoint(EndpointName=name)
            print(f"  deleted endpoint {name}")
        waiter = self.sagemaker.get_waiter("endpoint_deleted")
        for name in self.endpoints:
            waiter.wait(EndpointName=name, WaiterConfig={"Delay": 5, "MaxAttempts": 120})
        for arn in self.packages:
            self.sagemaker.delete_model_package(ModelPackageName=arn)
        if self.packages:
            print(f"  deleted {len(self.packages)} model version(s)")
        for start in range(0, len(self.versions), 1000):
            part = self.versions[start : start + 1000]
            answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": part, "Quiet": True})
            for error in answer.get("Errors", []):
                raise LabError(f"S3 does not delete {error['Key']}: {error['Message']}")
        if self.versions:
            print(f"  emptied bucket {self.bucket}")

    def remains(self) -> list[str]:
        """What the labs made outside of the stacks and is still there: nothing of it costs by the hour."""
        sagemaker, lines = self.sagemaker, []
        kinds = (
            (
                "list_pipelines",
                "PipelineSummaries",
                "PipelineName",
                "PipelineNamePrefix",
                "SageMaker pipeline",
            ),
            ("list_models", "Models", "ModelName", "NameContains", "model"),
            (
                "list_endpoint_configs",
                "EndpointConfigs",
                "EndpointConfigName",
                "NameContains",
                "endpoint configuration",
            ),
        )
        for operation, key, name, option, text in kinds:
            pages = sagemaker.get_paginator(operation).paginate(**{option: self.prefix})
            found = [item for page in pages for item in page[key] if item[name].startswith(self.prefix)]
            if found:
                lines.append(f"{len(found)} {text}(s) named {self.prefix}…")
        pages = (
            self.session.client("logs")
            .get_paginator("describe_log_groups")
            .paginate(logGroupNamePrefix="/aws/sagemaker/")
        )
        groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
        if groups:
            lines.append(f"logs of jobs and endpoints: {', '.join(groups)}")
        return lines
