"""The API around executions: what is refused, what is idempotent, what survives a restart, what is told."""

import json
import os
import signal
import time
import uuid

import pytest
from botocore.exceptions import ClientError
from pipeline_helpers import Pipelines, always, check, compare, fail, get
from servers import IMAGE, ROLE, Jobs, clients_of, running_server


@pytest.fixture(scope="module")
def pipes(aws, bucket, jobs):
    return Pipelines(aws, bucket, jobs)


def refused(call, **request):
    with pytest.raises(ClientError) as error:
        call(**request)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def definition(*steps, **more):
    return json.dumps({"Version": "2020-12-01", "Steps": list(steps), **more})


def test_create_and_update_refuse_what_is_wrong(pipes):
    sm, name = pipes.sm, f"p-{uuid.uuid4().hex[:8]}"
    wrong = definition(fail("a", DependsOn=["b"]), fail("b", DependsOn=["a"]))
    for request in (
        {"PipelineDefinition": wrong},
        {"PipelineDefinitionS3Location": {"Bucket": pipes.bucket, "ObjectKey": "d.json"}},
    ):
        pipes.aws.s3.put_object(Bucket=pipes.bucket, Key="d.json", Body=wrong.encode())
        code, message = refused(sm.create_pipeline, PipelineName=name, RoleArn=ROLE, **request)
        assert code == "ValidationException"
        assert message == (
            "Unable to parse pipeline definition: the steps wait for one another in a cycle: a -> b -> a."
        )
    pipes.aws.s3.put_object(Bucket=pipes.bucket, Key="d.json", Body=definition(fail("a")).encode())
    location = {"Bucket": pipes.bucket, "ObjectKey": "d.json"}
    sm.create_pipeline(PipelineName=name, RoleArn=ROLE, PipelineDefinitionS3Location=location)
    assert sm.describe_pipeline(PipelineName=name)["PipelineDefinition"] == definition(fail("a"))
    _, message = refused(
        sm.create_pipeline, PipelineName=name, RoleArn=ROLE, PipelineDefinition=definition(fail("a"))
    )
    assert message.startswith("Pipeline names must be unique within an AWS account and region.")
    _, message = refused(sm.update_pipeline, PipelineName=name, PipelineDefinition=wrong)
    assert "a cycle" in message
    long = definition(fail("a", "x" * 1_100_000))
    _, message = refused(sm.update_pipeline, PipelineName=name, PipelineDefinition=long)
    assert "less than or equal to 1048576. Put it in S3" in message
    pipes.aws.s3.put_object(Bucket=pipes.bucket, Key="d.json", Body=long.encode())
    sm.update_pipeline(PipelineName=name, PipelineDefinitionS3Location=location)
    assert sm.describe_pipeline(PipelineName=name)["PipelineDefinition"] == long
    missing = {"Bucket": pipes.bucket, "ObjectKey": "nothing.json"}
    code, message = refused(sm.update_pipeline, PipelineName=name, PipelineDefinitionS3Location=missing)
    assert code == "ValidationException" and "cannot be read" in message
    code, _ = refused(sm.describe_pipeline, PipelineName="nobody")
    assert code == "ResourceNotFound"


@pytest.mark.parametrize(
    ("operation", "request_", "said"),
    [
        ("start_pipeline_execution", {"PipelineExecutionDisplayName": "a run"}, "regular expression pattern"),
        (
            "start_pipeline_execution",
            {"PipelineExecutionDescription": "x" * 3073},
            "Value at 'pipelineExecutionDescription' failed to satisfy constraint: Member must have length less "
            "than or equal to 3072",
        ),
        (
            "list_pipeline_executions",
            {"SortOrder": "Up"},
            "Value 'Up' at 'sortOrder' failed to satisfy constraint: Member must satisfy enum value set: "
            "[Ascending, Descending]",
        ),
        ("list_pipeline_executions", {"MaxResults": 101}, "have value less than or equal to 100"),
        ("update_pipeline", {"PipelineDisplayName": "-x"}, "Value '-x' at 'pipelineDisplayName'"),
    ],
)
def test_a_request_keeps_to_the_constraints_of_the_api(pipes, operation, request_, said):
    name = pipes.create(always("a"))
    code, message = refused(getattr(pipes.sm, operation), PipelineName=name, **request_)
    assert code == "ValidationException" and said in message


