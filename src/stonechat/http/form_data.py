"""Parameters in a body of `multipart/form-data`, as a browser's `FormData` and `curl -F` send them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from stonechat.errors import Kind, StonechatError

FORM_DATA = "multipart/form-data"


class InvalidBody(StonechatError):
    """The body of a call is not the parameters that its content type announces."""

    code = "SC941"
    kind = Kind.INVALID


async def form_fields(request: Request, body: bytes) -> list[tuple[str, str]]:
    """The fields of a form in the order in which it has them. Raises `InvalidBody`."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(request.headers, pieces()).parse()
    except (MultiPartException, KeyError) as error:
        raise InvalidBody(f"The request body is not valid {FORM_DATA}: {error}") from error
    fields: list[tuple[str, str]] = []
    for name, value in form.multi_items():
        if not isinstance(value, str):
            raise InvalidBody(
                f"The parameter '{name}' is sent as a file", hint="Send it as a field without a file name."
            )
        fields.append((name, value))
    return fields
