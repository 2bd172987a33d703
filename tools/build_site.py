"""Build the site with jupyter-book: `python -m tools.build_site`.

The pages are laid out under build/site-source, with executed labs in the place of the notebooks that they
come from, so that the checkout stays as it is. A warning fails the build.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from tools import template_diagram, templates
from tools.labs import ROOT, RUNS

SOURCE = ROOT / "build" / "site-source"
SITE = ROOT / "build" / "site"
LOG = ROOT / "build" / "site.log"
INDEX = SITE / "_build" / "html" / "index.html"
_DIRECTIVE = re.compile(r"^#\|.*\n?", re.MULTILINE)


def for_readers(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook as a page: without nbdev's directives and papermill's marks."""
    cells = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code":
            cell.source = _DIRECTIVE.sub("", cell.source).strip("\n")
            if not cell.source:
                continue
            if "injected-parameters" in tags:
                cell.source = cell.source.replace("# Parameters", "# parameters of this run")
            cell.outputs = [output for output in cell.get("outputs", ()) if not _is_widget(output)]
        cell.metadata.pop("papermill", None)
        cells.append(cell)
    notebook.cells = cells
    for name in ("papermill", "widgets"):
        notebook.metadata.pop(name, None)
    return notebook


def _is_widget(output: nbformat.NotebookNode) -> bool:
    """A live display, which has nothing to show once the kernel is gone, or the empty text that it ends with."""
    data = output.get("data", {})
    return "application/vnd.jupyter.widget-view+json" in data or data.get("text/plain") == ""


def _write(notebook: Path, page: Path, title_suffix: str = "") -> None:
    content = for_readers(nbformat.read(notebook, as_version=4))
    if title_suffix:
        first = next(cell for cell in content.cells if cell.cell_type == "markdown")
        first.source = re.sub(r"^(# .*)$", rf"\1 {title_suffix}", first.source, count=1, flags=re.MULTILINE)
    page.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(content, page)


def _write_stacks(book: Path) -> None:
    """What the chapters on the stacks take from the templates: a diagram and three tables each."""
    for stack in templates.STACKS:
        (book / "images" / f"generated-{stack}.svg").write_text(template_diagram.svg(stack), encoding="utf-8")
        for name, table in templates.TABLES.items():
            (book / f"generated-{stack}-{name}.md").write_text(table(stack) + "\n", encoding="utf-8")


def coverage_table() -> str:
    """What local_aws emulates, as Markdown; in a process of its own, since loading its services changes moto."""
    command = [sys.executable, "-m", "local_aws.coverage"]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def lay_out() -> list[str]:
    """Write all pages under SOURCE; returns the labs that have not been run, whose pages have no outputs."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "book", SOURCE / "book")
    (SOURCE / "book" / "generated-coverage.md").write_text(coverage_table(), encoding="utf-8")
    _write_stacks(SOURCE / "book")
    for name in ("_toc.yml", "book/_config.yml"):
        shutil.copy(ROOT / name, SOURCE)
    for notebook in sorted((ROOT / "nbs" / "lib").glob("*.ipynb")):
        _write(notebook, SOURCE / notebook.relative_to(ROOT))
    missing = []
    for run in RUNS:
        if not run.output.exists():
            missing.append(run.name)
        page = SOURCE / run.source.relative_to(ROOT).with_name(f"{run.name}.ipynb")
        suffix = "(TensorFlow)" if run.parameters.get("framework") == "tensorflow" else ""
        _write(run.output if run.output.exists() else run.source, page, suffix)
    return missing


def main() -> int:
    """Entry point; returns the exit status."""
    missing = lay_out()
    if missing:
        print(f"Not run yet, so without outputs: {', '.join(missing)}. `make workshop` runs the labs.")
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [
        jupyter_book,
        "build",
        "--warningiserror",
        "--nitpick",
        "--keep-going",
        "--path-output",
        SITE,
        SOURCE,
    ]
    print("Building the site …", flush=True)
    with LOG.open("w", encoding="utf-8") as out:
        done = subprocess.run([str(part) for part in command], stdout=out, stderr=subprocess.STDOUT)
    if done.returncode:
        lines = LOG.read_text(encoding="utf-8").splitlines()
        problems = [line for line in lines if re.search(r"WARNING|ERROR|Error", line)] or lines[-20:]
        print(f"The site did not build (whole log: {LOG}):", *problems, sep="\n  ", file=sys.stderr)
        return 1
    print(f"The site: {INDEX}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
