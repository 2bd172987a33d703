"""The deployment script's decisions, on an account in memory: `lab_lib.mlpipelines.deployment`.

`tests/local_aws/test_deploy_model.py` runs it against endpoints that serve.
"""

import json
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lab_lib.mlpipelines import deployment
from lab_lib.mlpipelines.deployment import DeploymentConfig, DeploymentError, create_configuration, deploy

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/tweets/3"
CONTAINER = {
    "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:tag",
    "ModelDataUrl": "s3://demo-bucket/job/model.tar.gz",
    "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "LEVEL": "1"},
}
PACKAGE = {
    "ModelPackageArn": ARN,
    "ModelApprovalStatus": "Approved",
    "InferenceSpecification": {"Containers": [CONTAINER]},
}


def config(**more):
    texts = {"I love it": "Positive", "I hate it": "Negative"}
    given = {"environment": "dev", "endpoint": {"name": "tweets-dev"}, "smoke_test": {"texts": texts}}
    return DeploymentConfig.model_validate(given | more)


def make_lab(client, **more):
    return SimpleNamespace(
        client=client,
        role_arn="arn:aws:iam::123456789012:role/demo",
        s3_uri=lambda *parts: "/".join(("s3://demo-bucket/demo", *parts)),
        **{
            "kms_key_id": None,
            "volume_kms_key_id": lambda instance_type: None,
            "subnet_ids": [],
            "security_group_ids": [],
        }
        | more,
    )


@pytest.fixture
def client():
    """Clients of an account with a model artifact."""
    with mock_aws():
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        session.client("s3").create_bucket(Bucket="demo-bucket")
        session.client("s3").put_object(Bucket="demo-bucket", Key="job/model.tar.gz", Body=b"x")
        yield session.client


