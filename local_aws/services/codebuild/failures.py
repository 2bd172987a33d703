"""How a phase fails: the status code and message of its context (CodeBuild API, `PhaseContext`)."""


class PhaseFailed(Exception):
    """Ends a phase. `code`: YAML_FILE_ERROR, CLIENT_ERROR, COMMAND_EXECUTION_ERROR …; `status`: the phase's."""

    def __init__(self, code: str, message: str, status: str = "FAILED"):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
