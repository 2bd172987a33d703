"""Real-time endpoints: CreateModel to DeleteEndpoint, and InvokeEndpoint, over real server processes.

`records` keeps what the control plane knows in moto's SageMaker backend; `manager` brings fleets of instances
up and down; `invoke` is the data plane, ahead of moto.
"""

from local_aws.server.app import LocalAwsApp

from . import invoke, records
from .manager import Manager


def register(app: LocalAwsApp) -> None:
    manager = Manager(app)
    records.install(manager)
    app.before("/endpoints/", invoke.InvokeEndpoint(manager))
    app.on_start(manager.start)
    app.on_stop(manager.stop)
    app.status(manager.status)
