"""SageMaker Pipelines: the definition JSON that the SDK makes, unchanged, and really executed."""

from local_aws.server.app import LocalAwsApp
from local_aws.server.emulated import provides


def register(app: LocalAwsApp) -> None:
    from local_aws.services.pipelines import api_executions, api_pipelines
    from local_aws.services.pipelines.book import Book
    from local_aws.services.pipelines.manager import Manager
    from local_aws.services.pipelines.versions import Versions

    book, versions = Book(), Versions()
    manager = Manager(app, book)
    api_pipelines.install(app, book, versions)
    api_executions.install(app, book, versions, manager)

    def begin() -> None:
        versions.attach(app.documents)
        book.attach(app.documents, versions)
        manager.recover()

    app.on_start(begin)
    app.on_stop(manager.shutdown)
    app.status(manager.status)
    provides(
        *(
            f"sagemaker:{action}"
            for action in (
                "StartPipelineExecution",
                "StopPipelineExecution",
                "RetryPipelineExecution",
                "UpdatePipelineExecution",
                "DescribePipelineExecution",
                "DescribePipelineDefinitionForExecution",
                "ListPipelineExecutions",
                "ListPipelineExecutionSteps",
                "ListPipelineParametersForExecution",
                "SendPipelineExecutionStepSuccess",
                "SendPipelineExecutionStepFailure",
            )
        )
    )
