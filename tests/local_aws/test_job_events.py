"""The events of jobs on EventBridge, as a rule's queue receives them."""

import json
import time
import uuid

import pytest


@pytest.fixture
def events(aws):
    """`events(detail_type, name, until)`: what a rule for that job was sent, up to the first event that is final."""
    made = []

    def subscribe(detail_type, member, name):
        mark = f"jobs-{uuid.uuid4().hex[:8]}"
        queue = aws.sqs.create_queue(QueueName=mark)["QueueUrl"]
        arn = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        pattern = {"source": ["aws.sagemaker"], "detail-type": [detail_type], "detail": {member: [name]}}
        aws.events.put_rule(Name=mark, EventPattern=json.dumps(pattern))
        aws.events.put_targets(Rule=mark, Targets=[{"Id": "q", "Arn": arn}])
        made.append((mark, queue))

        def received(final, seconds=30):
            found, deadline = [], time.monotonic() + seconds
            while not any(final(event["detail"]) for event in found):
                assert time.monotonic() < deadline, found
                answer = aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=0)
                for message in answer.get("Messages", []):
                    found.append(json.loads(message["Body"]))
                    aws.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                time.sleep(0.05)
            return found

        return received

    yield subscribe
    for mark, queue in made:
        aws.events.remove_targets(Rule=mark, Ids=["q"])
        aws.events.delete_rule(Name=mark)
        aws.sqs.delete_queue(QueueUrl=queue)


def test_training_job_state_change(aws, jobs, events):
    request = jobs.training_request("print('hi')", Tags=[{"Key": "team", "Value": "a"}])
    name = request["TrainingJobName"]
    received = events("SageMaker Training Job State Change", "TrainingJobName", name)
    before = int(time.time() * 1000)
    aws.sagemaker.create_training_job(**request)
    found = received(lambda detail: detail["TrainingJobStatus"] == "Completed")
    states = [(e["detail"]["TrainingJobStatus"], e["detail"]["SecondaryStatus"]) for e in found]
    assert states == [
        ("InProgress", "Starting"),
        ("InProgress", "Downloading"),
        ("InProgress", "Training"),
        ("InProgress", "Uploading"),
        ("Completed", "Completed"),
    ]
    last = found[-1]
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}"
    assert (last["resources"], last["account"], last["region"]) == ([arn], "123456789012", "us-east-1")
    detail = last["detail"]
    assert detail["TrainingJobArn"] == arn
    assert detail["Tags"] == {"team": "a"}
    assert before - 1000 <= detail["CreationTime"] <= detail["TrainingStartTime"] <= detail["TrainingEndTime"]
    assert detail["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")


@pytest.mark.slow
def test_processing_job_state_change_of_a_failure(aws, jobs, events):
    request = jobs.processing_request("raise ValueError('no rows')")
    received = events(
        "SageMaker Processing Job State Change", "ProcessingJobName", request["ProcessingJobName"]
    )
    aws.sagemaker.create_processing_job(**request)
    found = received(lambda detail: detail["ProcessingJobStatus"] == "Failed")
    assert [e["detail"]["ProcessingJobStatus"] for e in found] == ["InProgress", "Failed"]
    assert "ValueError: no rows" in found[-1]["detail"]["FailureReason"]
