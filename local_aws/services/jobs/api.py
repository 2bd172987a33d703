"""The operations that every kind of job has: Create (a name is used once), Describe, List and Stop, in place
of moto's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import camelcase_to_underscores
from moto.sagemaker.exceptions import ResourceInUseException, ValidationError
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

from local_aws.services.jobs.model import Job, list_jobs
from local_aws.services.jobs.notices import announce
from local_aws.services.jobs.runner import JobRunner


def _name_taken(arn: str, words: str) -> Exception:
    return ResourceInUseException(
        message=f"{words.capitalize()} names must be unique within an AWS account and region, and a "
        f"{words} with this name already exists ({arn})"
    )


@dataclass(frozen=True)
class Kind:
    """What differs between kinds of jobs. `name`: as in the API's members, e.g. Training; `arn`: the ARN's
    resource type; `missing(name, arn)`, `taken(arn, words)`: the errors."""

    name: str
    arn: str
    words: str
    missing: Callable[[str, str], Exception]
    taken: Callable[[str, str], Exception] = _name_taken

    def arn_of(self, account: str, region: str, name: str) -> str:
        return f"arn:aws:sagemaker:{region}:{account}:{self.arn}/{name}"


class JobApi:
    """One kind's operations. `validate(request)` raises what AWS refuses at once; `record`: the class of its
    records."""

    def __init__(
        self,
        kind: Kind,
        runner: JobRunner,
        validate: Callable[[dict[str, Any]], None],
        record: type[Job] = Job,
    ):
        self.kind, self.runner, self.validate, self.record = kind, runner, validate, record

    # Called with the app's lock held, as API methods are; other services may call them, too.
    def jobs(self, account: str, region: str) -> dict[str, Job]:
        return self.runner.jobs(sagemaker_backends[account][region])

    def create(self, account: str, region: str, request: dict[str, Any]) -> Job:
        """Make and start a job of a Create request; the caller persists it."""
        self.validate(request)
        name = request[f"{self.kind.name}JobName"]
        arn = self.kind.arn_of(account, region, name)
        jobs = self.jobs(account, region)
        if name in jobs:
            raise self.kind.taken(arn, self.kind.words)
        job = self.record(self.kind.name, name, arn, region, request)
        self.runner.begin(job)
        jobs[name] = job
        announce(self.runner.app, job)
        self.runner.submit(job)
        return job

    def find(self, account: str, region: str, name: str) -> Job:
        job = self.jobs(account, region).get(name)
        if job is None:
            raise self.kind.missing(name, self.kind.arn_of(account, region, name))
        return job

    def stop(self, job: Job) -> None:
        if job.final:
            raise ValidationError(
                message=f"The request was rejected because the {self.kind.words} is in status {job.status}."
            )
        if job.status != "Stopping":
            job.status = "Stopping"
            self.runner.stopping(job)
            announce(self.runner.app, job)
            self.runner.request_stop(job)

    def install(self) -> None:
        """Replace moto's methods, and be found in `app.jobs`."""
        self.runner.app.jobs[self.kind.name] = self
        api, kind = self, self.kind.name
        name_of, arn_of, summaries = f"{kind}JobName", f"{kind}JobArn", f"{kind}JobSummaries"

        def place(response: SageMakerResponse) -> tuple[str, str]:
            return response.current_account, response.region

        def create(self: SageMakerResponse) -> ActionResult:
            return ActionResult({arn_of: api.create(*place(self), dict(self.params)).arn})

        def describe(self: SageMakerResponse) -> ActionResult:
            return ActionResult(api.find(*place(self), self._get_param(name_of)).describe())

        def list_(self: SageMakerResponse) -> ActionResult:
            page = list_jobs(list(api.jobs(*place(self)).values()), self.params)
            return ActionResult({summaries: page.pop("summaries"), **page})

        def stop(self: SageMakerResponse) -> EmptyResult:
            api.stop(api.find(*place(self), self._get_param(name_of)))
            return EmptyResult()

        for verb, function, end in (
            ("Create", create, ""),
            ("Describe", describe, ""),
            ("List", list_, "s"),
            ("Stop", stop, ""),
        ):
            function.__name__ = camelcase_to_underscores(f"{verb}{kind}Job{end}")
            setattr(SageMakerResponse, function.__name__, function)
