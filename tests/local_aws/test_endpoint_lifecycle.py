"""Models, endpoint configurations and endpoints from creation to deletion."""

import json
import random
import threading
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, WaiterError
from endpoint_helpers import ACCOUNT, ECHO, ROLE, SKLEARN, archive, attached
from waiting import until

from local_aws.server.s3access import S3Object
from local_aws.services.endpoints import containers

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
PING = (
    "The primary container for production variant AllTraffic did not pass the ping health check. Please "
    "check CloudWatch logs for this endpoint."
)


@pytest.fixture(scope="module")
def lab(server):
    with attached(server) as lab:
        yield lab


def validation_error(call, **request) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    return caught.value.response["Error"]["Message"]


def test_endpoint_is_described_from_creating_to_deleted(lab):
    model = lab.model()
    config = lab.config(model)
    name = lab.endpoint(config, wait=False)
    first = lab.sagemaker.describe_endpoint(EndpointName=name)
    assert first["EndpointStatus"] == "Creating"
    assert "ProductionVariants" not in first
    assert first["PendingDeploymentSummary"]["EndpointConfigName"] == config
    described = lab.settle(name)
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointArn"] == f"{ARN}:endpoint/{name}"
    assert described["EndpointConfigName"] == config
    (variant,) = described["ProductionVariants"]
    assert variant["VariantName"] == "AllTraffic"
    assert variant["DeployedImages"][0]["SpecifiedImage"] == SKLEARN
    assert (variant["CurrentWeight"], variant["DesiredWeight"]) == (1.0, 1.0)
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 1)
    listed = lab.sagemaker.list_endpoints(NameContains=name)["Endpoints"]
    assert [(item["EndpointName"], item["EndpointStatus"]) for item in listed] == [(name, "InService")]
    assert any(name in line for line in processes(lab))
    lab.sagemaker.delete_endpoint(EndpointName=name)
    lab.sagemaker.get_waiter("endpoint_deleted").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    message = validation_error(lab.sagemaker.describe_endpoint, EndpointName=name)
    assert message == f'Could not find endpoint "{ARN}:endpoint/{name}".'
    lab.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    lab.sagemaker.delete_model(ModelName=model)
    assert not any(name in line for line in processes(lab))


def processes(lab) -> list[str]:
    import psutil

    return [
        " ".join(process.info["cmdline"] or [])
        for process in psutil.process_iter(["cmdline"])
        if str(lab.home) in " ".join(process.info["cmdline"] or [])
    ]


def test_deleting_twice_and_deleting_what_was_never_there(lab):
    for call, request, what in (
        (lab.sagemaker.delete_endpoint, {"EndpointName": "nil"}, f'endpoint "{ARN}:endpoint/nil"'),
        (lab.sagemaker.delete_model, {"ModelName": "nil"}, f'model "{ARN}:model/nil"'),
        (lab.sagemaker.describe_model, {"ModelName": "nil"}, f'model "{ARN}:model/nil"'),
        (
            lab.sagemaker.describe_endpoint_config,
            {"EndpointConfigName": "nil"},
            f'endpoint configuration "{ARN}:endpoint-config/nil"',
        ),
        (
            lab.sagemaker.delete_endpoint_config,
            {"EndpointConfigName": "nil"},
            f'endpoint configuration "{ARN}:endpoint-config/nil"',
        ),
        (
            lab.sagemaker.create_endpoint,
            {"EndpointName": "new", "EndpointConfigName": "nil"},
            f'endpoint configuration "{ARN}:endpoint-config/nil"',
        ),
        (
            lab.sagemaker.update_endpoint,
            {"EndpointName": "nil", "EndpointConfigName": "nil"},
            f'endpoint "{ARN}:endpoint/nil"',
        ),
    ):
        assert validation_error(call, **request) == f"Could not find {what}."


