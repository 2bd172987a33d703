"""Describe answers of models, endpoint configurations and endpoints, in the shape that the SDKs expect.

moto's own lack required members (CaptureStatus) and give empty structures ({}) that strict clients refuse.
"""


def model(record) -> dict:
    answer = {
        "ModelName": record.model_name,
        "ModelArn": record.arn,
        "CreationTime": record.creation_time,
        "EnableNetworkIsolation": bool(record.enable_network_isolation),
    }
    if record.execution_role_arn != "arn:test":  # moto's stand-in for none
        answer["ExecutionRoleArn"] = record.execution_role_arn
    if record.primary_container:
        answer["PrimaryContainer"] = _container(record.primary_container)
    if record.containers:
        answer["Containers"] = [_container(container) for container in record.containers]
    if record.vpc_config:
        answer["VpcConfig"] = record.vpc_config
    return answer


def model_summary(record) -> dict:
    return {"ModelName": record.model_name, "ModelArn": record.arn, "CreationTime": record.creation_time}


def _container(definition: dict) -> dict:
    if definition.get("ModelPackageName"):
        return dict(definition)
    return {"Mode": "SingleModel", "Environment": {}, **definition}


def endpoint_config(record) -> dict:
    answer = {
        "EndpointConfigName": record.endpoint_config_name,
        "EndpointConfigArn": record.endpoint_config_arn,
        "ProductionVariants": [
            {"InitialVariantWeight": 1.0, **variant} for variant in record.production_variants
        ],
        "CreationTime": record.creation_time,
        "EnableNetworkIsolation": False,
    }
    if record.data_capture_config:
        answer["DataCaptureConfig"] = record.data_capture_config
    if record.kms_key_id:
        answer["KmsKeyId"] = record.kms_key_id
    return answer


def endpoint(record) -> dict:
    """`record.deployed` is the plan that serves, `record.pending` the one being brought up (see records)."""
    plan = record.deployed
    answer = {
        "EndpointName": record.endpoint_name,
        "EndpointArn": record.arn,
        "EndpointConfigName": record.endpoint_config_name,
        "EndpointStatus": record.endpoint_status,
        "CreationTime": record.creation_time,
        "LastModifiedTime": record.last_modified_time,
    }
    if plan:
        answer["ProductionVariants"] = [_variant(variant) for variant in plan["Variants"]]
        capture = plan["DataCaptureConfig"]
        if capture:
            enabled = capture.get("EnableCapture", True)
            answer["DataCaptureConfig"] = {
                "EnableCapture": enabled,
                "CaptureStatus": "Started" if enabled else "Stopped",
                "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
                "DestinationS3Uri": capture["DestinationS3Uri"],
                "KmsKeyId": capture.get("KmsKeyId") or "",
            }
    if record.pending:
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": record.pending["ConfigName"],
            "StartTime": record.last_modified_time,
        }
    if record.failure_reason:
        answer["FailureReason"] = record.failure_reason
    return answer


def _variant(variant: dict) -> dict:
    image = variant["Container"]["Image"]
    return {
        "VariantName": variant["VariantName"],
        "DeployedImages": [
            {
                "SpecifiedImage": image,
                "ResolvedImage": image,
                "ResolutionTime": variant["ResolutionTime"],
            }
        ],
        "CurrentWeight": variant["CurrentWeight"],
        "DesiredWeight": variant["DesiredWeight"],
        "CurrentInstanceCount": variant["CurrentInstanceCount"],
        "DesiredInstanceCount": variant["DesiredInstanceCount"],
    }
