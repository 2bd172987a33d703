"""The action types of CodePipeline: which there are, what each takes, and which run here.

Source: CodePipeline user guide, "Action structure reference" and "Valid action providers", "Number of input and
output artifacts for each action type".
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ActionType:
    """`inputs`, `outputs`: fewest and most artifacts. `required`, `optional`: names of configuration keys, None
    when they are not checked here. `runs`: local_aws executes it."""

    inputs: tuple[int, int]
    outputs: tuple[int, int]
    required: frozenset[str] = frozenset()
    optional: frozenset[str] | None = None
    runs: bool = False


def _runs(inputs: tuple[int, int], outputs: tuple[int, int], required: str, optional: str) -> ActionType:
    return ActionType(inputs, outputs, frozenset(required.split()), frozenset(optional.split()), runs=True)


# by (category, owner, provider)
TYPES: dict[tuple[str, str, str], ActionType] = {
    ("Source", "AWS", "CodeCommit"): _runs(
        (0, 0), (1, 1), "RepositoryName BranchName", "PollForSourceChanges OutputArtifactFormat"
    ),
    ("Source", "AWS", "S3"): _runs(
        (0, 0), (1, 1), "S3Bucket S3ObjectKey", "PollForSourceChanges AllowOverrideForS3ObjectKey"
    ),
    ("Source", "AWS", "CodeStarSourceConnection"): ActionType((0, 0), (1, 1)),
    ("Source", "AWS", "ECR"): ActionType((0, 0), (1, 1)),
    ("Source", "ThirdParty", "GitHub"): ActionType((0, 0), (1, 1)),
    ("Build", "AWS", "CodeBuild"): _runs(
        (1, 5), (0, 5), "ProjectName", "PrimarySource EnvironmentVariables BatchEnabled CombineArtifacts"
    ),
    ("Test", "AWS", "CodeBuild"): _runs(
        (1, 5), (0, 5), "ProjectName", "PrimarySource EnvironmentVariables BatchEnabled CombineArtifacts"
    ),
    ("Test", "AWS", "DeviceFarm"): ActionType((1, 1), (0, 0)),
    ("Approval", "AWS", "Manual"): _runs((0, 0), (0, 0), "", "NotificationArn CustomData ExternalEntityLink"),
    ("Deploy", "AWS", "S3"): _runs(
        (1, 1), (0, 0), "BucketName Extract", "ObjectKey CannedACL CacheControl KMSEncryptionKeyARN"
    ),
    ("Deploy", "AWS", "CloudFormation"): ActionType((0, 10), (0, 1)),
    ("Deploy", "AWS", "CloudFormationStackSet"): ActionType((1, 10), (0, 1)),
    ("Deploy", "AWS", "CloudFormationStackInstances"): ActionType((0, 10), (0, 1)),
    ("Deploy", "AWS", "CodeDeploy"): ActionType((1, 1), (0, 0)),
    ("Deploy", "AWS", "ECS"): ActionType((1, 1), (0, 0)),
    ("Deploy", "AWS", "CodeDeployToECS"): ActionType((1, 5), (0, 0)),
    ("Deploy", "AWS", "ElasticBeanstalk"): ActionType((1, 1), (0, 0)),
    ("Deploy", "AWS", "ServiceCatalog"): ActionType((1, 1), (0, 0)),
    ("Deploy", "AWS", "AppConfig"): ActionType((1, 1), (0, 0)),
    ("Invoke", "AWS", "Lambda"): _runs((0, 5), (0, 5), "FunctionName", "UserParameters"),
    ("Invoke", "AWS", "StepFunctions"): ActionType((0, 1), (0, 1)),
    ("Invoke", "AWS", "CodePipeline"): ActionType((0, 5), (0, 5)),
    ("Compute", "AWS", "Commands"): ActionType((1, 10), (0, 1)),
}


def type_of(action: dict) -> ActionType | None:
    """The type of an action declaration, None when CodePipeline has none such."""
    wanted = action["actionTypeId"]
    if wanted.get("version") != "1":
        return None
    return TYPES.get((wanted.get("category"), wanted.get("owner"), wanted.get("provider")))
