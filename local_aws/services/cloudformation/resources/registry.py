"""AWS::SageMaker: ModelPackageGroup, Pipeline, Model, EndpointConfig, Endpoint."""

from typing import Any

from botocore.exceptions import ClientError

from local_aws.services.cloudformation.resources.base import Context, Handler, is_missing, missing_is_fine
from local_aws.services.cloudformation.resources.sagemaker_shapes import gone, retag, settled, tags_of
from local_aws.services.cloudformation.resources.shapes import Properties, document, picked

_Made = tuple[str, dict[str, Any]]


class ModelPackageGroup(Handler):
    type = "AWS::SageMaker::ModelPackageGroup"
    _request = ("ModelPackageGroupName", "ModelPackageGroupDescription")
    properties = {*_request, "ModelPackageGroupPolicy", "Tags"}
    name_property = "ModelPackageGroupName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        sagemaker = ctx.client("sagemaker")
        request = {**picked(properties, *self._request), **tags_of(ctx, properties)}
        arn = sagemaker.create_model_package_group(**request)["ModelPackageGroupArn"]
        ctx.made(arn, {"ModelPackageGroupArn": arn})
        self._policy(sagemaker, arn, {}, properties)
        return arn, self._read(ctx, arn)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        self._policy(ctx.client("sagemaker"), physical_id, old, new)
        retag(ctx, physical_id, old, new)
        return self._read(ctx, physical_id)

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        sagemaker, name = ctx.client("sagemaker"), self._name(physical_id)
        with missing_is_fine():
            self._policy(sagemaker, physical_id, properties, {})
        with missing_is_fine():
            sagemaker.delete_model_package_group(ModelPackageGroupName=name)

    @classmethod
    def _policy(cls, sagemaker: Any, arn: str, old: Properties, new: Properties) -> None:
        group = {"ModelPackageGroupName": cls._name(arn)}
        if "ModelPackageGroupPolicy" in new:
            text = document(new["ModelPackageGroupPolicy"])
            sagemaker.put_model_package_group_policy(**group, ResourcePolicy=text)
        elif "ModelPackageGroupPolicy" in old:
            try:
                sagemaker.delete_model_package_group_policy(**group)
            except ClientError as error:
                if not is_missing(error) and "Cannot find" not in str(error):
                    raise

    @staticmethod
    def _name(arn: str) -> str:
        return arn.rsplit("/", 1)[-1]

    @classmethod
    def _read(cls, ctx: Context, arn: str) -> dict[str, Any]:
        name = {"ModelPackageGroupName": cls._name(arn)}
        found = ctx.client("sagemaker").describe_model_package_group(**name)
        created = found["CreationTime"].isoformat()
        return {**picked(found, "ModelPackageGroupArn", "ModelPackageGroupStatus"), "CreationTime": created}


class Pipeline(Handler):
    type = "AWS::SageMaker::Pipeline"
    _request = ("PipelineDescription", "PipelineDisplayName", "RoleArn", "ParallelismConfiguration")
    properties = {"PipelineName", "PipelineDefinition", "Tags", *_request}
    name_property = "PipelineName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        name = properties["PipelineName"]
        request = {**self._settings(properties), **tags_of(ctx, properties)}
        ctx.client("sagemaker").create_pipeline(PipelineName=name, **request)
        return name, {}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        request = {"PipelineDescription": "", **self._settings(new)}
        arn = ctx.client("sagemaker").update_pipeline(PipelineName=physical_id, **request)["PipelineArn"]
        retag(ctx, arn, old, new)
        return {}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("sagemaker").delete_pipeline(PipelineName=physical_id)

    def _settings(self, properties: Properties) -> dict[str, Any]:
        settings, definition = picked(properties, *self._request), properties["PipelineDefinition"]
        if "PipelineDefinitionBody" in definition:
            return {**settings, "PipelineDefinition": definition["PipelineDefinitionBody"]}
        place = definition["PipelineDefinitionS3Location"]
        names = {"Bucket": "Bucket", "Key": "ObjectKey", "Version": "VersionId"}
        location = {names[k]: v for k, v in place.items() if k in names}
        return {**settings, "PipelineDefinitionS3Location": location}


class Model(Handler):
    type = "AWS::SageMaker::Model"
    _request = (
        "Containers",
        "EnableNetworkIsolation",
        "ExecutionRoleArn",
        "InferenceExecutionConfig",
        "PrimaryContainer",
        "VpcConfig",
    )
    properties = {"ModelName", "Tags", *_request}
    name_property = "ModelName"
    attributes = {"ModelName"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        name = properties.get("ModelName") or ctx.physical_name(logical_id, limit=63)
        request = {**picked(properties, *self._request), **tags_of(ctx, properties)}
        arn = ctx.client("sagemaker").create_model(ModelName=name, **request)["ModelArn"]
        return arn, {"ModelArn": arn, "ModelName": name}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        retag(ctx, physical_id, old, new)
        return {"ModelArn": physical_id, "ModelName": physical_id.rsplit("/", 1)[-1]}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("sagemaker").delete_model(ModelName=physical_id.rsplit("/", 1)[-1])


class EndpointConfig(Handler):
    type = "AWS::SageMaker::EndpointConfig"
    _request = ("ProductionVariants", "DataCaptureConfig", "KmsKeyId")
    properties = {"EndpointConfigName", "Tags", *_request}
    name_property = "EndpointConfigName"
    attributes = {"EndpointConfigName"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        name = properties.get("EndpointConfigName") or ctx.physical_name(logical_id, limit=63)
        request = {**picked(properties, *self._request), **tags_of(ctx, properties)}
        arn = ctx.client("sagemaker").create_endpoint_config(EndpointConfigName=name, **request)
        arn = arn["EndpointConfigArn"]
        return arn, {"EndpointConfigArn": arn, "EndpointConfigName": name}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        retag(ctx, physical_id, old, new)
        return {"EndpointConfigArn": physical_id, "EndpointConfigName": physical_id.rsplit("/", 1)[-1]}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            name = physical_id.rsplit("/", 1)[-1]
            ctx.client("sagemaker").delete_endpoint_config(EndpointConfigName=name)


class Endpoint(Handler):
    type = "AWS::SageMaker::Endpoint"
    properties = {"EndpointName", "EndpointConfigName", "RetainAllVariantProperties", "Tags"}
    name_property = "EndpointName"
    attributes = {"EndpointName"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        name = properties.get("EndpointName") or ctx.physical_name(logical_id, limit=63)
        request = {**picked(properties, "EndpointConfigName"), **tags_of(ctx, properties)}
        arn = ctx.client("sagemaker").create_endpoint(EndpointName=name, **request)["EndpointArn"]
        ctx.made(arn)
        settled(ctx, "describe_endpoint", "EndpointStatus", EndpointName=name)
        return arn, {"EndpointArn": arn, "EndpointName": name}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        name = physical_id.rsplit("/", 1)[-1]
        if old["EndpointConfigName"] != new["EndpointConfigName"]:
            request = picked(new, "EndpointConfigName", "RetainAllVariantProperties")
            ctx.client("sagemaker").update_endpoint(EndpointName=name, **request)
            settled(ctx, "describe_endpoint", "EndpointStatus", EndpointName=name)
        retag(ctx, physical_id, old, new)
        return {"EndpointArn": physical_id, "EndpointName": name}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        name = physical_id.rsplit("/", 1)[-1]
        with missing_is_fine():
            ctx.client("sagemaker").delete_endpoint(EndpointName=name)
            gone(ctx, "describe_endpoint", EndpointName=name)