def test_versions_of_a_pipeline(pipes):
    sm, name = pipes.sm, pipes.create(fail("a", "one"))
    answer = sm.update_pipeline(
        PipelineName=name, PipelineDefinition=definition(fail("a", "two")), PipelineDescription="second"
    )
    assert answer["PipelineVersionId"] == 2
    assert sm.describe_pipeline(PipelineName=name)["PipelineDescription"] == "second"
    first = sm.describe_pipeline(PipelineName=name, PipelineVersionId=1)
    assert json.loads(first["PipelineDefinition"])["Steps"][0]["Arguments"]["ErrorMessage"] == "one"
    old, _ = pipes.run(name, PipelineVersionId=1)
    new, _ = pipes.run(name)
    assert (old["FailureReason"], new["FailureReason"]) == ("one", "two")
    assert (old["PipelineVersionId"], new["PipelineVersionId"]) == (1, 2)
    listed = sm.list_pipeline_versions(PipelineName=name)["PipelineVersionSummaries"]
    assert [v["PipelineVersionId"] for v in listed] == [2, 1]
    assert listed[1]["LastExecutionPipelineExecutionArn"] == old["PipelineExecutionArn"]
    ran = sm.describe_pipeline_definition_for_execution(PipelineExecutionArn=old["PipelineExecutionArn"])
    assert ran["PipelineDefinition"] == first["PipelineDefinition"]


def test_parameters_are_checked_at_the_start(pipes):
    declared = [
        {"Name": "Epochs", "Type": "Integer"},
        {"Name": "Rate", "Type": "Float", "DefaultValue": 0.1},
        {"Name": "Mode", "Type": "String", "DefaultValue": "fast", "EnumValues": ["fast", "slow"]},
        {"Name": "Dry", "Type": "Boolean", "DefaultValue": False},
    ]
    name = pipes.create(always("a"), parameters=declared)

    def said(**values):
        parameters = [{"Name": k, "Value": v} for k, v in values.items()]
        code, message = refused(
            pipes.sm.start_pipeline_execution, PipelineName=name, PipelineParameters=parameters
        )
        assert code == "ValidationException"
        return message

    assert said(Rate="1") == "The parameter 'Epochs' has no default: a value must be given for it."
    assert "The pipeline has no parameter 'Epoch'. It has: Dry, Epochs, Mode, Rate." in said(Epoch="1")
    assert said(Epochs="1.5") == "The value '1.5' of the parameter 'Epochs' is no Integer."
    for wrong in ("1_000", " 1", "0x1", "١"):  # Python reads some of them as numbers
        assert said(Epochs=wrong) == f"The value '{wrong}' of the parameter 'Epochs' is no Integer."
    assert said(Epochs="1", Rate="1_0.5") == "The value '1_0.5' of the parameter 'Rate' is no Float."
    assert said(Epochs="1", Rate="1e999") == "The value '1e999' of the parameter 'Rate' is no Float."
    assert "'pipelineParameters.2.member.value' failed to satisfy" in said(Epochs="1", Mode="x" * 1025)
    assert said(Epochs="1", Rate="fast") == "The value 'fast' of the parameter 'Rate' is no Float."
    assert said(Epochs="1", Dry="yes") == "The value 'yes' of the parameter 'Dry' is no Boolean."
    assert said(Epochs="1", Mode="mid") == (
        "The value 'mid' of the parameter 'Mode' must be one of ['fast', 'slow']."
    )
    for good in ({"Epochs": "1", "Dry": "True"}, {"Epochs": "-2", "Rate": "1e-3"}, {"Epochs": "9" * 400}):
        assert pipes.run(name, good)[0]["PipelineExecutionStatus"] == "Succeeded"


def test_steps_that_are_not_emulated_are_refused_at_the_start(pipes):
    quality = {"Name": "Quality", "Type": "QualityCheck", "Arguments": {}}
    clarify = {"Name": "Bias", "Type": "ClarifyCheck", "Arguments": {}}
    name = pipes.create(always("a"), quality, clarify)
    code, message = refused(pipes.sm.start_pipeline_execution, PipelineName=name)
    assert code == "ValidationException"
    assert message.startswith(
        "Steps of these types are not emulated by local_aws: 'Quality' (QualityCheck), 'Bias' (ClarifyCheck)."
    )
    chosen = {"SelectedSteps": [{"StepName": "a"}]}
    assert pipes.run(name, SelectiveExecutionConfig=chosen)[0]["PipelineExecutionStatus"] == "Succeeded"


