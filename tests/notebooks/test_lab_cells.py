"""Single cells of the labs, against stand-ins for what they call."""

import json
import sys
from types import SimpleNamespace

import pytest

from lab_lib.settings import LabError
from tools.labs import ROOT

DEPLOYMENT = ROOT / "nbs" / "01-ml-deploy" / "01-Pipeline-Deployment.ipynb"


def cell_with(notebook, text):
    """The source of the only code cell that holds the text."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (source,) = [source for source in sources if text in source]
    return source


class Command:
    """In the place of `subprocess.Popen`: notes that it was called."""

    called: list[list[str]]

    def __init__(self, command, **_):
        self.called.append(command)
        self.stdout, self.returncode = iter(["done\n"]), 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize(
    ("pipelines", "names", "deploys"),
    [
        (True, {"model_package_group": "tweets"}, False),
        (True, {"bucket": "of-00-only"}, True),  # 03 is missing
        (False, {"model_package_group": "tweets"}, True),  # 02 is missing
    ],
)
def test_stacks_that_are_there_are_left_alone(pipelines, names, deploys, capsys):
    """Studio's users may use what is deployed and may not deploy, and what somebody has chosen is not undone."""

    def find_pipelines(_):
        if not pipelines:
            raise LabError("not deployed")

    class Popen(Command):
        called = []

    scope = {
        "sys": sys,
        "LabError": LabError,
        "get_lab": lambda: SimpleNamespace(root=ROOT, boto_session=None, project="demo"),
        "find_pipelines": find_pipelines,
        "read_deployed_names": lambda session, project: names,
        "subprocess": SimpleNamespace(Popen=Popen, PIPE=-1, STDOUT=-2),
    }
    exec(cell_with(DEPLOYMENT, "tools.aws_stacks"), scope)
    assert [command[-2:] for command in Popen.called] == ([["tools.aws_stacks", "up"]] if deploys else [])
    assert capsys.readouterr().out == ("done\n" if deploys else "The stacks are deployed.\n")
