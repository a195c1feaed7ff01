"""`sql`: a statement on a running server."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from stonechat.cli.connection import DEFAULT_URL, AccessToken, Url
from stonechat.client import Remote
from stonechat.sql.statements import words_of
from stonechat.sql.with_clauses import with_clause


def sql(
    statement: Annotated[str, typer.Argument(help="A SELECT; name a FORMAT in it for another than PrettyCompact.")],
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Run a statement on a running server."""
    if not any(word.upper() == "FORMAT" for word in words_of(statement)):
        statement = f"{with_clause([], statement)}\nFORMAT PrettyCompact"
    with Remote(url, token) as remote:
        response = remote.sql(statement)
    sys.stdout.buffer.write(response.content)
