"""CloudFormation: an engine of its own.

A request goes through `http` (the protocol) to `responses`, `reading` or `changesets`; `requests` reads what it asks
for, `reader`, `template`, `validation`, `parameters` and `evaluation` what the template says, `changes` what would be
different. `engine` runs an operation in a thread: `runner` and `updates` decide what happens in which order,
`steps` calls a resource's handler in `resources`, `store` keeps it all.
"""

from local_aws.server.app import LocalAwsApp
from local_aws.server.emulated import provides


def register(app: LocalAwsApp) -> None:
    from local_aws.services.cloudformation import callbacks, changesets, http, reading, responses
    from local_aws.services.cloudformation.engine import Engine

    engine = Engine(app)
    operations = changesets.ChangeSetOperations(engine)
    for function in [f for module in (responses, reading, changesets) for f in module.functions(operations)]:
        setattr(http.CloudFormationResponse, function.__name__, function)
        name = "".join(part.capitalize() for part in function.__name__.split("_"))
        provides(f"cloudformation:{name}")
    app.before("/", http.Handler(app), service=http.SERVICE)
    app.before(callbacks.PATH, callbacks.callbacks, service="s3")  # unsigned: such requests count as S3's
    app.on_start(engine.start)
    app.on_stop(engine.stop)
    app.status(engine.status)
