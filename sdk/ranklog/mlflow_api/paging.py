"""Tokens that say where the next page begins. Pure."""

from __future__ import annotations

import base64
import binascii
import json

from ranklog.mlflow_api.errors import invalid

_OFFSET_MAX = 1 << 60


def token(offset: int) -> str:
    """Of the page that begins there."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def offset(page_token: str) -> int:
    """Where the page of a token begins; without one it is the first."""
    if not page_token:
        return 0
    try:
        found = json.loads(base64.b64decode(page_token))["offset"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise invalid("Invalid page token: it could not be base64-decoded to an offset") from None
    if type(found) is not int or not 0 <= found <= _OFFSET_MAX:
        raise invalid(f"Invalid page token: {found!r} is no offset")
    return found
