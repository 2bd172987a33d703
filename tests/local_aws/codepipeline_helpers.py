"""Makes pipelines for the tests, and waits for what they do."""

import io
import json
import uuid
import zipfile

from waiting import until

ENDED = ("Succeeded", "Failed", "Superseded", "Stopped", "Cancelled")


def zipped(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)
    return data.getvalue()


def action(name, category, provider, *, configuration=None, inputs=(), outputs=(), owner="AWS", **more):
    return {
        "name": name,
        "actionTypeId": {"category": category, "owner": owner, "provider": provider, "version": "1"},
        "configuration": configuration or {},
        "inputArtifacts": [{"name": one} for one in inputs],
        "outputArtifacts": [{"name": one} for one in outputs],
        **more,
    }


def approval(name="Approve", **more):
    return action(name, "Approval", "Manual", **more)


def make_role(aws, name, principal):
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}],
    }
    return aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]


class Pipelines:
    """One test's pipelines: their role, artifact bucket and a versioned source bucket."""

    def __init__(self, aws):
        self.aws, self.api = aws, aws.codepipeline
        self.name = f"pipe-{uuid.uuid4().hex[:10]}"
        self.role = make_role(aws, self.name, {"Service": "codepipeline.amazonaws.com"})
        self.artifacts, self.sources = f"{self.name}-artifacts", f"{self.name}-sources"
        aws.s3.create_bucket(Bucket=self.artifacts)
        aws.s3.create_bucket(Bucket=self.sources)
        aws.s3.put_bucket_versioning(Bucket=self.sources, VersioningConfiguration={"Status": "Enabled"})

    def put_source(self, **files):
        data = zipped(**(files or {"readme.txt": "hello"}))
        return self.aws.s3.put_object(Bucket=self.sources, Key="source.zip", Body=data)["VersionId"]

    def source(self, **more):
        given = {"S3Bucket": self.sources, "S3ObjectKey": "source.zip", "PollForSourceChanges": "false"}
        return action("Source", "Source", "S3", configuration=given, outputs=["Src"], **more)

    def deploy(self, name="Deploy", *, inputs=("Src",), **more):
        given = {"BucketName": self.artifacts, "ObjectKey": f"out/{name}", "Extract": "true"}
        return action(name, "Deploy", "S3", configuration=given, inputs=inputs, **more)

    def declaration(self, *stages, **more):
        """Each of `stages` is a list of actions; they are called Stage0, Stage1 …"""
        return {
            "name": self.name,
            "roleArn": self.role,
            "artifactStore": {"type": "S3", "location": self.artifacts},
            "stages": [{"name": f"Stage{i}", "actions": actions} for i, actions in enumerate(stages)],
            **more,
        }

    def create(self, *stages, **more):
        """Create it; the id of the execution that the creation started."""
        self.api.create_pipeline(pipeline=self.declaration(*stages, **more))
        return self.executions()[0]["pipelineExecutionId"]

    def start(self, **more):
        return self.api.start_pipeline_execution(name=self.name, **more)["pipelineExecutionId"]

    def start_on_commits(self, repository, branch="main"):
        """A rule that starts the pipeline after each push to the branch."""
        pattern = {
            "source": ["aws.codecommit"],
            "detail-type": ["CodeCommit Repository State Change"],
            "resources": [f"arn:aws:codecommit:us-east-1:123456789012:{repository}"],
            "detail": {"referenceType": ["branch"], "referenceName": [branch]},
        }
        self.aws.events.put_rule(Name=self.name, EventPattern=json.dumps(pattern))
        arn = f"arn:aws:codepipeline:us-east-1:123456789012:{self.name}"
        self.aws.events.put_targets(Rule=self.name, Targets=[{"Id": "1", "Arn": arn, "RoleArn": self.role}])

    def executions(self):
        """Newest first."""
        pages = self.api.get_paginator("list_pipeline_executions").paginate(pipelineName=self.name)
        return [one for page in pages for one in page["pipelineExecutionSummaries"]]

    def execution(self, wanted):
        answer = self.api.get_pipeline_execution(pipelineName=self.name, pipelineExecutionId=wanted)
        return answer["pipelineExecution"]

    def wait(self, wanted, *statuses, seconds=20):
        """The execution when it has one of the statuses (at an end, when none is given)."""
        found = {}

        def there():
            found.update(self.execution(wanted))
            return found["status"] in (statuses or ENDED)

        until(there, seconds)
        return found

    def stage(self, name):
        state = self.api.get_pipeline_state(name=self.name)
        return next(stage for stage in state["stageStates"] if stage["stageName"] == name)

    def action_state(self, stage, name):
        found = [one for one in self.stage(stage)["actionStates"] if one["actionName"] == name]
        return found[0].get("latestExecution", {})

    def token(self, stage, name="Approve"):
        """The token of an approval, as soon as it waits."""
        return until(lambda: self.action_state(stage, name).get("token"))

    def approve(self, stage, status="Approved", summary="looks good", name="Approve"):
        self.api.put_approval_result(
            pipelineName=self.name,
            stageName=stage,
            actionName=name,
            token=self.token(stage, name),
            result={"status": status, "summary": summary},
        )

    def runs(self, wanted=None):
        more = {"filter": {"pipelineExecutionId": wanted}} if wanted else {}
        answer = self.api.list_action_executions(pipelineName=self.name, **more)
        return answer["actionExecutionDetails"]
