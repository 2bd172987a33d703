"""Selective execution: some steps run, what they need comes from an earlier execution.

Source: AWS's 'Selective execution of pipeline steps'.
"""

from collections.abc import Callable
from typing import Any

from local_aws.services.pipelines.definition import Definition
from local_aws.services.pipelines.graph import between, connected
from local_aws.services.pipelines.records import Execution, StepRecord


class SelectionError(ValueError):
    """The message says why these steps cannot run alone."""


def reused_steps(
    definition: Definition,
    config: dict[str, Any],
    pipeline_arn: str,
    find: Callable[[str], Execution | None],
) -> list[StepRecord]:
    """The records that an execution of `config`'s selected steps takes over, as records of its own.

    `find(arn)` gives an execution or None. Raises `SelectionError`.
    """
    chosen = [item["StepName"] for item in config["SelectedSteps"]]
    unknown = [name for name in chosen if name not in definition.steps]
    if unknown:
        raise SelectionError(f"Invalid SelectedSteps: the pipeline has no steps {unknown}.")
    if len(set(chosen)) < len(chosen):
        raise SelectionError("Invalid SelectedSteps: a step is given twice.")
    graph = {name: step.upstream for name, step in definition.steps.items()}
    left_out = between(graph, chosen)
    if left_out:
        raise SelectionError(
            f"Invalid SelectedSteps: {sorted(left_out)} lie on a path between the selected steps {chosen} "
            "and must be selected, too."
        )
    if not connected(graph, chosen):
        raise SelectionError(f"Invalid SelectedSteps: {chosen} are not connected in the pipeline's graph.")
    upstream = [
        name
        for name in definition.steps
        if name not in chosen and any(name in definition.steps[c].needs for c in chosen)
    ]
    arn = config.get("SourcePipelineExecutionArn")
    if not arn:
        if upstream:
            raise SelectionError(
                f"Invalid SourcePipelineExecutionArn: null. The selected steps {chosen} have dependencies on "
                f"{upstream}."
            )
        return []
    source = find(arn)
    if source is None or source.pipeline_arn != pipeline_arn:
        raise SelectionError(f"Invalid SourcePipelineExecutionArn: {arn} is no execution of this pipeline.")
    if not source.final:
        raise SelectionError(
            f"Invalid SourcePipelineExecutionArn: {arn} is {source.status}; it must have ended."
        )
    return [_reused(source, name, chosen) for name in upstream]


def _reused(source: Execution, name: str, chosen: list[str]) -> StepRecord:
    found = source.steps.get(name)
    if found is None or found.status != "Succeeded":
        raise SelectionError(
            f"Invalid SourcePipelineExecutionArn: {source.arn} has no successful step {name}, which the "
            f"selected steps {chosen} depend on."
        )
    return StepRecord(
        name,
        found.type,
        found.display_name,
        found.description,
        status="Succeeded",
        started=found.started,
        ended=found.ended,
        metadata=found.metadata,
        properties=found.properties,
        outcome=found.outcome,
        reused_from=found.reused_from or source.arn,
    )
