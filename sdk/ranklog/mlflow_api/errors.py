"""What is wrong with a call of MLflow's API, in its own terms."""

from __future__ import annotations

INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"
UNAVAILABLE = "TEMPORARILY_UNAVAILABLE"
NOT_IMPLEMENTED = "NOT_IMPLEMENTED"


class ApiError(Exception):
    """A call that is refused: `code` is MLflow's error code, the text says what is wrong."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def invalid(text: str) -> ApiError:
    """Give the error for an argument that cannot be."""
    return ApiError(INVALID, text)
