"""Filling the two repositories, without a server: `lab_lib.seed`."""

import io
import shutil
from datetime import datetime
from types import SimpleNamespace

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto import mock_aws

from lab_lib import seed
from lab_lib.settings import LabError
from tools.labs import ROOT

URL = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/demo"
WHEN = datetime(2026, 1, 2, 3, 4, 5)


def session(token=None):
    return boto3.Session("AKIAEXAMPLE", "secret", token, region_name="eu-west-1")


class TestCredentials:
    def test_the_signature_is_the_one_that_botocore_would_make(self):
        """Of a request GIT for the path, with the host as its only header: AWS's credential helper signs that."""
        signer = SigV4Auth(Credentials("AKIAEXAMPLE", "secret"), "codecommit", "eu-west-1")
        request = AWSRequest("GIT", URL)
        request.context["timestamp"] = "20260102T030405"
        path = "GIT\n/v1/repos/demo\n\nhost:git-codecommit.eu-west-1.amazonaws.com\n\nhost\n"
        wanted = signer.signature(signer.string_to_sign(request, path), request)
        user, password = seed.git_credentials(session(), URL, "eu-west-1", WHEN)
        assert (user, password) == ("AKIAEXAMPLE", f"20260102T030405Z{wanted}")

    def test_a_session_token_goes_with_the_user_name(self):
        user, _ = seed.git_credentials(session("the-token"), URL, "eu-west-1", WHEN)
        assert user == "AKIAEXAMPLE%the-token"

    def test_no_credentials(self):
        nobody = SimpleNamespace(get_credentials=lambda: None)
        with pytest.raises(LabError, match="No AWS credentials.*aws configure"):
            seed.git_credentials(nobody, URL, "eu-west-1")

    @pytest.mark.parametrize("action", ["store", "erase"])
    def test_git_stores_nothing_here(self, action, monkeypatch, capsys):
        monkeypatch.setattr(seed, "start_local_backend", lambda region: pytest.fail("not asked for"))
        monkeypatch.setattr("sys.stdin", io.StringIO("protocol=http\nhost=127.0.0.1\n\n"))
        assert seed.main(["credential", action]) == 0
        assert capsys.readouterr().out == ""


class TestVersion:
    @pytest.fixture
    def checkout(self, tmp_path):
        shutil.copytree(ROOT / "lab_lib", tmp_path / "lab_lib", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "seed_code", tmp_path / "seed_code")
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copyfile(ROOT / name, tmp_path / name)
        return tmp_path

    def test_it_changes_with_the_code_and_with_the_dependencies_and_with_nothing_else(self, checkout):
        first = seed.package_version(checkout)
        assert first == seed.package_version(ROOT)
        (checkout / "README.md").write_text("new")
        (checkout / "lab_lib" / "notes.txt").write_text("new")
        assert seed.package_version(checkout) == first
        module = checkout / "lab_lib" / "delivery.py"
        module.write_text(module.read_text() + "\n")
        second = seed.package_version(checkout)
        module.rename(module.with_name("renamed.py"))
        third = seed.package_version(checkout)
        versions = {first, second, third}
        for name in ("pyproject.toml", "constraints.txt"):
            (checkout / name).write_text((checkout / name).read_text() + "\n")
            versions.add(seed.package_version(checkout))
        assert len(versions) == 5 and len({version.partition("+")[0] for version in versions}) == 1

    def test_a_seed_is_pinned_to_it(self, checkout, tmp_path):
        folder = tmp_path / "copy"
        seed.fill(folder, "training", checkout)
        lines = (folder / "requirements.txt").read_text().splitlines()
        assert f"{seed.PACKAGE}=={seed.package_version(checkout)}" in lines
        requirements = checkout / "seed_code" / seed.SEEDS["training"] / "requirements.txt"
        requirements.write_text("boto3\n")
        with pytest.raises(LabError, match=rf"must have one line {seed.PACKAGE}==VERSION; it has 0"):
            seed.fill(folder, "training", checkout)


def test_a_wheel_that_is_there_is_not_uploaded_again(tmp_path):
    wheel = tmp_path / "a-1-py3-none-any.whl"
    wheel.write_bytes(b"first")
    with mock_aws():
        lab = SimpleNamespace(bucket="demo-bucket", client=boto3.Session(region_name="us-east-1").client)
        s3 = lab.client("s3")
        s3.create_bucket(Bucket=lab.bucket)
        assert seed.upload_wheel(lab, wheel) == "s3://demo-bucket/packages/a-1-py3-none-any.whl"
        wheel.write_bytes(b"second")
        seed.upload_wheel(lab, wheel)
        body = s3.get_object(Bucket=lab.bucket, Key="packages/a-1-py3-none-any.whl")["Body"]
        assert body.read() == b"first"


def test_only_what_changed_is_committed_and_a_folder_of_others_is_left_alone(tmp_path):
    bare, folder = tmp_path / "bare.git", tmp_path / "copy"
    seed.git("init", "--quiet", "--bare", str(bare))
    repository = seed.Repository("training", "demo", str(bare))
    seed.checkout(repository, folder)
    (folder / "a.txt").write_text("1")
    first = seed.commit_and_push(folder, "one")
    assert seed.commit_and_push(folder, "two") is None
    (folder / "a.txt").unlink()
    second = seed.commit_and_push(folder, "three")
    assert seed.git("rev-list", "main", folder=bare).split() == [second, first]
    (folder / "lost.txt").write_text("not committed")
    assert not (seed.checkout(repository, folder) / "lost.txt").exists()  # a fresh clone
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(LabError, match="exists and is not a clone"):
        seed.checkout(repository, mine)
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_another_projects_clone_is_left_alone(tmp_path, capsys):
    repository = seed.Repository("training", "demo", str(tmp_path / "demo"))
    seed.git("init", "--quiet", "--bare", str(tmp_path / "demo"))
    seed.git("init", "--quiet", str(tmp_path / "mine"))
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for origin in (None, "https://example.com/thesis"):
        if origin:
            seed.git("remote", "add", "origin", origin, folder=tmp_path / "mine")
        with pytest.raises(LabError, match="mine exists and is not a clone of demo"):
            seed.checkout(repository, tmp_path / "mine")
    # the command replaces nothing, not even a clone of the same repository
    assert seed.main(["clone", "training", str(tmp_path / "mine")]) == 1
    assert "mine exists already. Name another folder" in capsys.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
