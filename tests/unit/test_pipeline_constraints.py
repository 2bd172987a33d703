"""Requests that break a constraint of the service model."""

import pytest
from moto.sagemaker.exceptions import ValidationError

from local_aws.services.pipelines.constraints import check

TOKEN = "t" * 32


@pytest.mark.parametrize(
    ("operation", "request_", "said"),
    [
        (
            "DescribePipeline",
            {},
            "Value null at 'pipelineName' failed to satisfy constraint: Member must not be null",
        ),
        ("DescribePipeline", {"PipelineName": 5}, "Value '5' at 'pipelineName'"),
        ("ListPipelines", {"MaxResults": 0}, "Member must have value greater than or equal to 1"),
        ("ListPipelines", {"MaxResults": 101}, "Member must have value less than or equal to 100"),
        ("ListPipelines", {"MaxResults": True}, "Member must be a whole number"),
        ("ListPipelines", {"SortBy": "Color"}, "Member must satisfy enum value set: [Name, CreationTime]"),
        (
            "StartPipelineExecution",
            {"PipelineName": "p", "ClientRequestToken": TOKEN, "ParallelismConfiguration": {}},
            "Value null at 'parallelismConfiguration.maxParallelExecutionSteps'",
        ),
        (
            "StartPipelineExecution",
            {
                "PipelineName": "p",
                "ClientRequestToken": TOKEN,
                "PipelineParameters": [{"Name": "a", "Value": "x" * 1025}],
            },
            "Value at 'pipelineParameters.1.member.value' failed",
        ),
        (
            "StartPipelineExecution",
            {"PipelineName": "p", "ClientRequestToken": TOKEN, "PipelineExecutionDisplayName": "my run"},
            "Value 'my run' at 'pipelineExecutionDisplayName' failed to satisfy constraint: Member must satisfy "
            "regular expression pattern: ",
        ),
    ],
)
def test_what_is_refused(operation, request_, said):
    with pytest.raises(ValidationError) as refused:
        check(operation, request_)
    assert said in str(refused.value)


def test_what_passes():
    tags = [{"Key": "team", "Value": "nlp"}]  # a pattern that Python does not read
    check(
        "CreatePipeline",
        {
            "PipelineName": "a-1",
            "RoleArn": "arn:aws:iam::123456789012:role/lab-execution",
            "ClientRequestToken": TOKEN,
            "PipelineDefinition": "x" * 2_000_000,  # its own error says more
            "Tags": tags,
        },
    )
