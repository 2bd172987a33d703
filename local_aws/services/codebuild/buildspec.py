"""buildspec.yml, version 0.2 (CodeBuild User Guide, "Build specification reference").

What CodeBuild would do and local_aws does not is an error, or a note that the build's log shows; never silent.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import yaml

PHASES = ("install", "pre_build", "build", "post_build")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TRUE, _FALSE = ("yes", "true", "on"), ("no", "false", "off", "")


class BuildspecError(ValueError):
    """The buildspec cannot be used; the message says what is wrong and on which line."""


@dataclass
class Phase:
    """`on_failure`: ABORT or CONTINUE, None when the buildspec does not say. `runtimes`: {"python": "3.11"}."""

    commands: list[str] = field(default_factory=list)
    finally_: list[str] = field(default_factory=list)
    on_failure: str | None = None
    runtimes: dict[str, str] = field(default_factory=dict)


@dataclass
class Artifacts:
    """What to upload. `files` and `exclude` are patterns below `base` (or the source folder)."""

    files: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    base: str | None = None
    discard_paths: bool = False
    name: str | None = None


@dataclass
class Buildspec:
    """A buildspec that can run. `parameters` and `secrets`: {variable: reference}; `notes`: for the log."""

    shell: str = "sh"
    variables: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    exported: list[str] = field(default_factory=list)
    git_credentials: bool = False
    phases: dict[str, Phase] = field(default_factory=dict)
    artifacts: Artifacts | None = None
    secondary: dict[str, Artifacts] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _pairs(node: yaml.Node, where: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """(key, key's node, value's node) of a mapping."""
    if not isinstance(node, yaml.MappingNode):
        raise BuildspecError(f"{where} must be a mapping ({_line(node)})")
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise BuildspecError(f"a key of {where} is not a word ({_line(key)})")
        if key.value in seen:
            raise BuildspecError(f"{where} has {key.value} twice ({_line(key)})")
        seen.add(key.value)
        yield key.value, key, value


def _keys(node: yaml.Node, where: str, known: dict[str, Callable[[yaml.Node], None]]) -> None:
    """Hand each value of a mapping to its reader; an unknown key is an error that lists the known ones."""
    for name, key, value in _pairs(node, where):
        if name not in known:
            raise BuildspecError(
                f"{where} has the unknown key {name} ({_line(key)}); known are {', '.join(sorted(known))}"
            )
        known[name](value)


def _scalar(node: yaml.Node, where: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        kind = "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
        hint = "; put quotes around a text that holds a colon and a space" if kind == "a mapping" else ""
        raise BuildspecError(f"{where} must be a string, but it is {kind} ({_line(node)}){hint}")
    return "" if node.tag == "tag:yaml.org,2002:null" else node.value


def _empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _list(node: yaml.Node, where: str) -> list[str]:
    if _empty(node):
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise BuildspecError(f"{where} must be a list ({_line(node)})")
    return [_scalar(item, f"{where}[{index}]") for index, item in enumerate(node.value)]


def _map(node: yaml.Node, where: str, identifiers: bool = True) -> dict[str, str]:
    if _empty(node):
        return {}
    found = {}
    for name, key, value in _pairs(node, where):
        if identifiers and not _NAME.fullmatch(name):
            raise BuildspecError(f"{name!r} in {where} is no name of an environment variable ({_line(key)})")
        found[name] = _scalar(value, f"{where}.{name}")
    return found


def _flag(node: yaml.Node, where: str) -> bool:
    text = _scalar(node, where).lower()
    if text not in _TRUE + _FALSE:
        raise BuildspecError(f"{where} must be yes or no, not {text} ({_line(node)})")
    return text in _TRUE


def _refuse(where: str, instead: str) -> Callable[[yaml.Node], None]:
    def reader(node: yaml.Node) -> None:
        raise BuildspecError(f"{where} is not emulated by local_aws ({_line(node)}). {instead}")

    return reader


class _Reader:
    """Reads a composed document into a Buildspec."""

    def __init__(self) -> None:
        self.spec = Buildspec()
        self.version: str | None = None

    def _setter(self, target: object, name: str, read: Callable, where: str) -> Callable[[yaml.Node], None]:
        return lambda node: setattr(target, name, read(node, where))

    def _note(self, text: str) -> Callable[[yaml.Node], None]:
        return lambda node: self.spec.notes.append(f"{text} ({_line(node)})")

    def document(self, node: yaml.Node) -> Buildspec:
        _keys(
            node,
            "the buildspec",
            {
                "version": self._version,
                "run-as": _refuse("run-as", "Commands run as the user who started the server."),
                "env": self._env,
                "proxy": self._note("proxy is not emulated by local_aws: ignored"),
                "batch": _refuse("batch", "Start a build for each of the batch's builds."),
                "phases": self._phases,
                "reports": self._note("reports are not emulated by local_aws: no test report is made"),
                "artifacts": self._artifacts,
                "cache": self._note("cache is not emulated by local_aws: nothing is cached"),
            },
        )
        if self.version is None:
            raise BuildspecError("the buildspec has no version; write version: 0.2 in its first line")
        if not self.spec.phases:
            raise BuildspecError("the buildspec has no phases, so that there is nothing to run")
        return self.spec

    def _version(self, node: yaml.Node) -> None:
        self.version = _scalar(node, "version")
        if self.version == "0.1":
            raise BuildspecError(
                f"buildspec version 0.1 is not emulated by local_aws ({_line(node)}). Write version: 0.2"
            )
        if self.version != "0.2":
            raise BuildspecError(
                f"buildspec version {self.version} does not exist; write 0.2 ({_line(node)})"
            )

    def _env(self, node: yaml.Node) -> None:
        if _empty(node):
            return
        spec = self.spec
        _keys(
            node,
            "env",
            {
                "shell": self._shell,
                "variables": self._setter(spec, "variables", _map, "env.variables"),
                "parameter-store": self._setter(spec, "parameters", _map, "env.parameter-store"),
                "secrets-manager": self._setter(spec, "secrets", _map, "env.secrets-manager"),
                "exported-variables": self._exported,
                "git-credential-helper": self._setter(
                    spec, "git_credentials", _flag, "env.git-credential-helper"
                ),
            },
        )

    def _shell(self, node: yaml.Node) -> None:
        shell = _scalar(node, "env.shell")
        if shell not in ("sh", "bash", "/bin/sh", "/bin/bash"):
            raise BuildspecError(
                f"env.shell {shell} is not emulated by local_aws; write bash or sh ({_line(node)})"
            )
        self.spec.shell = shell.rsplit("/", 1)[-1]

    def _exported(self, node: yaml.Node) -> None:
        self.spec.exported = _list(node, "env.exported-variables")
        for name in self.spec.exported:
            if not _NAME.fullmatch(name):
                raise BuildspecError(f"{name!r} is no name of an environment variable ({_line(node)})")

    def _phases(self, node: yaml.Node) -> None:
        _keys(
            node,
            "phases",
            {name: (lambda value, name=name: self._phase(name, value)) for name in PHASES},
        )

    def _phase(self, name: str, node: yaml.Node) -> None:
        phase = self.spec.phases[name] = Phase()
        if _empty(node):
            return
        where = f"phases.{name}"
        known = {
            "commands": self._setter(phase, "commands", _list, f"{where}.commands"),
            "finally": self._setter(phase, "finally_", _list, f"{where}.finally"),
            "on-failure": lambda value: self._on_failure(phase, value, where),
            "run-as": _refuse(f"{where}.run-as", "Commands run as the user who started the server."),
        }
        if name == "install":
            known["runtime-versions"] = lambda value: phase.runtimes.update(
                _map(value, f"{where}.runtime-versions", identifiers=False)
            )
        _keys(node, where, known)

    @staticmethod
    def _on_failure(phase: Phase, node: yaml.Node, where: str) -> None:
        value = _scalar(node, f"{where}.on-failure")
        if value.startswith("RETRY"):
            raise BuildspecError(f"on-failure {value} is not emulated by local_aws ({_line(node)})")
        if value not in ("ABORT", "CONTINUE"):
            raise BuildspecError(f"{where}.on-failure must be ABORT or CONTINUE, not {value} ({_line(node)})")
        phase.on_failure = value

    def _artifacts(self, node: yaml.Node) -> None:
        if not _empty(node):
            found = self._artifact(node, "artifacts", top=True)
            self.spec.artifacts = found if found.files else None

    def _artifact(self, node: yaml.Node, where: str, top: bool) -> Artifacts:
        found = Artifacts()
        known = {
            "files": self._setter(found, "files", _list, f"{where}.files"),
            "exclude-paths": self._setter(found, "exclude", _list, f"{where}.exclude-paths"),
            "base-directory": self._setter(found, "base", _scalar, f"{where}.base-directory"),
            "discard-paths": self._setter(found, "discard_paths", _flag, f"{where}.discard-paths"),
            "name": self._setter(found, "name", _scalar, f"{where}.name"),
            "enable-symlinks": self._note("enable-symlinks is not emulated by local_aws: links are followed"),
            "s3-prefix": _refuse(f"{where}.s3-prefix", "Set the artifact's path in the project."),
        }
        if top:
            known["secondary-artifacts"] = self._secondary
        _keys(node, where, known)
        if not found.files and not (top and self.spec.secondary):
            raise BuildspecError(f"{where} has no files ({_line(node)})")
        return found

    def _secondary(self, node: yaml.Node) -> None:
        for name, _, value in _pairs(node, "artifacts.secondary-artifacts"):
            self.spec.secondary[name] = self._artifact(
                value, f"artifacts.secondary-artifacts.{name}", top=False
            )


def parse(text: str) -> Buildspec:
    """The buildspec of a YAML text. `BuildspecError` names the line of what is wrong."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1})" if mark else ""
        raise BuildspecError(f"the buildspec is not YAML: {error.problem or error}{where}") from None
    except yaml.YAMLError as error:
        raise BuildspecError(f"the buildspec is not YAML: {error}") from None
    if node is None:
        raise BuildspecError("the buildspec is empty")
    return _Reader().document(node)