def test_names_must_be_valid_and_new(lab):
    model = lab.model()
    config = lab.config(model)
    endpoint = lab.endpoint(config)
    message = validation_error(
        lab.sagemaker.create_endpoint, EndpointName="bad_name", EndpointConfigName=config
    )
    assert message == (
        "1 validation error detected: Value 'bad_name' at 'endpointName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    )
    message = validation_error(
        lab.sagemaker.create_endpoint, EndpointName="e" * 64, EndpointConfigName=config
    )
    assert message.endswith("Member must have length less than or equal to 63")
    message = validation_error(
        lab.sagemaker.create_endpoint, EndpointName=endpoint, EndpointConfigName=config
    )
    assert message == f'Cannot create already existing endpoint "{ARN}:endpoint/{endpoint}".'
    container = {"Image": SKLEARN, "ModelDataUrl": lab.upload({"code/inference.py": ECHO})}
    message = validation_error(
        lab.sagemaker.create_model, ModelName=model, ExecutionRoleArn=ROLE, PrimaryContainer=container
    )
    assert message == f'Cannot create already existing model "{ARN}:model/{model}".'
    variants = lab.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    message = validation_error(
        lab.sagemaker.create_endpoint_config, EndpointConfigName=config, ProductionVariants=variants
    )
    assert message == (
        f'Cannot create already existing endpoint configuration "{ARN}:endpoint-config/{config}".'
    )


def test_a_model_needs_its_image_and_its_data(lab):
    def create(**container):
        return validation_error(
            lab.sagemaker.create_model, ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer=container
        )

    assert create(Image=SKLEARN, ModelDataUrl="s3://lab/none.tar.gz") == (
        "Could not find model data at s3://lab/none.tar.gz."
    )
    message = create(Image=SKLEARN.replace("sagemaker-scikit-learn", "mine"))
    assert "Cannot find repository: mine in registry ID: 683313688378" in message
    assert create(Image=SKLEARN, Mode="MultiModel").startswith("Mode MultiModel is not emulated")


def test_models_are_listed_by_name_and_in_pages(lab):
    names = [lab.model() for _ in range(3)]

    def listed(**request):
        return [item["ModelName"] for item in lab.sagemaker.list_models(**request)["Models"]]

    assert set(names) <= set(listed())
    assert listed(NameContains=names[1]) == [names[1]]
    assert listed(MaxResults=3) == names[::-1]  # the newest first
    pages = lab.sagemaker.get_paginator("list_models").paginate(PaginationConfig={"PageSize": 2})
    assert sorted(item["ModelName"] for page in pages for item in page["Models"]) == sorted(listed())


def test_variants_are_checked(lab):
    model = lab.model()
    good = {"VariantName": "a", "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}

    def create(*variants, **more):
        return validation_error(
            lab.sagemaker.create_endpoint_config,
            EndpointConfigName="c",
            ProductionVariants=list(variants),
            **more,
        )

    assert create({**good, "ModelName": "nil"}) == f'Could not find model "{ARN}:model/nil".'
    assert create(good, good) == "Duplicate variant name a: variant names must be unique."
    assert "'productionVariants.1.member.instanceType' failed to satisfy" in create(
        {**good, "InstanceType": "ml.m5.tiny"}
    )
    capture = {"DestinationS3Uri": "https://x/y", "InitialSamplingPercentage": 100, "CaptureOptions": []}
    capture["CaptureOptions"] = [{"CaptureMode": "Input"}]
    assert create(good, DataCaptureConfig=capture) == (
        "DestinationS3Uri 'https://x/y' is not a S3 URI such as s3://bucket/prefix."
    )
    output = {"OutputConfig": {"S3OutputPath": "s3://lab/out"}}
    assert create(good, AsyncInferenceConfig=output) == (
        "AsyncInferenceConfig is not emulated by local_aws. Leave it out, or use AWS."
    )


def test_a_gradual_deployment_is_refused(lab):
    config = lab.config(lab.model())
    endpoint = lab.endpoint(config)
    canary = {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "WaitIntervalInSeconds": 60,
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        }
    }
    message = validation_error(
        lab.sagemaker.update_endpoint,
        EndpointName=endpoint,
        EndpointConfigName=config,
        DeploymentConfig={"BlueGreenUpdatePolicy": canary},
    )
    assert message == ("DeploymentConfig: CANARY deployments are not emulated by local_aws. Use ALL_AT_ONCE.")
    assert lab.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"


def test_a_handler_that_cannot_load_fails_the_endpoint(lab):
    name = lab.endpoint(
        lab.config(lab.model("def model_fn(d):\n    raise OSError('no weights here')\n")), wait=False
    )
    described = lab.settle(name)
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"].startswith(PING)
    assert "OSError: no weights here" in described["FailureReason"]
    assert len(described["FailureReason"]) <= 1024
    with pytest.raises(WaiterError):
        lab.sagemaker.get_waiter("endpoint_in_service").wait(
            EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1}
        )
    with pytest.raises(ClientError) as caught:
        lab.ask(name, "x")
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    lab.sagemaker.delete_endpoint(EndpointName=name)
    until(lambda: not lab.sagemaker.list_endpoints(NameContains=name)["Endpoints"])


