"""What is honest here: services whose actions do what they say, and actions that moto only pretends to
execute.

A service that is not in `SERVICES` is refused as a whole; an action in `PRETENDED` is refused although moto
would answer it, because nothing would run. A module that really emulates one of them takes it back with
`provides`.
"""

import re

# Signing names whose moto emulation keeps records faithfully.
SERVICES = {
    "acm",
    "apigateway",
    "application-autoscaling",
    "cloudformation",
    "cloudtrail",
    "codebuild",
    "codecommit",
    "codepipeline",
    "dynamodb",
    "ec2",
    "ecr",
    "elasticfilesystem",
    "elasticloadbalancing",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "resource-groups",
    "s3",
    "sagemaker",
    "secretsmanager",
    "servicecatalog",
    "servicequotas",
    "sns",
    "sqs",
    "ssm",
    "sts",
    "tagging",
}

# Regular expressions over the action's name, by service.
PRETENDED = {
    "sagemaker": [
        "(Create|Describe|List|Stop|Delete)(HyperParameterTuning|Transform|AutoML|Compilation|Labeling|Optimization|"
        "InferenceRecommendations|EdgePackaging)Jobs?(V2)?",
        "(Start|Stop|Retry|Update|Describe|List|SendPipelineExecutionStep)\\w*PipelineExecution\\w*",
        "(Create|Describe|List|Start|Stop|Update|Delete)NotebookInstances?",
        "\\w*MonitoringSchedules?",
        "\\w*Cluster(s|Node|Nodes|Software)?",
        "(Create|Describe|List|Delete)(DataQuality|ModelQuality|ModelBias|ModelExplainability)JobDefinitions?",
        "InvokeEndpointAsync",
    ],
    "lambda": ["Invoke\\w*"],
    "ec2": ["RunInstances", "StartInstances"],
    "ssm": ["SendCommand", "StartAutomationExecution"],
    "cloudformation": ["\\w+"],
    "codebuild": ["\\w+"],
    "codecommit": ["\\w+"],
    "codepipeline": ["\\w+"],
    "events": ["StartReplay", "TestEventPattern"],
}

_provided: set[str] = set()
_patterns = {
    service: re.compile("|".join(f"(?:{p})" for p in patterns)) for service, patterns in PRETENDED.items()
}


def provides(*names: str) -> None:
    """A module declares what it really does: `service:Action`, or `service:*`."""
    _provided.update(names)


def provided() -> dict[str, list[str]]:
    """{service: its actions that modules have declared}, sorted."""
    found: dict[str, list[str]] = {}
    for name in sorted(_provided):
        service, _, action = name.partition(":")
        found.setdefault(service, []).append(action)
    return found


def why_not(service: str, action: str) -> str | None:
    """None when the call may go on, else the message for its caller."""
    name = f"{service}:{action}"
    if name in _provided or f"{service}:*" in _provided:
        return None
    if service not in SERVICES:
        return (
            f"{name} is not emulated by local_aws: the service {service} has no local emulation. Use "
            "AWS for it."
        )
    pattern = _patterns.get(service)
    if pattern and pattern.fullmatch(action):
        return f"{name} is not emulated by local_aws: nothing would really run. Use AWS for it."
    return None
