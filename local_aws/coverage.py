"""What is emulated, told by the code itself: `python -m local_aws.coverage` prints it as Markdown."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Coverage:
    """SageMaker's actions, by who answers them."""

    executed: list[str] = field(default_factory=list)  # by local_aws's own code
    recorded: list[str] = field(default_factory=list)  # by moto: records, nothing runs
    refused: list[str] = field(default_factory=list)  # with an error that names the action


def sagemaker() -> Coverage:
    """Every action of botocore's model of SageMaker, and InvokeEndpoint, sorted into who answers it."""
    from botocore import xform_name
    from moto.sagemaker.models import SageMakerModelBackend
    from moto.sagemaker.responses import SageMakerResponse

    from local_aws.server.app import LocalAwsApp
    from local_aws.server.emulated import why_not
    from local_aws.server.sagemaker_model import service_model

    with tempfile.TemporaryDirectory() as home:
        LocalAwsApp(Path(home)).load_services()
    coverage = Coverage()
    for action in sorted(service_model().operation_names):
        name = xform_name(action)
        methods = [getattr(kind, name, None) for kind in (SageMakerResponse, SageMakerModelBackend)]
        if methods[0] is None or why_not("sagemaker", action):
            coverage.refused.append(action)
        elif any(method.__module__.startswith("local_aws") for method in methods if method):
            coverage.executed.append(action)
        else:
            coverage.recorded.append(action)
    coverage.executed = sorted([*coverage.executed, "InvokeEndpoint"])
    return coverage


def markdown() -> str:
    """The coverage as tables for the documentation."""
    from local_aws.server.emulated import PRETENDED, SERVICES, provided
    from local_aws.services.cloudformation.resources import types

    coverage = sagemaker()
    own = {service: actions for service, actions in provided().items() if service != "sagemaker"}
    alone = {service for service in own if PRETENDED.get(service) == ["\\w+"]}  # moto answers nothing of it
    others = ", ".join(f"`{name}`" for name in sorted(SERVICES - alone - {"sagemaker"}))
    rows = [
        ("answered by `local_aws` itself", coverage.executed),
        ("kept as records by moto", coverage.recorded),
        ("refused with an error that names the action", coverage.refused),
    ]
    lines = ["| SageMaker actions | How many | Which |", "|---|---|---|"]
    for title, actions in rows:
        named = ", ".join(actions) if len(actions) < 100 else "all others"
        lines.append(f"| {title} | {len(actions)} | {named} |")
    lines += ["", "| Other services | Actions answered by `local_aws` itself |", "|---|---|"]
    lines += [f"| {service} | {', '.join(actions)} |" for service, actions in own.items()]
    lines += [
        "",
        f"Services whose records moto keeps, apart from these actions: {others}. Every other service is refused by "
        "name.",
        "",
        f"Resource types of CloudFormation: {', '.join(f'`{name}`' for name in types())}, and custom resources.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())
