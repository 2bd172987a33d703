"""CloudFormation: an engine of its own behind moto's routing.

A request goes through `responses` or `changesets` (moto's parsing of the protocol, AWS's errors), `requests` (what is
asked for), `reader`, `template`, `validation`, `parameters` and `evaluation` (what the template says), `changes` (what
would be different). `engine` runs an operation in a thread: `runner` and `updates` decide what happens in which order,
`steps` calls a resource's handler in `resources`, `store` keeps it all.
"""

from local_aws.server.app import LocalAwsApp
from local_aws.server.emulated import provides


def register(app: LocalAwsApp) -> None:
    from moto.cloudformation.responses import CloudFormationResponse

    from local_aws.services.cloudformation import callbacks, changesets, responses
    from local_aws.services.cloudformation.engine import Engine

    CloudFormationResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER = {}  # made for moto's own objects
    engine = Engine(app)
    operations = changesets.ChangeSetOperations(engine)
    for function in responses.functions(operations) + changesets.functions(operations):
        setattr(CloudFormationResponse, function.__name__, function)
        name = "".join(part.capitalize() for part in function.__name__.split("_"))
        provides(f"cloudformation:{name}")
    app.before(callbacks.PATH, callbacks.callbacks, service="s3")  # unsigned: such requests count as S3's
    app.on_start(engine.start)
    app.on_stop(engine.stop)
    app.status(engine.status)
