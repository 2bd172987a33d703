"""The values that a step's expressions stand for, in one execution."""

import json
from datetime import UTC, datetime
from typing import Any

from local_aws.server.s3access import NoSuchObject, S3Access, split_uri
from local_aws.services.pipelines.definition import Definition
from local_aws.services.pipelines.expressions import ExpressionError, resolve
from local_aws.services.pipelines.paths import PathError, look_up
from local_aws.services.pipelines.records import Execution


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ExecutionValues:
    """`expressions.Values` of one step. `job_name`: the name that the step's job is going to have."""

    def __init__(self, s3: S3Access, execution: Execution, definition: Definition, job_name: str = ""):
        self._s3, self._execution, self._definition = s3, execution, definition
        self._job_name = job_name

    def parameter(self, name: str) -> Any:
        return self._execution.values[name]

    def execution(self, name: str) -> str:
        run = self._execution
        if name in ("TrainingJobName", "ProcessingJobName"):
            if not self._job_name:
                raise ExpressionError(f"Execution.{name} has a value only in a step that runs such a job")
            return self._job_name
        return {
            "StartDateTime": _iso(run.created),
            "CurrentDateTime": _iso(datetime.now(UTC).timestamp()),
            "PipelineName": run.pipeline,
            "PipelineArn": run.pipeline_arn,
            "PipelineExecutionId": run.id,
            "PipelineExecutionArn": run.arn,
        }[name]

    def experiment(self, name: str) -> Any:
        return resolve(self._definition.experiment[name], self)

    def properties(self, step: str) -> dict[str, Any]:
        record = self._execution.steps.get(step)
        if record is None:
            raise ExpressionError(f"The step {step} did not run: it has no properties")
        return record.properties

    def property_file(self, step: str, name: str) -> Any:
        raw = self._definition.steps[step].raw
        file = next(f for f in raw["PropertyFiles"] if f["PropertyFileName"] == name)
        path = f"ProcessingOutputConfig.Outputs['{file['OutputName']}'].S3Output.S3Uri"
        try:
            folder = look_up(self.properties(step), path)
        except PathError as error:
            raise ExpressionError(
                f"The property file {name} of step {step} has no place in S3: {error}"
            ) from None
        return self.json_object(f"{folder.rstrip('/')}/{file['FilePath'].lstrip('/')}")

    def json_object(self, uri: str) -> Any:
        try:
            data = self._s3.get(*split_uri(uri))
        except (NoSuchObject, ValueError) as error:
            raise ExpressionError(f"JsonGet cannot read {uri}: {error}") from None
        try:
            return json.loads(data)
        except ValueError as error:
            raise ExpressionError(f"JsonGet cannot read {uri}: it is not valid JSON ({error})") from None
