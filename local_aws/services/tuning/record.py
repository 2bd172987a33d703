"""What a tuning job says of itself: its training jobs, their counts, the best of them."""

from typing import Any

from local_aws.services.jobs.model import Job
from local_aws.services.tuning.strategies import Trial


class TuningJob(Job):
    """`children`: {training job name: {"Definition", "Metric", "Values"}}, in the order of their start."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.children: dict[str, dict[str, Any]] = {}

    def summary(self) -> dict[str, Any]:
        config = self.request["HyperParameterTuningJobConfig"]
        counters = ("TrainingJobStatusCounters", "ObjectiveStatusCounters")
        return {
            **super().summary(),
            **{name: self.fields[name] for name in counters},
            "Strategy": config["Strategy"],
            "ResourceLimits": config["ResourceLimits"],
        }

    @property
    def maximize(self) -> bool:
        """Which direction is better; all definitions of a job have the same."""
        definitions = self.request.get("TrainingJobDefinitions")
        config = self.request["HyperParameterTuningJobConfig"]
        objective = definitions[0]["TuningObjective"] if definitions else None
        return (objective or self._objective(config))["Type"] == "Maximize"

    def _objective(self, config: dict[str, Any]) -> dict[str, Any]:
        one = self.request.get("TrainingJobDefinition") or {}
        return one.get("TuningObjective") or config["HyperParameterTuningJobObjective"]

    # -- over the records of the training jobs ---------------------------------------------------------------
    def value_of(self, child: Job) -> float | None:
        """The last value of the objective metric of a training job that has ended well."""
        if child.status not in ("Completed", "Stopped"):
            return None
        metric = self.children[child.name]["Metric"]
        for item in child.fields.get("FinalMetricDataList") or []:
            if item["MetricName"] == metric:
                return item["Value"]
        return None

    def trials(self, training: dict[str, Job], definition: str | None) -> list[Trial]:
        """What was tried of one definition, and what came of it."""
        return [
            Trial(child["Values"], self.value_of(training[name]), not training[name].final)
            for name, child in self.children.items()
            if child["Definition"] == definition
        ]

    def child_summary(self, child: Job) -> dict[str, Any]:
        """A HyperParameterTrainingJobSummary."""
        known, value = self.children[child.name], self.value_of(child)
        names = ("TrainingStartTime", "TrainingEndTime", "FailureReason")
        answer = {
            "TrainingJobName": child.name,
            "TrainingJobArn": child.arn,
            "TuningJobName": self.name,
            "CreationTime": child.creation_time,
            "TrainingJobStatus": child.status,
            "TunedHyperParameters": known["Values"],
            **{name: child.fields[name] for name in names if name in child.fields},
            "ObjectiveStatus": "Pending" if not child.final else "Failed" if value is None else "Succeeded",
        }
        if known["Definition"]:
            answer["TrainingJobDefinitionName"] = known["Definition"]
        if value is not None:
            answer["FinalHyperParameterTuningJobObjectiveMetric"] = {
                "MetricName": known["Metric"],
                "Value": value,
            }
        return answer

    def refresh(self, training: dict[str, Job]) -> None:
        """Counts, best training job and consumed time, from the training jobs' records."""
        summaries = [self.child_summary(training[name]) for name in self.children if name in training]
        status = {
            "Completed": "Completed",
            "Failed": "NonRetryableError",
            "Stopped": "Stopped",
        }
        counts = dict.fromkeys(
            ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0
        )
        objectives = dict.fromkeys(("Succeeded", "Pending", "Failed"), 0)
        for summary in summaries:
            counts[status.get(summary["TrainingJobStatus"], "InProgress")] += 1
            objectives[summary["ObjectiveStatus"]] += 1
        self.fields["TrainingJobStatusCounters"] = counts
        self.fields["ObjectiveStatusCounters"] = objectives
        seconds = sum(
            training[n].fields.get("TrainingTimeInSeconds", 0) for n in self.children if n in training
        )
        self.fields["ConsumedResources"] = {"RuntimeInSeconds": seconds}
        scored = [s for s in summaries if "FinalHyperParameterTuningJobObjectiveMetric" in s]
        if scored:
            best = max if self.maximize else min
            self.fields["BestTrainingJob"] = best(
                scored, key=lambda s: s["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
            )
        self.touch()