class TestConfiguration:
    def made(self, lab, settings):
        name = create_configuration(lab, settings, PACKAGE)
        sagemaker = lab.client("sagemaker")
        return sagemaker.describe_model(ModelName=name), sagemaker.describe_endpoint_config(
            EndpointConfigName=name
        )

    def test_what_an_environment_sets_reaches_the_container_and_the_endpoint(self, client):
        settings = config(
            endpoint={"name": "tweets-dev", "instance_type": "ml.c5.large", "instance_count": 2},
            variables={"LEVEL": "2"},
            data_capture={"sampling_percentage": 25, "destination": "s3://elsewhere/captured"},
        )
        model, made = self.made(make_lab(client), settings)
        assert model["PrimaryContainer"]["ModelPackageName"] == ARN
        assert model["PrimaryContainer"]["Environment"] == {"LEVEL": "2"}
        (variant,) = made["ProductionVariants"]
        assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.c5.large", 2)
        capture = made["DataCaptureConfig"]
        assert (capture["InitialSamplingPercentage"], capture["DestinationS3Uri"]) == (
            25,
            "s3://elsewhere/captured",
        )
        assert "KmsKeyId" not in made and "KmsKeyId" not in capture
        assert not model.get("VpcConfig")

    def test_nothing_is_captured_at_0_percent(self, client):
        _, made = self.made(make_lab(client), config(data_capture={"sampling_percentage": 0}))
        assert not made.get("DataCaptureConfig")

    def test_the_labs_key_and_vpc_are_used(self, client):
        lab = make_lab(
            client,
            kms_key_id="key-1",
            volume_kms_key_id=lambda instance_type: f"key of {instance_type}",
            subnet_ids=["subnet-1"],
            security_group_ids=["sg-1"],
        )
        model, made = self.made(lab, config())
        assert model["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
        assert made["KmsKeyId"] == "key of ml.m5.large"
        assert made["DataCaptureConfig"]["KmsKeyId"] == "key-1"


class TestAlarms:
    def test_a_canary_has_alarms_of_its_endpoint_in_microseconds(self, client):
        settings = config(
            strategy={
                "traffic": "canary",
                "canary_percentage": 20,
                "latency_alarm_ms": 250,
                "wait_seconds": 60,
            }
        )
        names = deployment.put_alarms(make_lab(client), settings)
        alarms = client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
        found = {alarm["MetricName"]: alarm for alarm in alarms}
        assert {name: (a["Statistic"], a["Threshold"]) for name, a in found.items()} == {
            "Invocation5XXErrors": ("Sum", 0.0),
            "ModelLatency": ("Average", 250_000.0),
        }
        for alarm in alarms:
            assert alarm["Namespace"] == "AWS/SageMaker" and alarm["TreatMissingData"] == "notBreaching"
            dimensions = {d["Name"]: d["Value"] for d in alarm["Dimensions"]}
            assert dimensions == {"EndpointName": "tweets-dev", "VariantName": "AllTraffic"}
        policy = deployment.deployment_policy(settings, names)
        routing = policy["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
        assert routing["Type"] == "CANARY" and routing["WaitIntervalInSeconds"] == 60
        assert routing["CanarySize"] == {"Type": "CAPACITY_PERCENT", "Value": 20}
        assert {alarm["AlarmName"] for alarm in policy["AutoRollbackConfiguration"]["Alarms"]} == set(names)

    @pytest.mark.parametrize("wait", [0, 600, 3600])
    @pytest.mark.parametrize("timeout", [60, 1800, 14_400])
    def test_the_update_may_take_longer_than_its_waiting(self, wait, timeout):
        """SageMaker refuses a policy whose timeout is not, and one beyond 600 to 28800 seconds."""
        settings = config(strategy={"traffic": "canary", "wait_seconds": wait, "timeout_seconds": timeout})
        policy = deployment.deployment_policy(settings, [])["BlueGreenUpdatePolicy"]
        waits = policy["TerminationWaitInSeconds"]
        waits += policy["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"]
        limit = policy["MaximumExecutionTimeoutInSeconds"]
        assert waits + timeout <= limit and 600 <= limit <= 28_800

    def test_all_at_once_has_none(self, client):
        assert deployment.put_alarms(make_lab(client), config()) == []
        assert "AutoRollbackConfiguration" not in deployment.deployment_policy(config(), [])
        assert client("cloudwatch").describe_alarms()["MetricAlarms"] == []


class Endpoint:
    """moto's SageMaker with one endpoint whose statuses are said in advance; it writes down what is asked of it."""

    def __init__(self, sagemaker, *statuses):
        self._sagemaker, self.statuses, self.calls = sagemaker, list(statuses), []
        self.configuration, self.refuses = "before", ""

    def __getattr__(self, name):
        return getattr(self._sagemaker, name)

    def describe_endpoint(self, EndpointName):
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status is None:
            answer = {"Code": "ValidationException", "Message": f"Could not find endpoint {EndpointName}."}
            raise self._sagemaker.exceptions.ClientError({"Error": answer}, "DescribeEndpoint")
        described = {"EndpointName": EndpointName, "EndpointStatus": status}
        return described | {"EndpointConfigName": self.configuration, "FailureReason": "no memory"}

    def delete_endpoint(self, EndpointName):
        self.calls.append("delete")

    def create_endpoint(self, EndpointConfigName, **request):
        self.calls.append("create")
        self.configuration = EndpointConfigName

    def update_endpoint(self, EndpointConfigName, **request):
        self.calls.append("update")
        if self.refuses:
            raise ClientError({"Error": {"Code": "x", "Message": self.refuses}}, "UpdateEndpoint")
        self.configuration = EndpointConfigName


@pytest.fixture
def endpoint(client, monkeypatch):
    """Makes an `Endpoint` and the lab that it is in; the endpoint always answers rightly."""
    monkeypatch.setattr(deployment.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(deployment, "_served", lambda sagemaker, found: "what served before")
    labels = {"I love it": "Positive", "I hate it": "Negative"}
    monkeypatch.setattr(
        deployment, "predict", lambda lab, texts, name: [{"label": labels[text]} for text in texts]
    )

    def make(*statuses):
        made = Endpoint(client("sagemaker"), *statuses)
        return made, make_lab(lambda service: made if service == "sagemaker" else client(service))

    return make


def configurations(client):
    return [c["EndpointConfigName"] for c in client("sagemaker").list_endpoint_configs()["EndpointConfigs"]]


class TestDeploy:
    def test_an_endpoint_that_had_failed_is_made_anew(self, endpoint):
        made, lab = endpoint("Failed", "Deleting", None, "Creating", "InService")
        lines = []
        done = deploy(lab, config(), package=PACKAGE, say=lines.append)
        assert made.calls == ["delete", "create"] and done["action"] == "created"
        assert any("had failed (no memory)" in line for line in lines)

    def test_what_is_under_way_is_waited_for(self, endpoint):
        made, lab = endpoint("Updating", "Updating", "InService", "Updating", "InService")
        done = deploy(lab, config(), package=PACKAGE)
        assert made.calls == ["update"] and done["action"] == "updated"
        assert made.statuses == ["InService"]

    def test_an_update_that_is_refused_leaves_nothing_behind(self, endpoint, client):
        made, lab = endpoint("InService")
        made.refuses = "The quota of ml.m5.large is reached"
        with pytest.raises(DeploymentError, match="tweets-dev was not touched: The quota of ml.m5.large"):
            deploy(lab, config(), package=PACKAGE)
        assert configurations(client) == [] and client("sagemaker").list_models()["Models"] == []

    def test_an_endpoint_that_does_not_come_to_rest(self, endpoint, monkeypatch):
        _, lab = endpoint(None, "Creating")
        clock = iter(range(0, 10**6, 40))
        monkeypatch.setattr(deployment.time, "monotonic", lambda: next(clock))
        with pytest.raises(DeploymentError, match="is still Creating after 60 s"):
            deploy(lab, config(strategy={"timeout_seconds": 60}), package=PACKAGE)

    def test_an_endpoint_that_cannot_be_deleted(self, endpoint, monkeypatch):
        _, lab = endpoint("Failed", "Deleting")
        clock = iter(range(0, 10**6, 40))
        monkeypatch.setattr(deployment.time, "monotonic", lambda: next(clock))
        with pytest.raises(DeploymentError, match="is still Deleting after 60 s"):
            deploy(lab, config(strategy={"timeout_seconds": 60}), package=PACKAGE)


def test_the_command_writes_its_result_and_says_whose_fault_a_failure_is(
    endpoint, tmp_path, monkeypatch, capsys
):
    _, lab = endpoint(None, "Creating", "InService")
    monkeypatch.setattr(deployment, "get_lab", lambda: lab)
    monkeypatch.setattr(deployment, "latest_approved", lambda lab: PACKAGE)
    (tmp_path / "configs").mkdir()
    path, output = tmp_path / "configs" / "dev.yml", tmp_path / "result.json"
    path.write_text(json.dumps(config().model_dump()))
    assert deployment.main(["--config", str(path), "--output", str(output)]) == 0
    result = json.loads(output.read_text())
    assert (result["action"], result["model_package_arn"]) == ("created", ARN)
    path.write_text("environment: dev\nend_point: {}\n")
    assert deployment.main(["--config", str(path)]) == 2  # the configuration is wrong, nothing was tried
    assert str(path) in capsys.readouterr().err
