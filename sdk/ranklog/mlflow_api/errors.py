"""What is wrong with a call of MLflow's API, as its clients know it. Pure."""

from __future__ import annotations

INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"
EXISTS = "RESOURCE_ALREADY_EXISTS"
STATE = "INVALID_STATE"
UNKNOWN_ENDPOINT = "ENDPOINT_NOT_FOUND"
NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
UNAVAILABLE = "TEMPORARILY_UNAVAILABLE"
INTERNAL = "INTERNAL_ERROR"
UNAUTHENTICATED = "UNAUTHENTICATED"
DENIED = "PERMISSION_DENIED"

STATUSES = {
    INVALID: 400,
    EXISTS: 400,
    STATE: 400,
    UNAUTHENTICATED: 401,
    DENIED: 403,
    MISSING: 404,
    UNKNOWN_ENDPOINT: 404,
    INTERNAL: 500,
    NOT_IMPLEMENTED: 501,
    UNAVAILABLE: 503,
}
"""Of HTTP. Clients repeat what is answered with 500, 502, 503 or 504, so that is for what passes."""


class MlflowError(Exception):
    """A call that cannot be met: `code` is one of MLflow's error codes, the message says what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return STATUSES[self.code]


def invalid(message: str) -> MlflowError:
    """The call makes no sense."""
    return MlflowError(INVALID, message)


def missing(message: str) -> MlflowError:
    """What the call is about is not there."""
    return MlflowError(MISSING, message)