def test_an_artifact_that_is_no_archive_fails_the_endpoint(lab):
    lab.s3.put_object(Bucket=lab.bucket, Key="broken/model.tar.gz", Body=b"not an archive")
    model = lab.name("model")
    container = {"Image": SKLEARN, "ModelDataUrl": "s3://lab/broken/model.tar.gz"}
    lab.sagemaker.create_model(ModelName=model, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    described = lab.settle(lab.endpoint(lab.config(model), wait=False))
    assert described["EndpointStatus"] == "Failed"
    assert (
        "Failed to extract model data archive from URL s3://lab/broken/model.tar.gz"
        in described["FailureReason"]
    )


def test_a_damaged_archive_is_refused_not_half_unpacked(tmp_path):
    """tarfile by itself takes many damaged archives for shorter ones."""
    chance = random.Random(0)
    data = archive({"weights": "".join(str(chance.random()) for _ in range(4000))})
    damaged = bytearray(data)
    damaged[len(data) // 2 : len(data) // 2 + 40] = chance.randbytes(40)
    stored = tmp_path / "model.tar.gz"
    item = S3Object("model.tar.gz", len(data), "", stored)
    app = SimpleNamespace(lock=nullcontext(), s3_list=lambda bucket, key: [item])
    container = {"ModelData": "s3://lab/model.tar.gz", "Compressed": True}
    stored.write_bytes(data)
    containers.lay_out(app, container, tmp_path / "sound")
    assert (tmp_path / "sound" / "weights").stat().st_size > 60_000
    for name, content in (("damaged", damaged), ("shorter", data[:-9])):
        stored.write_bytes(content)
        with pytest.raises(containers.ArtifactError, match="Failed to extract model data archive"):
            containers.lay_out(app, container, tmp_path / name)


@pytest.mark.slow
def test_requirements_go_into_the_endpoints_own_environment(lab):
    files = {"code/requirements.txt": "# nothing but a comment\n"}
    assert lab.ask(lab.endpoint(lab.config(lab.model(files=files))), "x")["echo"] == "x"
    files = {"code/requirements.txt": "no-such-package-for-sure==9.9.9\n"}
    environment = {"PIP_NO_INDEX": "1"}
    described = lab.settle(lab.endpoint(lab.config(lab.model(files=files, **environment)), wait=False))
    assert described["EndpointStatus"] == "Failed"
    assert "pip could not install code/requirements.txt" in described["FailureReason"]


class Load:
    """Asks an endpoint without a pause until it is left; keeps the answers' names and every failure."""

    def __init__(self, lab, endpoint):
        self.lab, self.endpoint = lab, endpoint
        self.names, self.failures = [], []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(3)]

    def _ask(self):
        while not self._end.is_set():
            try:
                self.names.append(self.lab.ask(self.endpoint, {"sleep": 0.02})["name"])
            except Exception as error:
                self.failures.append(error)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self._end.set()
        for thread in self._threads:
            thread.join()


def test_update_under_load_loses_no_request(lab):
    endpoint = lab.endpoint(lab.config(lab.model(NAME="old")))
    config = lab.config(lab.model(NAME="new"))
    with Load(lab, endpoint) as load:
        until(lambda: len(load.names) > 10)
        lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config)
        during = lab.sagemaker.describe_endpoint(EndpointName=endpoint)
        assert during["EndpointStatus"] == "Updating"
        assert during["PendingDeploymentSummary"]["EndpointConfigName"] == config
        message = validation_error(
            lab.sagemaker.update_endpoint, EndpointName=endpoint, EndpointConfigName=config
        )
        assert message == f'Cannot update in-progress endpoint "{ARN}:endpoint/{endpoint}".'
        after = lab.settle(endpoint)
        switched = len(load.names)
        until(lambda: len(load.names) > switched + 20)
    assert load.failures == []
    assert after["EndpointConfigName"] == config
    assert {"old", "new"} == set(load.names)
    assert set(load.names[-10:]) == {"new"}


def test_update_that_does_not_come_up_is_rolled_back(lab):
    config = lab.config(lab.model(NAME="good"))
    endpoint = lab.endpoint(config)
    bad = lab.config(lab.model("raise RuntimeError('cannot be imported')\n"))
    with Load(lab, endpoint) as load:
        lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=bad)
        described = lab.settle(endpoint)
    assert load.failures == []
    assert set(load.names) == {"good"}
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == config
    assert described["FailureReason"].startswith(PING)
    assert "RuntimeError: cannot be imported" in described["FailureReason"]
    assert "PendingDeploymentSummary" not in described
    assert lab.ask(endpoint, "x")["name"] == "good"


