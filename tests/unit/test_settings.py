"""Settings, names and backends: `lab_lib.settings`."""

import boto3
import botocore.client
import pytest
from moto import mock_aws

from lab_lib import settings
from lab_lib.settings import LabError, find_root, get_lab, read_settings

ROLE = "arn:aws:iam::123456789012:role/lab"


@pytest.fixture
def checkout(tmp_path):
    """A folder with a settings.ini for the aws backend; call it to write other contents."""

    def write(text="[workshop]\nbackend = aws\nregion = eu-west-1\n"):
        (tmp_path / "settings.ini").write_text(text, encoding="utf-8")
        return tmp_path

    write()
    return write


@pytest.fixture
def no_credentials(monkeypatch, tmp_path):
    """A process in which botocore finds no credentials anywhere."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "LAB_BACKEND",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))


@pytest.fixture
def aws(monkeypatch):
    """An AWS account in memory."""
    monkeypatch.delenv("LAB_BACKEND", raising=False)
    with mock_aws():
        yield boto3.Session(region_name="eu-west-1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[workshop]\nbackend = azure", ["workshop.backend", "'azure'", "'local' or 'aws'"]),
        ("[workshop]\nregion = Ireland", ["workshop.region", "'Ireland'", "a region, such as us-east-1"]),
        ("[workshop]\nproject = X", ["workshop.project", "3 to 31 lower-case letters"]),
        ("[aws]\nrole_arn = MyRole", ["aws.role_arn", "arn:aws:iam::123456789012:role/NAME"]),
        ("[registry]\nmodel_package_group = a_b", ["registry.model_package_group = 'a_b'", "at most 63"]),
        ("[processing]\ninstance_type = m5.large", ["processing.instance_type", "such as ml.m5.large"]),
        ("[endpoint]\ninstance_count = 0", ["endpoint.instance_count", "greater than or equal to 1"]),
        (f"[endpoint]\nname = {'a' * 41}", ["endpoint.name", "at most 40 letters"]),
        ("[training]\ninstance_type = ml.m5.large", ["no setting training.instance_type", "misspelled"]),
        ("[storage]\nbucket = My_Bucket", ["storage.bucket", "'My_Bucket'", "3 to 63 lower-case"]),
        ("[data]\ntest_size = 0.9", ["data.test_size", "less than 0.5"]),
        ("[data]\ntest_size = 0.1\ntest_size = 0.2", ["not a valid settings file", "test_size"]),
    ],
)
def test_a_wrong_setting_is_named(checkout, text, words):
    path = checkout(text) / "settings.ini"
    with pytest.raises(LabError) as caught:
        read_settings(path)
    assert str(path) in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert "pattern" not in str(caught.value)  # words, not a regular expression


def test_a_file_saved_with_a_byte_order_mark(checkout):
    path = checkout("\ufeff[workshop]\nregion = eu-west-1\n") / "settings.ini"
    assert read_settings(path)["workshop"]["region"] == "eu-west-1"


def test_a_wrong_name_in_the_environment_of_a_build(monkeypatch):
    monkeypatch.setenv("LAB_PROJECT", "demo")
    monkeypatch.setenv("MODEL_PACKAGE_GROUP_NAME", "my tweets")
    with pytest.raises(LabError, match=r"variable MODEL_PACKAGE_GROUP_NAME = 'my tweets' is not right: .*63"):
        settings.load_settings()


def test_a_region_that_aws_does_not_have_starts_nothing(checkout, monkeypatch):
    monkeypatch.setenv("LAB_BACKEND", "local")
    monkeypatch.setenv("AWS_PROFILE", "nobody")  # of no interest to the local backend
    monkeypatch.setattr("local_aws.ensure_started", lambda: pytest.fail("it was started"))
    with pytest.raises(LabError, match=r"no SageMaker in a region 'us-est-1'.*us-east-1\?.*settings.ini"):
        get_lab(root=checkout("[workshop]\nregion = us-est-1\n"))


def test_absent_settings_have_defaults(checkout):
    assert read_settings(checkout("") / "settings.ini")["workshop"]["region"] == "us-east-1"


def test_no_settings_file(tmp_path):
    with pytest.raises(LabError, match=r"No settings.ini at or above .* checkout"):
        find_root(tmp_path)
    with pytest.raises(LabError, match="Cannot read the settings file"):
        read_settings(tmp_path / "settings.ini")


def test_no_credentials_on_aws(checkout, no_credentials):
    with pytest.raises(
        LabError, match=r"No usable AWS credentials.*aws configure sso.*AWS_PROFILE.*backend = local"
    ):
        get_lab(root=checkout())


def test_a_missing_profile_on_aws(checkout, no_credentials, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(LabError, match=r"No usable AWS credentials.*nobody"):
        get_lab(root=checkout())


def test_refused_credentials_on_aws(checkout, aws, monkeypatch):
    from botocore.exceptions import ClientError

    class Session:
        region_name = "eu-west-1"

        def client(self, _):
            return self

        def get_caller_identity(self):
            raise ClientError(
                {"Error": {"Code": "ExpiredToken", "Message": "The token is expired"}}, "GetCallerIdentity"
            )

    monkeypatch.setattr(boto3, "Session", lambda **_: Session())
    with pytest.raises(LabError, match=r"ExpiredToken: The token is expired.*aws sso login"):
        get_lab(root=checkout())


def test_nothing_deployed_on_aws(checkout, aws):
    with pytest.raises(
        LabError, match=r"No execution role.*/sagemaker-e2e-lab/execution-role-arn.*eu-west-1"
    ):
        get_lab(root=checkout())


def test_names_come_from_the_deployed_stacks(checkout, aws, capsys):
    values = {
        "execution-role-arn": ROLE,
        "bucket-name": "stack-bucket",
        "private-subnet-ids": "subnet-1,subnet-2",
        "security-group-ids": "sg-1",
        "kms-key-id": "key-1",
    }
    for name, value in values.items():
        aws.client("ssm").put_parameter(Name=f"/sagemaker-e2e-lab/{name}", Value=value, Type="String")
    place = {"LocationConstraint": "eu-west-1"}
    aws.client("s3").create_bucket(Bucket="stack-bucket", CreateBucketConfiguration=place)
    lab = get_lab(root=checkout())
    assert (lab.role_arn, lab.bucket, lab.kms_key_id) == (ROLE, "stack-bucket", "key-1")
    assert (lab.vpc_config.subnets, lab.vpc_config.security_group_ids) == (["subnet-1", "subnet-2"], ["sg-1"])
    assert lab.networking.subnets == lab.network_config.subnets == ["subnet-1", "subnet-2"]
    assert lab.sagemaker_session.default_bucket() == "stack-bucket"
    assert "AWS account 123456789012, region eu-west-1, bucket stack-bucket" in capsys.readouterr().out


def test_who_may_not_read_the_stacks_names_works_with_the_settings(checkout, aws, monkeypatch):
    from botocore.exceptions import ClientError

    def refuse(client, operation, parameters, original=botocore.client.BaseClient._make_api_call):
        if operation == "GetParameters":
            answer = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
            raise ClientError(answer, operation)
        return original(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", refuse)
    text = f"[workshop]\nbackend = aws\nregion = eu-west-1\n[aws]\nrole_arn = {ROLE}\n"
    lab = get_lab(root=checkout(text), verbose=False)
    assert (lab.role_arn, lab.bucket) == (ROLE, "sagemaker-e2e-lab-123456789012-eu-west-1")
    with pytest.raises(LabError, match=r"No execution role.*ssm:GetParameters"):
        get_lab(root=checkout())


@pytest.mark.parametrize(
    ("instance_type", "key"),
    [
        ("ml.m5.2xlarge", "key-1"),
        ("ml.c6i.large", "key-1"),
        ("ml.p2.xlarge", "key-1"),
        ("ml.m5d.large", None),
        ("ml.g4dn.xlarge", None),
        ("ml.g5.xlarge", None),
        ("ml.p4d.24xlarge", None),
    ],
)
def test_no_key_for_the_volume_of_an_instance_with_local_disks(checkout, aws, instance_type, key):
    text = f"[workshop]\nbackend = aws\nregion = eu-west-1\n[aws]\nrole_arn = {ROLE}\nkms_key_id = key-1\n"
    assert get_lab(root=checkout(text), verbose=False).volume_kms_key_id(instance_type) == key


def test_settings_win_over_the_deployed_stacks(checkout, aws):
    aws.client("ssm").put_parameter(
        Name="/sagemaker-e2e-lab/execution-role-arn", Value=ROLE + "-deployed", Type="String"
    )
    text = f"[workshop]\nbackend = aws\nregion = eu-west-1\n[aws]\nrole_arn = {ROLE}\n"
    text += "[storage]\nbucket = mine-123\n"
    lab = get_lab(root=checkout(text), verbose=False)
    assert (lab.role_arn, lab.bucket) == (ROLE, "mine-123")
    assert lab.networking is None and lab.vpc_config is None


def test_argument_over_environment_over_file(checkout, aws, monkeypatch):
    monkeypatch.setattr(settings, "start_local_backend", lambda region: None)
    monkeypatch.setenv("LAB_BACKEND", "local")
    lab = get_lab(root=checkout(), verbose=False)
    assert lab.backend == "local"
    assert lab.bucket == "sagemaker-e2e-lab-123456789012-eu-west-1"
    assert (
        get_lab(root=checkout(), verbose=False).role_arn == lab.role_arn
    )  # a second time: nothing is in the way
    with pytest.raises(LabError, match="No execution role"):
        get_lab(backend="aws", root=checkout())
    monkeypatch.setenv("LAB_BACKEND", "both")
    with pytest.raises(LabError, match="Unknown backend 'both'"):
        get_lab(root=checkout())
