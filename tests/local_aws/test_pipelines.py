"""SageMaker Pipelines over the API: definitions in the shape of public examples, written as JSON."""

import json
import time
import uuid
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from pipeline_helpers import Pipelines, always, check, compare, fail, get
from servers import IMAGE


@pytest.fixture(scope="module")
def pipes(aws, bucket, jobs):
    return Pipelines(aws, bucket, jobs)


WRITE = """
import json, os, sys
os.makedirs("/opt/ml/processing/out", exist_ok=True)
json.dump({"regression_metrics": {"mse": {"value": float(sys.argv[1]), "standard_deviation": 0.1}}},
          open("/opt/ml/processing/out/evaluation.json", "w"))
"""
REPORT = [{"PropertyFileName": "EvaluationReport", "OutputName": "out", "FilePath": "evaluation.json"}]
MSE = {
    "Std:JsonGet": {
        "PropertyFile": get("Steps.Evaluate.PropertyFiles.EvaluationReport"),
        "Path": "regression_metrics.mse.value",
    }
}


def test_prepare_train_evaluate_and_register_when_the_error_is_small(pipes):
    out = pipes.out("train")
    split = "s3://" + pipes.bucket
    prepare = pipes.processing(
        "Prepare", "open('/opt/ml/processing/out/train.csv', 'w').write('1,2')", outputs=[out]
    )
    data = {
        "ChannelName": "train",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": get("Steps.Prepare.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"),
            }
        },
    }
    train = pipes.training(
        "Train",
        "import json, shutil\nshutil.copy('/opt/ml/input/data/train/train.csv', '/opt/ml/model/')\n"
        "print(json.load(open('/opt/ml/input/config/hyperparameters.json')))",
        {"depth": get("Parameters.Depth"), "eta": 0.2, "fast": get("Parameters.Fast")},
        channels=[data],
    )
    model = get("Steps.Train.ModelArtifacts.S3ModelArtifacts")
    evaluate = pipes.processing(
        "Evaluate",
        WRITE,
        outputs=[pipes.out("out")],
        arguments=[get("Parameters.Error")],
        inputs=[pipes.jobs.s3_input("model", model, "/opt/ml/processing/model")],
        PropertyFiles=REPORT,
    )
    register = {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": "made-by-the-step",
            "ModelApprovalStatus": get("Parameters.Approval"),
            "InferenceSpecification": {
                "Containers": [{"Image": IMAGE, "ModelDataUrl": model}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            "MetadataProperties": {"CommitId": "abc"},
        },
    }
    message = {"Std:Join": {"On": " ", "Values": ["the error is", MSE, "above", get("Parameters.Most")]}}
    name = pipes.create(
        prepare,
        train,
        evaluate,
        check(
            "Check",
            compare("LessThanOrEqualTo", MSE, get("Parameters.Most")),
            then=[register],
            other=[fail("TooHigh", message)],
        ),
        parameters=[
            {"Name": "Depth", "Type": "Integer", "DefaultValue": 5},
            {"Name": "Fast", "Type": "Boolean", "DefaultValue": True},
            {"Name": "Error", "Type": "String", "DefaultValue": "4.5"},
            {"Name": "Most", "Type": "Float", "DefaultValue": 6.0},
            {
                "Name": "Approval",
                "Type": "String",
                "DefaultValue": "PendingManualApproval",
                "EnumValues": ["PendingManualApproval", "Approved"],
            },
        ],
    )
    found, steps = pipes.run(name, {"Depth": "7", "Approval": "Approved"})
    assert found["PipelineExecutionStatus"] == "Succeeded", steps
    assert list(steps) == ["Prepare", "Train", "Evaluate", "Check", "Register"]
    train_arn = steps["Train"]["Metadata"]["TrainingJob"]["Arn"]
    job = pipes.sm.describe_training_job(TrainingJobName=train_arn.split("/")[1])
    assert job["HyperParameters"] == {"depth": "7", "eta": "0.2", "fast": "true"}
    assert job["InputDataConfig"][1]["DataSource"]["S3DataSource"]["S3Uri"].startswith(split)
    execution = found["PipelineExecutionArn"].rsplit("/", 1)[1]
    assert job["TrainingJobName"].startswith(f"pipelines-{execution}-Train-")
    arn = steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    version = pipes.sm.describe_model_package(ModelPackageName=arn)
    assert version["ModelApprovalStatus"] == "Approved"
    assert version["MetadataProperties"] == {"CommitId": "abc", "GeneratedBy": found["PipelineExecutionArn"]}
    parameters = pipes.sm.list_pipeline_parameters_for_execution(
        PipelineExecutionArn=found["PipelineExecutionArn"]
    )["PipelineParameters"]
    assert {p["Name"]: p["Value"] for p in parameters} == {
        "Depth": "7",
        "Fast": "true",
        "Error": "4.5",
        "Most": "6.0",
        "Approval": "Approved",
    }

    found, steps = pipes.run(name, {"Error": "7.25"})
    assert found["PipelineExecutionStatus"] == "Failed"
    assert found["FailureReason"] == "the error is 7.25 above 6.0"
    assert steps["TooHigh"]["FailureReason"] == "the error is 7.25 above 6.0"
    assert "Register" not in steps


def test_a_failed_step_ends_what_depends_on_it_while_the_rest_goes_on(pipes):
    name = pipes.create(
        pipes.processing("Broken", "raise ValueError('no such column')"),
        always("Behind", DependsOn=["Broken"]),
        pipes.processing("Other", "print('fine')"),
        always("BehindOther", DependsOn=["Other"]),
    )
    found, steps = pipes.run(name)
    assert found["PipelineExecutionStatus"] == "Failed"
    assert found["FailureReason"] == "Step failure: One or multiple steps failed."
    assert {n: s["StepStatus"] for n, s in steps.items()} == {
        "Broken": "Failed",
        "Other": "Succeeded",
        "BehindOther": "Succeeded",
    }
    assert "ValueError: no such column" in steps["Broken"]["FailureReason"]


def test_a_step_may_wait_for_a_failure(pipes):
    name = pipes.create(
        pipes.processing("Broken", "raise SystemExit(1)"),
        always("Notify", DependsOn=[{"Step": "Broken", "Trigger": "Failed"}]),
        always("Never", DependsOn=["Broken"]),
    )
    found, steps = pipes.run(name)
    assert found["PipelineExecutionStatus"] == "CompletedWithFailures"
    assert set(steps) == {"Broken", "Notify"}


def test_a_request_that_sagemaker_refuses_fails_the_step_with_its_words(pipes):
    step = pipes.training("Train", "")
    step["Arguments"]["InputDataConfig"][0]["InputMode"] = "Pipe"
    found, steps = pipes.run(pipes.create(step))
    assert found["PipelineExecutionStatus"] == "Failed"
    assert steps["Train"]["FailureReason"].startswith(
        "ClientError: Failed to invoke sagemaker:CreateTrainingJob. Error Details: Channel code: input mode Pipe"
    )


def test_conditions_nested_and_of_every_kind(pipes):
    number, word, yes = get("Parameters.N"), get("Parameters.W"), get("Parameters.B")
    every = [
        compare("Equals", number, 3),
        compare("GreaterThan", number, 2.5),
        compare("GreaterThanOrEqualTo", number, 3),
        compare("LessThan", number, 4),
        compare("LessThanOrEqualTo", "3", number),
        compare("Equals", yes, True),
        compare("NotEquals", word, "green"),
        {"Type": "NotIn", "Value": number, "In": [1, 2]},
        {"Type": "In", "QueryValue": word, "Values": ["red", "blue"]},
        {"Type": "Not", "Condition": compare("Equals", word, "green")},
        {"Type": "Or", "Conditions": [compare("Equals", 1, 2), compare("Equals", word, "red")]},
    ]
    inner = check("Inner", {"Type": "Not", "Condition": every[0]}, then=[fail("A")], other=[always("B")])
    name = pipes.create(
        check("Outer", *every, then=[inner], other=[fail("C")]),
        always("AfterB", DependsOn=["B"]),
        always("AfterA", DependsOn=["A"]),
        parameters=[
            {"Name": "N", "Type": "Integer", "DefaultValue": 3},
            {"Name": "W", "Type": "String", "DefaultValue": "red"},
            {"Name": "B", "Type": "Boolean", "DefaultValue": True},
        ],
    )
    found, steps = pipes.run(name)
    assert found["PipelineExecutionStatus"] == "Succeeded"
    assert list(steps) == ["Outer", "Inner", "B", "AfterB"]
    assert steps["Inner"]["Metadata"]["Condition"]["Outcome"] == "False"
    for values in ({"N": "4"}, {"W": "green"}, {"B": "false"}, {"W": "blue"}):
        found, steps = pipes.run(name, values)
        assert found["PipelineExecutionStatus"] == "Failed" and set(steps) == {"Outer", "C"}


def test_a_value_that_is_missing_in_a_property_file_fails_the_step(pipes):
    evaluate = pipes.processing(
        "Evaluate", WRITE, outputs=[pipes.out("out")], arguments=["1"], PropertyFiles=REPORT
    )
    wrong = {"Std:JsonGet": {**MSE["Std:JsonGet"], "Path": "regression_metrics.rmse.value"}}
    found, steps = pipes.run(pipes.create(evaluate, check("Check", compare("LessThan", wrong, 1))))
    assert found["PipelineExecutionStatus"] == "Failed"
    assert "'regression_metrics.rmse' is not there" in steps["Check"]["FailureReason"]


def test_execution_variables(pipes):
    names = ("PipelineName", "PipelineArn", "PipelineExecutionId", "PipelineExecutionArn", "StartDateTime")
    values = [get(f"Execution.{name}") for name in names]
    name = pipes.create(
        fail("Tell", {"Std:Join": {"On": " ", "Values": [*values, get("Execution.CurrentDateTime")]}})
    )
    found, steps = pipes.run(name)
    arn = found["PipelineExecutionArn"]
    said = steps["Tell"]["Metadata"]["Fail"]["ErrorMessage"].split()
    assert said[:4] == [name, found["PipelineArn"], arn.rsplit("/", 1)[1], arn]
    begun = found["CreationTime"].astimezone(tz=None)
    assert said[4].endswith("Z") and said[4] <= said[5] and len(said[4]) == len("2026-01-01T00:00:00.000Z")
    assert abs(begun - steps["Tell"]["StartTime"]) < timedelta(seconds=5)


@pytest.mark.slow
def test_parallel_steps_up_to_the_limit(pipes):
    code = "import time; time.sleep(0.2)"
    steps = [pipes.processing(f"S{i}", code) for i in range(2)]
    name = pipes.create(*steps)
    arn = pipes.start(name, ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
    assert pipes.wait(arn)["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 1}
    times = sorted((s["StartTime"], s["EndTime"]) for s in pipes.steps(arn).values())
    assert all(end <= begin for (_, end), (begin, _) in zip(times, times[1:], strict=False))


SLEEP = "import time\nprint('begun', flush=True)\ntime.sleep(60)"


def wait_for_step(pipes, arn, name, status="Executing"):
    deadline = time.monotonic() + 20
    while pipes.steps(arn).get(name, {}).get("StepStatus") != status:
        assert time.monotonic() < deadline, pipes.steps(arn)
        time.sleep(0.02)


def test_stop_ends_the_running_jobs_and_begins_nothing(pipes):
    name = pipes.create(pipes.training("Long", SLEEP), always("Behind", DependsOn=["Long"]))
    arn = pipes.start(name)
    wait_for_step(pipes, arn, "Long")
    pipes.sm.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert pipes.describe(arn)["PipelineExecutionStatus"] in ("Stopping", "Stopped")
    assert pipes.wait(arn)["PipelineExecutionStatus"] == "Stopped"
    steps = pipes.steps(arn)
    assert {n: s["StepStatus"] for n, s in steps.items()} == {"Long": "Stopped"}
    job = steps["Long"]["Metadata"]["TrainingJob"]["Arn"].split("/")[1]
    assert pipes.sm.describe_training_job(TrainingJobName=job)["TrainingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="is in status Stopped and cannot be stopped"):
        pipes.sm.stop_pipeline_execution(PipelineExecutionArn=arn)


def test_update_of_a_running_execution(pipes):
    name = pipes.create(pipes.training("Long", SLEEP), pipes.training("Other", "print('fine')"))
    arn = pipes.start(name, ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
    wait_for_step(pipes, arn, "Long")
    assert set(pipes.steps(arn)) == {"Long"}
    pipes.sm.update_pipeline_execution(
        PipelineExecutionArn=arn,
        PipelineExecutionDisplayName="second",
        PipelineExecutionDescription="two at a time",
        ParallelismConfiguration={"MaxParallelExecutionSteps": 2},
    )
    wait_for_step(pipes, arn, "Other", "Succeeded")
    found = pipes.describe(arn)
    assert found["PipelineExecutionDisplayName"] == "second"
    assert found["PipelineExecutionDescription"] == "two at a time"
    assert found["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 2}
    pipes.sm.stop_pipeline_execution(PipelineExecutionArn=arn)
    pipes.wait(arn)


def test_retry_runs_only_what_did_not_succeed(pipes):
    key = f"retry/{uuid.uuid4().hex}"
    uri = f"s3://{pipes.bucket}/{key}"
    first = pipes.processing("First", "print('fine')")
    needs = pipes.processing(
        "Needs", "print('there')", inputs=[pipes.jobs.s3_input("data", uri, "/opt/ml/processing/data")]
    )
    name = pipes.create(first, {**needs, "DependsOn": ["First"]}, always("Last", DependsOn=["Needs"]))
    found, steps = pipes.run(name)
    arn = found["PipelineExecutionArn"]
    assert (
        found["PipelineExecutionStatus"] == "Failed"
        and "No S3 objects found" in steps["Needs"]["FailureReason"]
    )
    pipes.aws.s3.put_object(Bucket=pipes.bucket, Key=f"{key}/x", Body=b"1")
    assert pipes.sm.retry_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionArn"] == arn
    assert pipes.wait(arn)["PipelineExecutionStatus"] == "Succeeded"
    again = pipes.steps(arn)
    assert again["First"] == steps["First"]
    assert (
        again["Needs"]["Metadata"] != steps["Needs"]["Metadata"]
        and again["Last"]["StepStatus"] == "Succeeded"
    )
    with pytest.raises(ClientError, match="only a Failed or Stopped execution can be retried"):
        pipes.sm.retry_pipeline_execution(PipelineExecutionArn=arn)


def test_caching_takes_the_result_of_an_equal_step(pipes):
    cache = {"Enabled": True, "ExpireAfter": "PT1H"}
    data = pipes.jobs.s3_input("data", f"s3://{pipes.bucket}/code", "/opt/ml/processing/data")
    step = pipes.processing(
        "Evaluate",
        WRITE,
        outputs=[pipes.out("out")],
        arguments=[get("Parameters.E")],
        inputs=[data],
        PropertyFiles=REPORT,
        CacheConfig=cache,
    )
    name = pipes.create(
        step,
        fail("Tell", {"Std:Join": {"On": "", "Values": ["mse ", MSE]}}),
        parameters=[{"Name": "E", "Type": "String", "DefaultValue": "1.5"}],
    )
    first, steps = pipes.run(name)
    second, hit = pipes.run(name)
    assert hit["Evaluate"]["CacheHitResult"] == {"SourcePipelineExecutionArn": first["PipelineExecutionArn"]}
    assert hit["Evaluate"]["Metadata"] == steps["Evaluate"]["Metadata"]
    assert hit["Tell"]["FailureReason"] == "mse 1.5"
    _, other = pipes.run(name, {"E": "2.5"})
    assert "CacheHitResult" not in other["Evaluate"] and other["Tell"]["FailureReason"] == "mse 2.5"
    _, third = pipes.run(name)  # a hit is never a source itself
    assert third["Evaluate"]["CacheHitResult"] == {
        "SourcePipelineExecutionArn": first["PipelineExecutionArn"]
    }


def test_selective_execution_takes_the_rest_from_an_earlier_one(pipes):
    evaluate = pipes.processing(
        "Evaluate", WRITE, outputs=[pipes.out("out")], arguments=["1.25"], PropertyFiles=REPORT
    )
    tell = fail("Tell", {"Std:Join": {"On": "", "Values": ["mse ", MSE, " run ", get("Parameters.Run")]}})
    name = pipes.create(
        evaluate,
        check("Check", compare("LessThan", MSE, 2), then=[tell]),
        always("Last", DependsOn=["Check"]),
        parameters=[{"Name": "Run", "Type": "Integer", "DefaultValue": 1}],
    )
    first, steps = pipes.run(name)
    config = {
        "SourcePipelineExecutionArn": first["PipelineExecutionArn"],
        "SelectedSteps": [{"StepName": "Check"}, {"StepName": "Tell"}],
    }
    found, again = pipes.run(name, {"Run": "2"}, SelectiveExecutionConfig=config)
    assert found["FailureReason"] == "mse 1.25 run 2" and found["SelectiveExecutionConfig"] == config
    assert set(again) == {"Evaluate", "Check", "Tell"}
    source = {"SourcePipelineExecutionArn": first["PipelineExecutionArn"]}
    assert again["Evaluate"]["SelectiveExecutionResult"] == source
    assert again["Evaluate"]["Metadata"] == steps["Evaluate"]["Metadata"]

    def refused(*names, **more):
        chosen = {"SelectedSteps": [{"StepName": n} for n in names], **more}
        with pytest.raises(ClientError) as error:
            pipes.start(name, SelectiveExecutionConfig=chosen)
        return error.value.response["Error"]["Message"]

    assert refused("Check") == (
        "Invalid SourcePipelineExecutionArn: null. The selected steps ['Check'] have dependencies on ['Evaluate']."
    )
    assert "the pipeline has no steps ['Nobody']" in refused("Nobody")
    assert "['Check'] lie on a path between" in refused("Evaluate", "Last")
    assert "are not connected" in refused("Tell", "Last")
    assert "is no execution of this pipeline" in refused(
        "Check", SourcePipelineExecutionArn=first["PipelineExecutionArn"][:-3] + "xyz"
    )


@pytest.mark.slow
def test_a_lambda_step_and_its_output(pipes):
    import io
    import zipfile

    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("code.py", "def run(event, context):\n    return {'sum': event['a'] + event['b']}\n")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    role = pipes.aws.iam.create_role(
        RoleName=f"r-{uuid.uuid4().hex[:8]}",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    arn = pipes.aws.__getattr__("lambda").create_function(
        FunctionName=f"f-{uuid.uuid4().hex[:8]}",
        Runtime="python3.12",
        Role=role,
        Handler="code.run",
        Code={"ZipFile": data.getvalue()},
    )["FunctionArn"]
    step = {
        "Name": "Add",
        "Type": "Lambda",
        "FunctionArn": arn,
        "Arguments": {"a": get("Parameters.A"), "b": 2},
        "OutputParameters": [{"OutputName": "sum", "OutputType": "Integer"}],
    }
    name = pipes.create(
        step,
        check("Check", compare("Equals", get("Steps.Add.OutputParameters['sum']"), 5)),
        parameters=[{"Name": "A", "Type": "Integer", "DefaultValue": 3}],
    )
    _, steps = pipes.run(name)
    assert steps["Add"]["Metadata"]["Lambda"] == {
        "Arn": arn,
        "OutputParameters": [{"Name": "sum", "Value": "5"}],
    }
    assert steps["Check"]["Metadata"]["Condition"]["Outcome"] == "True"
    broken = pipes.create({**step, "Arguments": {"a": 1}})
    found, steps = pipes.run(broken)
    assert found["PipelineExecutionStatus"] == "Failed" and "'b'" in steps["Add"]["FailureReason"]
    lacking = pipes.create(
        {**step, "Arguments": {"a": 1, "b": 1}, "OutputParameters": [{"OutputName": "product"}]}
    )
    _, steps = pipes.run(lacking)
    assert "lacks the output parameter 'product'" in steps["Add"]["FailureReason"]


def callback(name, url, *outputs, **arguments):
    declared = [{"OutputName": name, "OutputType": kind} for name, kind in outputs]
    return {
        "Name": name,
        "Type": "Callback",
        "SqsQueueUrl": url,
        "Arguments": arguments,
        "OutputParameters": declared,
    }


def next_message(pipes, url):
    deadline = time.monotonic() + 20
    while not (found := pipes.aws.sqs.receive_message(QueueUrl=url).get("Messages")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pipes.aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=found[0]["ReceiptHandle"])
    return json.loads(found[0]["Body"])


def test_a_callback_step_waits_for_its_answer(pipes):
    url = pipes.aws.sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    step = callback("Ask", url, ("rows", "Integer"), run=get("Execution.PipelineExecutionId"))
    rows = {"Std:Join": {"On": " ", "Values": ["rows", get("Steps.Ask.OutputParameters['rows']")]}}
    arn = pipes.start(pipes.create(step, fail("Tell", rows)))
    message = next_message(pipes, url)
    assert message["arguments"] == {"run": arn.rsplit("/", 1)[1]} and message["pipelineExecutionArn"] == arn
    answer = {"CallbackToken": message["token"], "OutputParameters": [{"Name": "rows", "Value": "many"}]}
    with pytest.raises(ClientError, match="'rows' must be of the type Integer, but is 'many'"):
        pipes.sm.send_pipeline_execution_step_success(**answer)
    with pytest.raises(ClientError, match="are missing"):
        pipes.sm.send_pipeline_execution_step_success(CallbackToken=message["token"])
    answer["OutputParameters"][0]["Value"] = "12"
    assert pipes.sm.send_pipeline_execution_step_success(**answer)["PipelineExecutionArn"] == arn
    assert pipes.wait(arn)["FailureReason"] == "rows 12"
    told = pipes.steps(arn)["Ask"]["Metadata"]["Callback"]
    assert told["OutputParameters"] == [{"Name": "rows", "Value": "12"}] and told["SqsQueueUrl"] == url
    with pytest.raises(ClientError, match="No step waits for the callback token"):
        pipes.sm.send_pipeline_execution_step_success(**answer)


def test_a_callback_step_fails_or_is_told_to_stop(pipes):
    url = pipes.aws.sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    name = pipes.create(callback("Ask", url))
    arn = pipes.start(name)
    token = next_message(pipes, url)["token"]
    pipes.sm.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason="nobody was there")
    assert pipes.wait(arn)["PipelineExecutionStatus"] == "Failed"
    assert pipes.steps(arn)["Ask"]["FailureReason"] == "nobody was there"
    arn = pipes.start(name)
    token = next_message(pipes, url)["token"]
    pipes.sm.stop_pipeline_execution(PipelineExecutionArn=arn)
    message = next_message(pipes, url)
    assert (message["token"], message["status"]) == (token, "Stopping")
    assert pipes.describe(arn)["PipelineExecutionStatus"] == "Stopping"
    pipes.sm.send_pipeline_execution_step_success(CallbackToken=token)
    assert pipes.wait(arn)["PipelineExecutionStatus"] == "Stopped"