def test_a_tracking_server_is_not_emulated(pipes):
    name = f"p-{uuid.uuid4().hex[:8]}"
    tracked = definition(always("a"), MlflowConfig={"MlflowResourceArn": "arn"})
    pipes.sm.create_pipeline(PipelineName=name, RoleArn=ROLE, PipelineDefinition=tracked)
    _, message = refused(pipes.sm.start_pipeline_execution, PipelineName=name)
    assert message.startswith("MlflowConfig is not emulated by local_aws")


def test_pipelines_of_another_account_and_region_act_there(server, pipes):
    there = clients_of(server.endpoint_url, "eu-west-1", access_key="222222222222")
    container = {"Image": IMAGE.replace("us-east-1", "eu-west-1")}
    model = {
        "Name": "Model",
        "Type": "Model",
        "Arguments": {"ExecutionRoleArn": ROLE, "PrimaryContainer": container},
    }
    other = Pipelines(there, "none", None)
    name = other.create(model)
    found, steps = other.run(name)
    assert found["PipelineExecutionStatus"] == "Succeeded", steps
    assert steps["Model"]["Metadata"]["Model"]["Arn"].startswith(
        "arn:aws:sagemaker:eu-west-1:222222222222:model/"
    )
    code, _ = refused(
        pipes.sm.describe_pipeline_execution, PipelineExecutionArn=found["PipelineExecutionArn"]
    )
    assert code == "ResourceNotFound"


def test_a_name_in_the_definition_begins_the_names_of_its_resources(pipes):
    arguments = {
        "ModelName": get("Parameters.Prefix"),
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": IMAGE},
    }
    declared = {"Name": "Prefix", "Type": "String", "DefaultValue": "team_a"}
    name = pipes.create({"Name": "Model", "Type": "Model", "Arguments": arguments}, parameters=[declared])
    found, steps = pipes.run(name)
    model = steps["Model"]["Metadata"]["Model"]["Arn"].rsplit("/", 1)[1]
    assert model.startswith(f"team-a-{found['PipelineExecutionArn'].rsplit('/', 1)[1]}-")
    assert pipes.sm.describe_model(ModelName=model)["ModelName"] == model


def test_search_does_not_say_that_there_are_no_executions(pipes):
    _, message = refused(pipes.sm.search, Resource="PipelineExecution")
    assert message == "Search of PipelineExecution is not emulated by local_aws. Use ListPipelineExecutions."


def test_a_request_token_starts_one_execution(pipes):
    name, token = pipes.create(always("a")), uuid.uuid4().hex
    first = pipes.start(name, ClientRequestToken=token)
    assert pipes.start(name, ClientRequestToken=token) == first
    assert pipes.start(name) != first


