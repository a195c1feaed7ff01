"""Answers that are files of a project."""

from __future__ import annotations

from starlette.responses import Response


def datafile_response(text: str) -> Response:
    """The text of a file. Without a charset, for `tb` takes any other type than this very one for JSON."""
    return Response(text, headers={"content-type": "text/plain"})
