"""Where a local AWS keeps its state and on which port it answers.

Order: an explicit argument, then `LOCAL_AWS_HOME` / `LOCAL_AWS_PORT`, then `[tool.local_aws]` of the nearest
`pyproject.toml` at or above the working directory, then `~/.local_aws` and port 5599.
"""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

ACCOUNT_ID = "123456789012"
DEFAULT_REGION = "us-east-1"
DEFAULT_PORT = 5599
DUMMY_ACCESS_KEY = "LOCALAWSACCESSKEYID0"
DUMMY_SECRET_KEY = "local-aws-needs-no-secret"


class LocalAwsError(RuntimeError):
    """Something about the local AWS that its user can mend; the message says how."""


@dataclass(frozen=True)
class Settings:
    """`home`: absolute folder of the state. `port`: TCP port on 127.0.0.1; 0 lets the system choose."""

    home: Path
    port: int


def _project_section(start: Path) -> tuple[Path, dict] | None:
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            section = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("local_aws")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise LocalAwsError(
                f"{file} cannot be read as TOML ({error}). Mend it, or pass --home."
            ) from error
        if section is not None:
            return folder, section
    return None


def _port(value: object, source: str) -> int:
    try:
        port = int(str(value))
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise LocalAwsError(f"{source} is {value!r}, which is no TCP port. Give a number from 1 to 65535.")
    return port


def load_settings(home: Path | str | None = None, port: int | None = None) -> Settings:
    """The settings for this working directory. Raises `LocalAwsError` for a file or value that cannot be
    read."""
    found = None if home is not None and port is not None else _project_section(Path.cwd())
    folder, section = found or (Path.home(), {})
    if home is None:
        env_home = os.environ.get("LOCAL_AWS_HOME")
        home = Path(env_home).expanduser() if env_home else folder / section.get("home", ".local_aws")
    if port is None:
        if env_port := os.environ.get("LOCAL_AWS_PORT"):
            port = _port(env_port, "LOCAL_AWS_PORT")
        else:
            port = _port(section.get("port", DEFAULT_PORT), "port in [tool.local_aws]")
    return Settings(home=Path(home).expanduser().resolve(), port=_port(port, "the port"))
