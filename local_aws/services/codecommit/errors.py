"""CodeCommit's errors, by the names and wording of the CodeCommit API reference."""

from moto.core.exceptions import JsonRESTError


class CodeCommitError(JsonRESTError):
    """`CodeCommitError("BranchDoesNotExistException", "…")`, answered with status 400."""

    code = 400

    def __init__(self, name: str, message: str):
        super().__init__(name, message)
        self.error, self.sentence = name, message
