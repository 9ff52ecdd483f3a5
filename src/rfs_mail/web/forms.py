"""Reading a form: both encodings of RFC 8058 section 3.2, never more than a few kilobytes, no files."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import Message

from rfs_mail.errors import UsageError

SMALL: Final = 4 * 1024
"""Octets of an unsubscribe, an undo or an answer."""

LARGE: Final = 32 * 1024
"""Octets of the preferences, which hold a free text."""

_FIELDS: Final = 100


class FormError(UsageError):
    """This is not a form we can read. `status` is 400, or 413 where it is too long."""

    def __init__(self, status: int = 400) -> None:
        super().__init__("What was sent is no form of ours. Open the page again and press its button.")
        self.status = status


async def read_form(request: Request, limit: int = SMALL) -> Mapping[str, str]:
    """
    The fields of a form by name; the first value where one comes twice.

    Raises FormError for a body that is longer than `limit` octets, of another type, or damaged.
    """
    body = await _body(request, limit)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", ""):
        return _urlencoded(body)
    if kind == "multipart/form-data":
        return await _multipart(request, body)
    raise FormError


async def _body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise FormError(413)
    return bytes(body)


def _urlencoded(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("utf-8").strip(), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError:
        raise FormError from None
    return dict(reversed(pairs))


async def _multipart(request: Request, body: bytes) -> dict[str, str]:
    async def replay() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, replay).form(max_files=0, max_fields=_FIELDS) as form:
            pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    except (HTTPException, ValueError, KeyError):
        raise FormError from None
    return dict(reversed(pairs))
