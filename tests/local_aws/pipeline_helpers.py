"""Pipelines out of a few lines of Python, run and awaited; short forms of steps without jobs."""

import json
import time
import uuid

from servers import ROLE

FINAL = ("Succeeded", "Failed", "Stopped", "CompletedWithFailures")


class Pipelines:
    """Creates pipelines out of steps, runs and awaits them."""

    def __init__(self, aws, bucket, jobs):
        self.aws, self.sm, self.bucket, self.jobs = aws, aws.sagemaker, bucket, jobs

    def create(self, *steps, parameters=(), **more):
        name = f"p-{uuid.uuid4().hex[:10]}"
        definition = {"Version": "2020-12-01", "Parameters": list(parameters), "Steps": list(steps)}
        self.sm.create_pipeline(
            PipelineName=name, PipelineDefinition=json.dumps(definition), RoleArn=ROLE, **more
        )
        return name

    def start(self, name, values=(), **more):
        parameters = [{"Name": k, "Value": v} for k, v in dict(values).items()]
        if parameters:
            more["PipelineParameters"] = parameters
        return self.sm.start_pipeline_execution(PipelineName=name, **more)["PipelineExecutionArn"]

    def wait(self, arn, until=FINAL, seconds=40):
        deadline = time.monotonic() + seconds
        while (found := self.describe(arn))["PipelineExecutionStatus"] not in until:
            assert time.monotonic() < deadline, self.steps(arn)
            time.sleep(0.02)
        return found

    def describe(self, arn):
        return self.sm.describe_pipeline_execution(PipelineExecutionArn=arn)

    def steps(self, arn):
        answer = self.sm.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
        return {step["StepName"]: step for step in answer["PipelineExecutionSteps"]}

    def run(self, name, values=(), **more):
        """(Describe answer, steps) at the end."""
        arn = self.start(name, values, **more)
        return self.wait(arn), self.steps(arn)

    # -- steps
    def processing(self, name, code, outputs=(), inputs=(), arguments=(), **more):
        request = self.jobs.processing_request(code, outputs=outputs, inputs=inputs, arguments=arguments)
        del request["ProcessingJobName"]
        return {"Name": name, "Type": "Processing", "Arguments": request, **more}

    def training(self, name, code, hyperparameters=None, metrics=(), channels=(), **more):
        request = self.jobs.training_request(code, metrics=metrics, channels=channels)
        del request["TrainingJobName"]
        if hyperparameters:
            request["HyperParameters"] = hyperparameters
        return {"Name": name, "Type": "Training", "Arguments": request, **more}

    def out(self, name):
        uri = f"s3://{self.bucket}/pipes/{uuid.uuid4().hex}"
        return self.jobs.s3_output(name, uri, "/opt/ml/processing/out")


def fail(name, message="no", **more):
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **more}


def check(name, *conditions, then=(), other=(), **more):
    arguments = {"Conditions": list(conditions), "IfSteps": list(then), "ElseSteps": list(other)}
    return {"Name": name, "Type": "Condition", "Arguments": arguments, **more}


def compare(kind, left, right):
    return {"Type": kind, "LeftValue": left, "RightValue": right}


def get(text):
    return {"Get": text}


def always(name, **more):
    return check(name, compare("Equals", 1, 1), **more)
