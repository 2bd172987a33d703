"""CodePipeline's errors as moto's responses raise them. Codes: CodePipeline API reference."""

from moto.core.exceptions import JsonRESTError


def error(code: str, message: str) -> JsonRESTError:
    """An error answer (HTTP 400) with this code."""
    return JsonRESTError(code, message)


def structure(message: str) -> JsonRESTError:
    return error("InvalidStructureException", message)


def declaration(message: str) -> JsonRESTError:
    return error("InvalidActionDeclarationException", message)


def no_pipeline(account: str, name: str) -> JsonRESTError:
    message = f"Account '{account}' does not have a pipeline with name '{name}'"
    return error("PipelineNotFoundException", message)
