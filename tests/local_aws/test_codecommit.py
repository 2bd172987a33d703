"""CodeCommit: real git over HTTP, the API on the same repositories, the events of both."""

import contextlib
import io
import json
import os
import signal
import time
import urllib.error
import urllib.request
import uuid
import zipfile

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from git_client import PASSWORD, Copy, Refused, git, with_credentials
from servers import clients_of

from local_aws import client
from local_aws.services.codecommit.callers import Caller
from local_aws.services.codecommit.pushes import read_commands


def error_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]


def as_account(url, service, key, secret="any", region="us-east-1"):
    session = boto3.session.Session(key, secret, region_name=region)
    settings = Config(retries={"max_attempts": 0}, proxies={})
    return session.client(service, endpoint_url=url, config=settings)


@pytest.fixture
def repository(aws):
    """Name and address (with credentials) of a new repository."""
    name = f"repo-{uuid.uuid4().hex[:8]}"
    made = aws.codecommit.create_repository(repositoryName=name, repositoryDescription="texts")
    return name, with_credentials(made["repositoryMetadata"]["cloneUrlHttp"])


@pytest.fixture
def copy(tmp_path, repository):
    return Copy(tmp_path / "copy", repository[1])


class Events:
    """An SQS queue that a rule for a source's events leads to."""

    def __init__(self, aws, pattern):
        self.aws, self.name = aws, f"rule-{uuid.uuid4().hex[:8]}"
        self.queue = aws.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        arn = aws.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        aws.events.put_rule(Name=self.name, EventPattern=json.dumps(pattern))
        target = {"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}
        aws.events.put_targets(Rule=self.name, Targets=[target])

    def take(self, count, seconds=20):
        """The next `count` events, in the order of their arrival."""
        found, deadline = [], time.monotonic() + seconds
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} events: {found}"
            answer = self.aws.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"]))
                self.aws.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            if not answer.get("Messages"):
                time.sleep(0.05)
        return found


@pytest.fixture
def events(aws, repository):
    pattern = {"source": ["aws.codecommit"], "detail": {"repositoryName": [repository[0]]}}
    return Events(aws, pattern)


# -- git ----------------------------------------------------------------------------------------------------
def test_push_then_clone_gives_the_same_files(aws, tmp_path, repository, copy):
    name, url = repository
    commit = copy.commit({"a.txt": "hello\n", "deep/b.txt": "x"})
    copy.push()
    assert aws.codecommit.get_branch(repositoryName=name, branchName="main")["branch"]["commitId"] == commit
    git("clone", "-q", url, "other", cwd=tmp_path)
    assert (tmp_path / "other" / "deep" / "b.txt").read_text() == "x"
    assert git("rev-parse", "HEAD", cwd=tmp_path / "other") == commit


@pytest.mark.slow
def test_branches_and_tags_travel(aws, repository, copy):
    name, _ = repository
    copy.commit({"a": "1"})
    copy.git("branch", "feature/one")
    copy.git("tag", "-a", "v1", "-m", "first")
    copy.push("main", "feature/one", "v1")
    assert aws.codecommit.list_branches(repositoryName=name)["branches"] == ["feature/one", "main"]
    assert "refs/tags/v1" in copy.git("ls-remote", "origin")
    copy.push(":feature/one")
    assert aws.codecommit.list_branches(repositoryName=name)["branches"] == ["main"]


@pytest.mark.slow
def test_the_first_branch_becomes_the_default(aws, repository, copy):
    name, _ = repository
    metadata = aws.codecommit.get_repository(repositoryName=name)["repositoryMetadata"]
    assert "defaultBranch" not in metadata
    copy.commit({"a": "1"})
    copy.push("main:trunk")
    metadata = aws.codecommit.get_repository(repositoryName=name)["repositoryMetadata"]
    assert metadata["defaultBranch"] == "trunk"


def test_credentials_from_a_helper(tmp_path, repository, server):
    """git asks without credentials, is refused with 401, and asks the helper."""
    name, _ = repository
    helper = f'!f() {{ echo username=LOCALAWSACCESSKEYID0%token; echo "password={PASSWORD}"; }}; f'
    url = f"{server.endpoint_url}/v1/repos/{name}"
    assert git("-c", f"credential.helper={helper}", "ls-remote", url, cwd=tmp_path) == ""


