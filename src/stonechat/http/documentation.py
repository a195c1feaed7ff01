"""`GET /docs`: a page for people on top of the OpenAPI document. One file, no other origin, nothing secret in it.

The page asks for a token and reads the document with it. Its policy lets only its own script and style run, so that
nothing in a description could, even if the page did not write all of it as text.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

PAGE = Path(__file__).with_name("documentation.html").read_text(encoding="utf-8")


def _digests(tag: str) -> str:
    """The sources that a policy names for the page's inline elements of a tag."""
    texts = re.findall(f"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts)


_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_digests('script')}; style-src {_digests('style')}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def routes() -> list[Route]:
    """The page."""

    async def show(_request: Request) -> Response:
        return HTMLResponse(PAGE, headers=_HEADERS)

    return [Route("/docs", show, methods=["GET"])]
