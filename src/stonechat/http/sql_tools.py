"""What editors ask about SQL before it runs: `/v0/sql_format` and `/v0/sql_tables`. Nothing here reads data."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.http.authentication import Authenticator
from stonechat.http.form_data import InvalidBody
from stonechat.http.request_values import last_value, request_values
from stonechat.query.execute import QueryService
from stonechat.query.statement import require_short
from stonechat.sql.gate import NotASelect
from stonechat.sql.quoting import literal
from stonechat.sql.references import Ask, classify
from stonechat.sql.statements import TokenKind, tokens
from stonechat.template.render import MARK, Template

_TEMPLATE_MARKS = ("{{", "{%", "{#")
_METHODS = ["GET", "POST"]


def routes(authenticator: Authenticator, queries: QueryService) -> list[Route]:
    """SQL laid out, and the tables that it reads. Any valid token may ask."""

    async def format_sql(request: Request) -> Response:
        authenticator.caller(request)
        statement = await _statement(request)
        return JSONResponse({"q": await queries.asked(formatted, statement)})

    async def list_tables(request: Request) -> Response:
        authenticator.caller(request)
        statement = await _statement(request)
        return JSONResponse({"tables": await queries.asked(tables, statement)})

    return [
        Route("/v0/sql_format", format_sql, methods=_METHODS),
        Route("/v0/sql_tables", list_tables, methods=_METHODS),
    ]


def formatted(statement: str, ask: Ask) -> str:
    """The statement as the engine lays it out.

    What the engine would lose stays as it is written: comments, the rows of an INSERT, and a template with more than
    its mark `%`. Raises the engine's refusal of what is not SQL, comments or not.
    """
    text = statement.lstrip()
    mark = f"{MARK}\n" if text.startswith(MARK) else ""
    text = text.removeprefix(MARK) if mark else text
    if mark and any(sign in text for sign in _TEMPLATE_MARKS):
        Template.compile(statement, name="q")
        return statement
    laid_out = ask(f"SELECT formatQuery({literal(text)})").rstrip("\n")
    inserts = text.split(maxsplit=1)[0].upper() == "INSERT"
    if inserts or any(token.kind is TokenKind.COMMENT for token in tokens(text)):
        return statement
    return mark + laid_out


def tables(statement: str, ask: Ask) -> list[list[str]]:
    """The `[database, table]` pairs that a SELECT names, in order; the database is empty where the SELECT has none.

    A template is rendered with dummies for its parameters. Raises `NotASelect`, or what reading the statement does.
    """
    if statement.lstrip().startswith(MARK):
        statement = Template.compile(statement, name="q").placeholder().sql
    references = classify(statement, ask)
    if references.statement != "SELECT":
        raise NotASelect(references.statement)
    return sorted([database or "", table] for database, table in references.tables)


async def _statement(request: Request) -> str:
    values = await request_values(request, raw_key="q")
    statement = last_value(values.get("q"))
    if not statement:
        raise InvalidBody("The parameter 'q' is missing", hint=f"Call {request.url.path}?q=SELECT...")
    require_short(statement)
    return statement