def test_lists_are_paged_sorted_and_filtered(pipes):
    name = pipes.create(*[always(f"s{i}") for i in range(5)])
    arns = [pipes.start(name) for _ in range(3)]
    for arn in arns:
        pipes.wait(arn)
    pages = pipes.sm.get_paginator("list_pipeline_executions").paginate(
        PipelineName=name, SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    pages = list(pages)
    assert [len(p["PipelineExecutionSummaries"]) for p in pages] == [2, 1]
    found = [e for p in pages for e in p["PipelineExecutionSummaries"]]
    assert [e["PipelineExecutionArn"] for e in found] == arns
    later = pipes.sm.list_pipeline_executions(PipelineName=name, CreatedAfter=found[1]["StartTime"])
    assert arns[0] not in [e["PipelineExecutionArn"] for e in later["PipelineExecutionSummaries"]]
    newest = pipes.sm.list_pipeline_execution_steps(PipelineExecutionArn=arns[0], MaxResults=2)
    assert [s["StepName"] for s in newest["PipelineExecutionSteps"]] == ["s4", "s3"]
    prefix = pipes.sm.list_pipelines(PipelineNamePrefix=name)["PipelineSummaries"]
    assert [p["PipelineName"] for p in prefix] == [name] and prefix[0]["LastExecutionTime"]


def test_deleting_a_pipeline_forgets_its_executions(pipes):
    name = pipes.create(always("a"))
    arn = pipes.run(name)[0]["PipelineExecutionArn"]
    pipes.sm.delete_pipeline(PipelineName=name)
    code, _ = refused(pipes.sm.describe_pipeline_execution, PipelineExecutionArn=arn)
    assert code == "ResourceNotFound"


def test_every_change_of_status_is_an_event(pipes):
    sqs, events = pipes.aws.sqs, pipes.aws.events
    queue = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = pipes.create(check("Check", compare("Equals", 1, 2)))
    pipeline = pipes.sm.describe_pipeline(PipelineName=name)["PipelineArn"]
    rule = f"r-{uuid.uuid4().hex[:8]}"
    pattern = {"source": ["aws.sagemaker"], "detail": {"pipelineArn": [pipeline]}}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn}])
    execution = pipes.run(name)[0]["PipelineExecutionArn"]
    found, deadline = [], time.monotonic() + 10
    while len(found) < 3:
        assert time.monotonic() < deadline, found
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            found.append(json.loads(message["Body"]))
        time.sleep(0.02)
    kinds = {"SageMaker Model Building Pipeline Execution Status Change": [], "step": []}
    for event in found:
        detail = event["detail"]
        assert event["resources"] == [pipeline, execution]
        kinds.get(event["detail-type"], kinds["step"]).append(
            detail.get("currentPipelineExecutionStatus") or (detail["stepName"], detail["currentStepStatus"])
        )
    assert list(kinds.values()) == [["Executing", "Succeeded"], [("Check", "Succeeded")]]


@pytest.mark.slow
def test_a_killed_server_leaves_failed_executions_that_can_be_retried(tmp_path):
    home = tmp_path / "home"
    key = "go/now"
    code = (
        "import boto3, time\ns3 = boto3.client('s3')\nprint('begun', flush=True)\n"
        f"while not s3.list_objects_v2(Bucket='restarted', Prefix='{key}').get('KeyCount'):\n    time.sleep(0.1)\n"
    )
    with running_server(home) as local:
        aws = clients_of(local.endpoint_url)
        aws.s3.create_bucket(Bucket="restarted")
        pipes = Pipelines(aws, "restarted", Jobs(aws, "restarted"))
        first = pipes.processing("First", "print('fine')")
        second = pipes.processing("Second", code, DependsOn=["First"], CacheConfig={"Enabled": True})
        name = pipes.create(first, second, always("Last", DependsOn=["Second"]))
        arn = pipes.start(name)
        deadline = time.monotonic() + 20
        while pipes.steps(arn).get("Second", {}).get("StepStatus") != "Executing":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        before = pipes.steps(arn)
        os.kill(local.pid, signal.SIGKILL)
    with running_server(home) as local:
        aws = clients_of(local.endpoint_url)
        pipes = Pipelines(aws, "restarted", Jobs(aws, "restarted"))
        found = pipes.describe(arn)
        assert found["PipelineExecutionStatus"] == "Failed"
        assert "The local AWS was stopped while this execution was running" in found["FailureReason"]
        steps = pipes.steps(arn)
        assert steps["First"] == before["First"] and steps["Second"]["StepStatus"] == "Failed"
        job = steps["Second"]["Metadata"]["ProcessingJob"]["Arn"].split("/")[1]
        assert aws.sagemaker.describe_processing_job(ProcessingJobName=job)["ProcessingJobStatus"] == "Failed"
        aws.s3.put_object(Bucket="restarted", Key=key, Body=b"1")
        aws.sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)
        assert pipes.wait(arn)["PipelineExecutionStatus"] == "Succeeded"
        listed = aws.sagemaker.list_pipeline_versions(PipelineName=name)["PipelineVersionSummaries"]
        assert [v["LastExecutionPipelineExecutionArn"] for v in listed] == [arn]


def test_an_unknown_parameter_of_a_join_is_refused_at_create(pipes):
    message = {"Std:Join": {"On": "", "Values": ["a", get("Parameters.Nobody")]}}
    with pytest.raises(ClientError, match="uses the parameter 'Nobody', which is not declared"):
        pipes.create(fail("a", message))