def test_configuration_and_model_may_go_while_they_serve(lab):
    model = lab.model(NAME="kept")
    config = lab.config(model)
    endpoint = lab.endpoint(config)
    lab.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    lab.sagemaker.delete_model(ModelName=model)
    assert lab.ask(endpoint, "x")["name"] == "kept"


def register(lab, group: str, status: str) -> str:
    lab.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    container = {
        "Image": SKLEARN,
        "ModelDataUrl": lab.upload({"code/inference.py": ECHO}),
        "Environment": {"NAME": "package", "SAGEMAKER_PROGRAM": "inference.py"},
    }
    return lab.sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus=status,
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]


def test_only_an_approved_package_is_deployed(lab):
    group = lab.name("group")
    arn = register(lab, group, "PendingManualApproval")

    def create(name):
        return lab.sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": arn}
        )

    assert validation_error(create, name="from-package") == (
        f"Model package {arn} cannot be deployed: its ModelApprovalStatus is "
        "PendingManualApproval, not Approved."
    )
    lab.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
    assert validation_error(create, name="from-package").endswith("is Rejected, not Approved.")
    lab.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    create("from-package")
    endpoint = lab.endpoint(lab.config("from-package"))
    assert lab.ask(endpoint, "x")["name"] == "package"
    lab.sagemaker.create_model(
        ModelName="with-its-own",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"ModelPackageName": arn, "Environment": {"NAME": "the model's own"}},
    )
    lab.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=lab.config("with-its-own"))
    lab.settle(endpoint)
    assert lab.ask(endpoint, "x")["name"] == "the model's own"  # over what the package has
    gone = arn.rpartition("/")[0] + "/99999"
    for name in (gone, group):  # a group's name is no package
        assert validation_error(
            lab.sagemaker.create_model,
            ModelName="m",
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"ModelPackageName": name},
        ) == (f"Could not find model package {name}.")


@pytest.mark.slow
def test_the_sdk_resources_work_unchanged(lab, monkeypatch):
    """Model, EndpointConfig and Endpoint of the SageMaker SDK v3: create, get, wait, invoke, delete."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", lab.local.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "LOCALAWSACCESSKEYID0")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    import boto3
    from sagemaker.core.resources import Endpoint, EndpointConfig, Model
    from sagemaker.core.shapes import (
        CaptureContentTypeHeader,
        CaptureOption,
        ContainerDefinition,
        DataCaptureConfig,
        ProductionVariant,
    )

    session = boto3.Session(region_name="us-east-1")
    arn = register(lab, "sdk", "Approved")
    model = Model.create(
        model_name="sdk-model",
        primary_container=ContainerDefinition(model_package_name=arn),
        execution_role_arn=ROLE,
        session=session,
        region="us-east-1",
    )
    assert model.model_arn == f"{ARN}:model/sdk-model"
    assert model.primary_container.model_package_name == arn
    config = EndpointConfig.create(
        endpoint_config_name="sdk-config",
        production_variants=[
            ProductionVariant(
                variant_name="AllTraffic",
                model_name="sdk-model",
                initial_instance_count=1,
                instance_type="ml.m5.large",
            )
        ],
        data_capture_config=DataCaptureConfig(
            enable_capture=True,
            initial_sampling_percentage=100,
            destination_s3_uri="s3://lab/sdk",
            capture_options=[CaptureOption(capture_mode="Input")],
            capture_content_type_header=CaptureContentTypeHeader(json_content_types=["application/json"]),
        ),
        session=session,
        region="us-east-1",
    )
    assert config.production_variants[0].initial_variant_weight == 1.0
    endpoint = Endpoint.create(
        endpoint_name="sdk", endpoint_config_name="sdk-config", session=session, region="us-east-1"
    )
    endpoint.wait_for_status("InService", poll=1, timeout=60)
    assert endpoint.production_variants[0].current_instance_count == 1
    assert endpoint.data_capture_config.capture_status == "Started"
    assert endpoint.data_capture_config.current_sampling_percentage == 100
    answer = endpoint.invoke(body=json.dumps("hello"), content_type="application/json")
    assert json.loads(answer.body.read())["echo"] == "hello"
    assert answer.invoked_production_variant == "AllTraffic"
    endpoint.delete()
    endpoint.wait_for_delete(poll=1, timeout=30)
    config.delete()
    model.delete()
