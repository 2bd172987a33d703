"""CloudFormation's errors, by AWS's codes."""

from moto.core.exceptions import ServiceException


class ValidationError(ServiceException):
    """What the caller asked for cannot be done; the message says why, in AWS's words where they are known."""

    code = "ValidationError"


class AlreadyExists(ServiceException):
    code = "AlreadyExistsException"


class InsufficientCapabilities(ServiceException):
    code = "InsufficientCapabilitiesException"


class ChangeSetNotFound(ServiceException):
    code = "ChangeSetNotFound"


class InvalidChangeSetStatus(ServiceException):
    code = "InvalidChangeSetStatus"
