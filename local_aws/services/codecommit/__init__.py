"""CodeCommit: bare git repositories, served over HTTP on this server's own port, and their API.

Pull requests, approval rules, comments, triggers and merges are not emulated. A branch is protected as on AWS: by
an IAM policy that denies `codecommit:GitPush` for its reference (see `callers`).
"""

from local_aws.config import ACCOUNT_ID, DEFAULT_REGION
from local_aws.server.app import LocalAwsApp
from local_aws.services.codecommit.content import resolve
from local_aws.services.codecommit.repositories import Repositories


def archive(
    app: LocalAwsApp,
    repository: str,
    branch: str,
    account: str = ACCOUNT_ID,
    region: str = DEFAULT_REGION,
) -> tuple[str, str, bytes]:
    """(commit id, commit message, the files as a zip) of a branch's newest commit, or of a commit id.

    `CodeCommitError` (services.codecommit.errors) when the repository or the branch does not exist. Call it
    without the app's lock.
    """
    found = Repositories(app).find(repository, account, region)
    commit_id = resolve(found, branch)
    message = found.git.run("log", "-1", "--format=%B", commit_id).decode("utf-8", "replace").strip()
    return commit_id, message, found.git.run("archive", "--format=zip", commit_id)


def register(app: LocalAwsApp) -> None:
    from local_aws.services.codecommit import commits, responses
    from local_aws.services.codecommit.pushes import Outbox
    from local_aws.services.codecommit.transport import PREFIX, GitTransport

    repositories = Repositories(app)
    outbox = Outbox(repositories)
    responses.install(repositories)
    commits.install(repositories)
    transport = GitTransport(app, repositories, outbox)
    app.before(PREFIX, transport, "codecommit")
    app.on_start(repositories.sweep)
    app.on_start(outbox.prepare)
    app.on_stop(transport.stop)