@pytest.mark.slow
def test_temporary_credentials_push_as_their_role(aws, server, tmp_path, repository, events):
    """The helper puts the session token behind a percent sign; the role's own policies count."""
    name, _ = repository
    trust = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = aws.iam.create_role(RoleName=f"ci-{name}", AssumeRolePolicyDocument=policy)["Role"]
    deny = {"Effect": "Deny", "Action": "codecommit:GitPush", "Resource": "*"}
    deny["Condition"] = {"StringLike": {"codecommit:References": "refs/tags/*"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    aws.iam.put_role_policy(RoleName=f"ci-{name}", PolicyName="no-tags", PolicyDocument=document)
    given = aws.sts.assume_role(RoleArn=role["Arn"], RoleSessionName="build")["Credentials"]
    user = f"{given['AccessKeyId']}%AB{given['SessionToken']}"
    copy = Copy(tmp_path / "copy", with_credentials(f"{server.endpoint_url}/v1/repos/{name}", user))
    copy.commit({"a": "1"})
    copy.push()
    arn = f"arn:aws:sts::123456789012:assumed-role/ci-{name}/build"
    assert events.take(1)[0]["detail"]["callerUserArn"] == arn
    copy.git("tag", "v1")
    with pytest.raises(Refused, match=f"policy of {arn} denies"):
        copy.push("v1")


@pytest.mark.parametrize("header", [None, "Basic bm9ib2R5Og==", "Bearer token"])
def test_anonymous_requests_are_refused(server, repository, header):
    url = f"{server.endpoint_url}/v1/repos/{repository[0]}/info/refs?service=git-upload-pack"
    request = urllib.request.Request(url, headers={"Authorization": header} if header else {})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    assert caught.value.code == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert "credential helper" in caught.value.read().decode()


def test_web_pages_are_refused(server, repository):
    url = f"{server.endpoint_url}/v1/repos/{repository[0]}/info/refs?service=git-upload-pack"
    request = urllib.request.Request(url, headers={"Origin": "https://example.com"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    assert caught.value.code == 403


@pytest.mark.slow
def test_a_missing_repository_is_named(tmp_path, server):
    url = with_credentials(f"{server.endpoint_url}/v1/repos/no-such-thing")
    with pytest.raises(Refused, match="Repository no-such-thing does not exist in account 123456789012"):
        git("clone", url, cwd=tmp_path)


def test_refused_references_say_why_and_the_others_move(aws, repository, copy):
    name, _ = repository
    copy.commit({"a": "1"})
    copy.push()
    with pytest.raises(Refused, match=r"only branches \(refs/heads/\) and tags"):
        copy.push("main:refs/meta/config", "main:second")
    with pytest.raises(Refused, match="default branch of .* cannot be deleted"):
        copy.push(":main")
    with pytest.raises(Refused, match="looks like a commit ID"):
        copy.push("main:refs/heads/" + "a" * 40)
    assert aws.codecommit.list_branches(repositoryName=name)["branches"] == ["main", "second"]


def test_a_branch_protected_by_an_iam_policy(aws, server, tmp_path, repository):
    """AWS's way to protect a branch: Deny codecommit:GitPush with the condition codecommit:References."""
    name, _ = repository
    user = f"dev-{name}"
    aws.iam.create_user(UserName=user)
    key = aws.iam.create_access_key(UserName=user)["AccessKey"]
    statement = {
        "Effect": "Deny",
        "Action": ["codecommit:GitPush", "codecommit:PutFile", "codecommit:DeleteBranch"],
        "Resource": f"arn:aws:codecommit:us-east-1:123456789012:{name}",
        "Condition": {
            "StringEqualsIfExists": {"codecommit:References": ["refs/heads/main", "refs/heads/prod"]},
            "Null": {"codecommit:References": "false"},
        },
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.iam.put_user_policy(UserName=user, PolicyName="protect", PolicyDocument=document)
    plain = f"{server.endpoint_url}/v1/repos/{name}"
    copy = Copy(tmp_path / "copy", with_credentials(plain, key["AccessKeyId"]))
    copy.commit({"a": "1"})
    with pytest.raises(
        Refused, match=f"policy of arn:aws:iam::123456789012:user/{user} denies codecommit:GitPush"
    ):
        copy.push("main")
    copy.push("main:feature")
    mine = as_account(server.endpoint_url, "codecommit", key["AccessKeyId"], key["SecretAccessKey"])
    tip = mine.get_branch(repositoryName=name, branchName="feature")["branch"]["commitId"]
    mine.put_file(
        repositoryName=name, branchName="feature", filePath="b", fileContent=b"2", parentCommitId=tip
    )
    aws.codecommit.create_branch(repositoryName=name, branchName="prod", commitId=tip)
    request = {"repositoryName": name, "branchName": "prod", "filePath": "b", "fileContent": b"2"}
    assert error_of(mine.put_file, **request, parentCommitId=tip)["Code"] == "AccessDeniedException"
    assert (
        error_of(mine.delete_branch, repositoryName=name, branchName="prod")["Code"]
        == "AccessDeniedException"
    )


@pytest.mark.parametrize("action", ["GitPull", "GitPush"])
def test_who_may_not_pull_or_push_at_all(aws, server, tmp_path, repository, copy, action):
    name, _ = repository
    copy.commit({"a": "1"})
    copy.push("main")
    user = f"dev-{name}"
    aws.iam.create_user(UserName=user)
    key = aws.iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    arn = f"arn:aws:codecommit:us-east-1:123456789012:{name}"
    statement = {"Effect": "Deny", "Action": f"codecommit:{action}", "Resource": arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.iam.put_user_policy(UserName=user, PolicyName="deny", PolicyDocument=document)
    address = with_credentials(f"{server.endpoint_url}/v1/repos/{name}", key)
    if action == "GitPull":
        with pytest.raises(Refused, match=f"denies codecommit:{action} on {arn}"):
            git("clone", "-q", address, tmp_path / "theirs")
    else:
        git("clone", "-q", address, tmp_path / "theirs")  # reading is not denied
        theirs = Copy(tmp_path / "new", address)
        theirs.commit({"b": "2"})
        with pytest.raises(Refused, match=f"denies codecommit:{action} on {arn}"):
            theirs.push("main:feature")
        missing = error_of(aws.codecommit.get_branch, repositoryName=name, branchName="feature")
        assert missing["Code"] == "BranchDoesNotExistException"


@pytest.mark.slow
def test_same_name_in_two_accounts_and_regions(server, tmp_path, aws, repository):
    name, url = repository
    other = as_account(server.endpoint_url, "codecommit", "210987654321")
    europe = as_account(server.endpoint_url, "codecommit", "any-other-key-00", region="eu-west-1")
    addresses = [
        c.create_repository(repositoryName=name)["repositoryMetadata"]["cloneUrlHttp"]
        for c in (other, europe)
    ]
    urls = [url, with_credentials(addresses[0], "210987654321"), with_credentials(addresses[1])]
    commits = []
    for index, address in enumerate(urls):
        copy = Copy(tmp_path / str(index), address)
        commits.append(copy.commit({"n": str(index)}))
        copy.push()
    got = [
        c.get_branch(repositoryName=name, branchName="main")["branch"]["commitId"]
        for c in (aws.codecommit, other, europe)
    ]
    assert got == commits


@pytest.mark.slow
def test_a_chunked_push_of_more_than_a_megabyte(tmp_path, repository, copy):
    """git sends it with Transfer-Encoding: chunked, after a probe."""
    content = uuid.uuid4().bytes * 100_000  # too large for one buffer of git's
    copy.git("config", "http.postBuffer", "65536")
    copy.commit({f"f{i}.bin": uuid.uuid4().bytes * 4096 for i in range(8)} | {"big.bin": content})
    copy.push()
    git("clone", "-q", repository[1], "other", cwd=tmp_path)
    assert (tmp_path / "other" / "big.bin").read_bytes() == content


@pytest.mark.slow
def test_a_push_of_100_megabytes(tmp_path, repository, copy):
    content = os.urandom(100 * 2**20)
    copy.git("config", "core.compression", "0")  # most of the time would go by for nothing
    copy.commit({"big.bin": content})
    copy.push()
    git("clone", "-q", repository[1], "other", cwd=tmp_path)
    assert (tmp_path / "other" / "big.bin").read_bytes() == content


# -- events -------------------------------------------------------------------------------------------------
def test_events_of_a_push(aws, repository, copy, events):
    name, _ = repository
    first = copy.commit({"a": "1"})
    copy.push("main", "main:side")
    second = copy.commit({"a": "2"})
    copy.push("main", ":side")
    found = events.take(4)
    metadata = aws.codecommit.get_repository(repositoryName=name)["repositoryMetadata"]
    assert found[0]["detail-type"] == "CodeCommit Repository State Change"
    assert found[0]["resources"] == [metadata["Arn"]]
    assert found[0]["detail"] == {
        "callerUserArn": "arn:aws:sts::123456789012:user/moto",
        "event": "referenceCreated",
        "repositoryName": name,
        "repositoryId": metadata["repositoryId"],
        "referenceType": "branch",
        "referenceName": "main",
        "referenceFullName": "refs/heads/main",
        "commitId": first,
    }
    rest = {
        (d["event"], d["referenceName"], d.get("commitId"), d.get("oldCommitId"))
        for d in (e["detail"] for e in found[1:])
    }
    assert rest == {
        ("referenceCreated", "side", first, None),
        ("referenceUpdated", "main", second, first),
        ("referenceDeleted", "side", None, first),
    }


@pytest.mark.slow
def test_a_tag_event_names_the_commit(repository, copy, events):
    commit = copy.commit({"a": "1"})
    copy.git("tag", "-a", "v1", "-m", "first")
    copy.push("v1")
    detail = events.take(1)[0]["detail"]
    assert (detail["referenceType"], detail["referenceFullName"]) == ("tag", "refs/tags/v1")
    assert detail["commitId"] == commit


@pytest.mark.slow
def test_no_push_of_a_hundred_is_lost(repository, copy, events):
    commits = []
    for number in range(100):
        commits.append(copy.commit({"n": str(number)}))
        copy.push()
    found = events.take(100, seconds=60)
    assert sorted(e["detail"]["commitId"] for e in found) == sorted(commits)


@pytest.mark.slow
def test_repositories_survive_kill(tmp_path):
    """And a push that was not announced yet is announced at the next start."""
    local = client.ensure_started(tmp_path / "home", 0, quiet=True)
    try:
        aws = clients_of(local.endpoint_url)
        made = aws.codecommit.create_repository(repositoryName="kept")["repositoryMetadata"]
        copy = Copy(tmp_path / "copy", with_credentials(made["cloneUrlHttp"]))
        commit = copy.commit({"a": "1"})
        copy.push()
        record = json.loads((tmp_path / "home" / "server.json").read_text())
        os.kill(record["pid"], signal.SIGKILL)
        push = {
            "account": "123456789012",
            "region": "us-east-1",
            "id": made["repositoryId"],
            "caller": "arn:x",
        }
        left = tmp_path / "home" / "codecommit" / "outbox" / "00000000000000000001-a.push"
        left.write_text(json.dumps(push) + f"\n{'0' * 40} {commit} refs/heads/main\n")
        deadline = time.monotonic() + 20
        while (tmp_path / "home" / "server.lock").exists():
            with contextlib.suppress(Exception):
                local = client.ensure_started(tmp_path / "home", 0, quiet=True)
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        aws = clients_of(local.endpoint_url)
        branch = aws.codecommit.get_branch(repositoryName="kept", branchName="main")["branch"]
        assert branch["commitId"] == commit
        assert not left.exists()
        url = aws.codecommit.get_repository(repositoryName="kept")["repositoryMetadata"]["cloneUrlHttp"]
        git("clone", "-q", with_credentials(url), "other", cwd=tmp_path)
        assert (tmp_path / "other" / "a").read_text() == "1"
    finally:
        client.stop(tmp_path / "home")


# -- the API ------------------------------------------------------------------------------------------------
def test_repository_operations(aws, repository):
    name, _ = repository
    codecommit = aws.codecommit
    assert (
        error_of(codecommit.create_repository, repositoryName=name)["Code"] == "RepositoryNameExistsException"
    )
    codecommit.update_repository_description(repositoryName=name, repositoryDescription="new")
    codecommit.update_repository_name(oldName=name, newName=f"{name}-2")
    answer = codecommit.batch_get_repositories(repositoryNames=[name, f"{name}-2"])
    assert [r["repositoryDescription"] for r in answer["repositories"]] == ["new"]
    assert answer["repositoriesNotFound"] == [name]
    assert f"{name}-2" in [r["repositoryName"] for r in codecommit.list_repositories()["repositories"]]
    arn = answer["repositories"][0]["Arn"]
    codecommit.tag_resource(resourceArn=arn, tags={"team": "ml"})
    assert codecommit.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "ml"}
    identifier = codecommit.delete_repository(repositoryName=f"{name}-2")["repositoryId"]
    assert identifier == answer["repositories"][0]["repositoryId"]
    assert codecommit.delete_repository(repositoryName=f"{name}-2").get("repositoryId") is None
    missing = error_of(codecommit.get_repository, repositoryName=name)
    assert missing["Code"] == "RepositoryDoesNotExistException"


@pytest.mark.parametrize("name", ["with space", "ends.git", "a/b", "ü"])
def test_names_that_aws_refuses(aws, name):
    assert (
        error_of(aws.codecommit.create_repository, repositoryName=name)["Code"]
        == "InvalidRepositoryNameException"
    )


@pytest.mark.slow
def test_branch_operations(aws, repository, copy):
    name, _ = repository
    codecommit = aws.codecommit
    commit = copy.commit({"a": "1"})
    copy.push()
    codecommit.create_branch(repositoryName=name, branchName="dev", commitId=commit)
    request = {"repositoryName": name, "branchName": "dev"}
    assert (
        error_of(codecommit.create_branch, **request, commitId=commit)["Code"] == "BranchNameExistsException"
    )
    refused = error_of(codecommit.delete_branch, repositoryName=name, branchName="main")
    assert refused["Code"] == "DefaultBranchCannotBeDeletedException"
    codecommit.update_default_branch(repositoryName=name, defaultBranchName="dev")
    deleted = codecommit.delete_branch(repositoryName=name, branchName="main")["deletedBranch"]
    assert deleted == {"branchName": "main", "commitId": commit}
    missing = error_of(codecommit.get_branch, repositoryName=name, branchName="main")
    assert missing["Code"] == "BranchDoesNotExistException"
    bad = error_of(codecommit.get_branch, repositoryName=name, branchName="a..b")
    assert bad["Code"] == "InvalidBranchNameException"


def test_commits_through_the_api_are_what_git_clones(aws, tmp_path, repository, events):
    name, url = repository
    codecommit = aws.codecommit
    files = [
        {"filePath": "a.txt", "fileContent": b"one"},
        {"filePath": "bin/run.sh", "fileContent": b"#!/bin/sh\n", "fileMode": "EXECUTABLE"},
    ]
    request = {"repositoryName": name, "branchName": "main"}
    first = codecommit.create_commit(**request, putFiles=files, authorName="Ada", commitMessage="start")
    put = codecommit.put_file(
        **request, filePath="a.txt", fileContent=b"two", parentCommitId=first["commitId"], name="Bob"
    )
    assert (
        error_of(
            codecommit.put_file,
            **request,
            filePath="a.txt",
            fileContent=b"three",
            parentCommitId=first["commitId"],
        )["Code"]
        == "ParentCommitIdOutdatedException"
    )
    same = {"filePath": "a.txt", "fileContent": b"two", "parentCommitId": put["commitId"]}
    assert error_of(codecommit.put_file, **request, **same)["Code"] == "SameFileContentException"
    found = codecommit.get_file(repositoryName=name, filePath="a.txt")
    assert (found["fileContent"], found["fileMode"], found["blobId"]) == (b"two", "NORMAL", put["blobId"])
    folder = codecommit.get_folder(repositoryName=name, folderPath="bin")
    assert [(f["absolutePath"], f["fileMode"]) for f in folder["files"]] == [("bin/run.sh", "EXECUTABLE")]
    commit = codecommit.get_commit(repositoryName=name, commitId=put["commitId"])["commit"]
    assert (commit["parents"], commit["author"]["name"]) == ([first["commitId"]], "Bob")
    gone = codecommit.delete_file(**request, filePath="a.txt", parentCommitId=put["commitId"])
    changed = codecommit.get_differences(
        repositoryName=name, beforeCommitSpecifier=first["commitId"], afterCommitSpecifier="main"
    )["differences"]
    assert [(d["changeType"], d["beforeBlob"]["path"]) for d in changed] == [("D", "a.txt")]
    assert [e["detail"].get("commitId") for e in events.take(3)] == [
        first["commitId"],
        put["commitId"],
        gone["commitId"],
    ]
    git("clone", "-q", url, "other", cwd=tmp_path)
    assert (tmp_path / "other" / "bin" / "run.sh").stat().st_mode & 0o111
    assert not (tmp_path / "other" / "a.txt").exists()


@pytest.mark.parametrize("path", ["../x", ".git/config", "a/../../b"])
def test_paths_that_leave_the_repository(aws, repository, path):
    request = {"repositoryName": repository[0], "branchName": "main", "filePath": path, "fileContent": b"x"}
    assert error_of(aws.codecommit.put_file, **request)["Code"] == "InvalidPathException"


def test_pull_requests_are_not_emulated(aws, repository):
    target = {"repositoryName": repository[0], "sourceReference": "x"}
    error = error_of(aws.codecommit.create_pull_request, title="t", targets=[target])
    assert error["Code"] == "UnsupportedOperation"
    assert "codecommit:CreatePullRequest is not emulated" in error["Message"]


# -- parts --------------------------------------------------------------------------------------------------
def test_the_commands_of_a_push():
    line = b"0" * 40 + b" " + b"a" * 40 + b" refs/heads/main\0report-status side-band-64k"
    data = io.BytesIO(b"%04x%s0000PACK..." % (len(line) + 4, line))
    commands = read_commands(data.read)
    assert [(c.old[0], c.new[0], c.reference) for c in commands] == [("0", "a", "refs/heads/main")]
    for broken in (b"", b"zzzz", b"0010", b"0003", b"0009hello0000"):
        with pytest.raises(ValueError):
            read_commands(io.BytesIO(broken).read)


@pytest.mark.parametrize(
    ("condition", "reference", "denied"),
    [
        ({}, "refs/heads/main", True),
        ({"StringEquals": {"codecommit:References": "refs/heads/main"}}, "refs/heads/main", True),
        ({"StringEquals": {"codecommit:References": "refs/heads/main"}}, "refs/heads/dev", False),
        ({"StringLike": {"codecommit:References": ["refs/heads/rel-*"]}}, "refs/heads/rel-1", True),
        ({"StringNotLike": {"codecommit:References": "refs/heads/dev*"}}, "refs/heads/main", True),
        ({"StringNotLike": {"codecommit:References": "refs/heads/dev*"}}, "refs/heads/dev/x", False),
        ({"Null": {"codecommit:References": False}}, None, False),
        ({"StringEquals": {"aws:SourceIp": "10.0.0.1"}}, "refs/heads/main", False),
    ],
)
def test_explicit_denies(condition, reference, denied):
    statement = {"Effect": "Deny", "Action": "codecommit:Git*", "Resource": "*", "Condition": condition}
    caller = Caller("123456789012", "arn:aws:iam::123456789012:user/x", [{"Statement": statement}])
    assert caller.denied("GitPush", "arn:aws:codecommit:us-east-1:123456789012:r", reference) is denied
    assert not caller.denied("PutFile", "arn:aws:codecommit:us-east-1:123456789012:r", reference)


@pytest.mark.slow
def test_the_archive_of_a_branch(tmp_path):
    from local_aws.server.app import LocalAwsApp
    from local_aws.services.codecommit import archive
    from local_aws.services.codecommit.repositories import Repositories

    app = LocalAwsApp(tmp_path)
    made = Repositories(app).create("demo", "", {}, "123456789012", "ap-south-1")
    copy = Copy(tmp_path / "copy", str(made.git.folder))
    commit = copy.commit({"a.txt": "1", "d/b.txt": "2"}, "two files\n\nand a reason")
    copy.push()
    found, message, data = archive(app, "demo", "main", region="ap-south-1")
    assert (found, message) == (commit, "two files\n\nand a reason")
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert packed.read("d/b.txt") == b"2"
