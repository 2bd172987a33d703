"""The CloudFormation templates as data, and the tables of their READMEs.

`python -m tools.templates` writes the tables; `--check` only says which README differs from its template.
"""

from __future__ import annotations

import copy
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.labs import ROOT

FOLDER = ROOT / "infrastructure_templates"
STACKS = ("00-networking", "01-sagemaker-studio-environment", "02-ci-cd", "03-ml-environment")  # as deployed


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # ten times faster with libyaml
    """YAML with CloudFormation's short forms: `!Ref X` becomes {"Ref": X}, `!Sub X` {"Fn::Sub": X}."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def path(stack: str) -> Path:
    """The template file of `stack`, for example "00-networking"."""
    return FOLDER / stack / "template.yml"


def load(text: str) -> dict[str, Any]:
    """A template's text as a dict, functions in their long form. Raises `yaml.YAMLError` on bad YAML."""
    return copy.deepcopy(_loaded(text))


@cache
def _loaded(text: str) -> dict[str, Any]:
    return yaml.load(text, Loader=_Loader)


def template(stack: str) -> dict[str, Any]:
    """The template of `stack` as a dict, functions in their long form."""
    return load(path(stack).read_text(encoding="utf-8"))


def find(node: Any, key: str) -> list[Any]:
    """Every value that stands under `key` anywhere in `node`."""
    if isinstance(node, dict):
        return [value for name, value in node.items() if name == key] + [
            hit for value in node.values() for hit in find(value, key)
        ]
    if isinstance(node, list):
        return [hit for value in node for hit in find(value, key)]
    return []


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(parameter: dict[str, Any]) -> str:
    if "Default" not in parameter:
        return "**mandatory**"
    if parameter["Default"] == "":
        return "empty"
    return f"`{parameter['Default']}`"


def parameters_table(stack: str) -> str:
    """Name, default and meaning of each parameter, as Markdown."""
    rows = [_row("Parameter", "Default", "Meaning"), "|---|---|---|"]
    for name, parameter in template(stack)["Parameters"].items():
        text = parameter["Description"]
        if values := parameter.get("AllowedValues"):
            text += f" ({', '.join(f'`{value}`' for value in values)})"
        rows.append(_row(f"`{name}`", _default(parameter), text))
    return "\n".join(rows)


def outputs_table(stack: str) -> str:
    """Name and meaning of each output, as Markdown."""
    rows = [_row("Output", "Meaning"), "|---|---|"]
    for name, output in template(stack)["Outputs"].items():
        rows.append(_row(f"`{name}`", output["Description"]))
    return "\n".join(rows)


def stored_names(stack: str) -> dict[str, str]:
    """Last part of the name, and description, of each SSM parameter that the stack writes."""
    made = [
        r["Properties"] for r in template(stack)["Resources"].values() if r["Type"] == "AWS::SSM::Parameter"
    ]
    return {p["Name"]["Fn::Sub"].removeprefix("/${ProjectName}/"): p["Description"] for p in made}


def read_names(stack: str) -> set[str]:
    """Last part of the name of each SSM parameter that the template reads when a parameter is empty."""
    text = path(stack).read_text(encoding="utf-8")
    defaults = [p.get("Default", "") for p in template(stack)["Parameters"].values() if "SSM" in p["Type"]]
    return set(re.findall(r"\{\{resolve:ssm:/\$\{ProjectName\}/([a-z0-9-]+)\}\}", text)) | {
        default.rsplit("/", 1)[-1] for default in defaults
    }


def names_table(stack: str) -> str:
    """The SSM parameters that the stack writes, and which later stack reads them, as Markdown."""
    rows = [_row("SSM parameter", "Value", "Read by"), "|---|---|---|"]
    for name, text in stored_names(stack).items():
        readers = [f"{other[:2]}" for other in STACKS if name in read_names(other)]
        if name in _lab_names():
            readers.append("labs")
        if name.startswith("repository-") and stack.startswith("01"):
            readers.append("the JupyterLab space")
        rows.append(_row(f"`/PROJECT/{name}`", text, ", ".join(readers) or "people and scripts"))
    return "\n".join(rows)


def _lab_names() -> set[str]:
    from lab_lib.settings import SSM_PARAMETERS

    return set(SSM_PARAMETERS.values())


TABLES = {"parameters": parameters_table, "outputs": outputs_table, "names": names_table}


def with_tables(stack: str, text: str) -> str:
    """`text` with what stands between `<!-- parameters -->` and `<!-- end -->` (and so on) made anew."""
    for name, table in TABLES.items():
        block = f"<!-- {name} -->\n{table(stack)}\n<!-- end -->"
        text, count = re.subn(
            rf"<!-- {name} -->\n.*?<!-- end -->", lambda _, b=block: b, text, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"{stack}: its README needs one <!-- {name} --> … <!-- end -->")
    return text


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    check = "--check" in (sys.argv[1:] if argv is None else argv)
    status = 0
    for stack in STACKS:
        readme = FOLDER / stack / "README.md"
        text = readme.read_text(encoding="utf-8")
        new = with_tables(stack, text)
        if new == text:
            continue
        if check:
            print(f"{readme.relative_to(ROOT)} differs from its template. Run: python -m tools.templates")
            status = 1
        else:
            readme.write_text(new, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
