"""SCHEMA: its text to columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stonechat.datafile.expressions import Token, Unclosed, group_end, source, split_at_commas, tokens
from stonechat.datafile.problems import DatafileProblem, Findings
from stonechat.datafile.resources import Column
from stonechat.datafile.spans import Span
from stonechat.datafile.values import SECRET
from stonechat.errors import Position
from stonechat.sql.types import DataType, InvalidType, parse_type

_BARE_NAME = re.compile(r"(?!')(?:(?!--)[A-Za-z0-9._*<>+'-])+")
_JSON_MARK = "json:"
_DOUBLE_QUOTED = re.compile(r"\"([^\"']*)\"")
_JSONPATH = re.compile(r"""[$#](?:\.?\[(?:'[^'`]+'|"[^"`]+"|[0-9]{1,9}|:)\]|\.[^.\[\]`]+)*""")


class InvalidColumn(DatafileProblem):
    """A line of SCHEMA is no column."""

    code = "SC121"


class InvalidColumnType(DatafileProblem):
    """A column has a type that ClickHouse does not know, or that data sources do not take."""

    code = "SC122"


class RefusedClause(DatafileProblem):
    """A clause of CREATE TABLE that SCHEMA does not take."""

    code = "SC123"


class MissingValue(DatafileProblem):
    """DEFAULT or CODEC without what they say."""

    code = "SC124"

    def __init__(self, clause: str, position: Position) -> None:
        super().__init__(f"Missing mandatory value for {clause}", position)


_REFUSED_CLAUSES = {
    "NULL": ("NULL is not supported in SCHEMA", "Use Nullable(...) as the type"),
    "NOT": ("NOT NULL is not supported in SCHEMA", "Columns are not nullable by default"),
    "MATERIALIZED": ("MATERIALIZED columns are not supported", "Use DEFAULT, or a materialized pipe"),
    "ALIAS": ("ALIAS columns are not supported", "Use DEFAULT, or select the expression in a pipe"),
    "TTL": ("Column TTL is not supported", "Use ENGINE_TTL for the whole data source"),
}
_CLAUSES = frozenset({"DEFAULT", "CODEC", *_REFUSED_CLAUSES})


def read_columns(schema: Span, findings: Findings) -> tuple[Column, ...]:
    """The columns of a SCHEMA block. One that is wrong is reported, and returned as far as it was understood.

    No columns at all are returned where a quotation or parenthesis is not closed: nobody knows which ones follow.
    """
    try:
        found = tokens(schema, leading=_BARE_NAME)
    except Unclosed as problem:
        _columns(schema, problem.before, findings)
        findings.report(problem)
        return ()
    if not found:
        hint = "Write one column a line, indented"
        findings.report(InvalidColumn("SCHEMA has comments and no columns", schema.at(0), hint=hint))
    columns = _columns(schema, found, findings)
    _check_texts(columns, findings)
    return columns


def _columns(schema: Span, found: Sequence[Token], findings: Findings) -> tuple[Column, ...]:
    columns: dict[str, Column] = {}
    index = 0
    for run in split_at_commas(found):
        with findings.collecting():
            if run:
                reader = _ColumnReader(schema, run)
                name, position = reader.name(), schema.at(run[0].start)
                if name in columns:
                    raise InvalidColumn(f"Column '{name}' is defined twice", position)
                columns[name] = Column(name, DataType(""), None, None, None, position)
                columns[name] = reader.column(name, position)
            elif index < len(found):
                raise InvalidColumn("Expected a column, found ','", schema.at(found[index].start))
        index += len(run) + 1
    return tuple(columns.values())


def _check_texts(columns: Sequence[Column], findings: Findings) -> None:
    """Report each DEFAULT that is a text in the wrong quotes: the engine would tell of names of its own."""
    names = {column.name for column in columns}
    for column in columns:
        quoted = _DOUBLE_QUOTED.fullmatch(column.default or "")
        if quoted and quoted[1] not in names:
            hint = f"Text stands in single quotes: DEFAULT '{quoted[1]}'"
            message = f"The DEFAULT of '{column.name}' is the column '{quoted[1]}', which SCHEMA has not"
            findings.report(InvalidColumn(message, column.position, hint=hint))


@dataclass(slots=True)
class _Clauses:
    """What may follow a column's type, each at most once."""

    jsonpath: str | None = None
    default: str | None = None
    codec: str | None = None


class _ColumnReader:
    """Reads the tokens of one column from left to right."""

    def __init__(self, schema: Span, run: Sequence[Token]) -> None:
        self._schema = schema
        self._run = run
        self._index = 0

    def column(self, name: str, position: Position) -> Column:
        """The column of that name from all that follows the name."""
        clauses = _Clauses()
        data_type = self._type()
        if not data_type.name and self._index < len(self._run) and _is_jsonpath(self._run[self._index]):
            self._clause(clauses)
            data_type = self._type()
        while self._index < len(self._run):
            self._clause(clauses)
        if not data_type.name and clauses.default is None:
            raise InvalidColumn(f"Column '{name}' needs a type or a DEFAULT", position)
        secret_type = SECRET.search(data_type.name) is not None
        column = Column(name, data_type, clauses.jsonpath, clauses.default, clauses.codec, position, secret_type)
        says_nothing = column.nullable and (column.default or "").upper() == "NULL"
        return replace(column, default=None) if says_nothing else column

    def name(self) -> str:
        """The column's name, which comes first."""
        token = self._run[0]
        name = token.name
        if not name or _is_jsonpath(token) or token.text.startswith('"'):
            hint = "Put names with other characters than A-Z a-z 0-9 . _ * < > + - ' in backticks"
            raise InvalidColumn(f"Expected a column name, found '{token.text}'", self._at(token), hint=hint)
        if any(character.isspace() for character in name):
            raise InvalidColumn(f"Column name '{name}' has white space in it", self._at(token))
        if token.upper == "INDEX" and any(other.upper == "TYPE" for other in self._run[2:]):
            raise RefusedClause("INDEX is not supported in SCHEMA", self._at(token), hint="Write it under INDEXES >")
        self._index = 1
        return name

    def _type(self) -> DataType:
        start = self._index
        if start == len(self._run):
            return DataType("")
        first = self._run[start]
        secret = SECRET.match(self._schema.text, first.start)
        if not secret and (first.kind != "word" or first.upper in _CLAUSES):
            return DataType("")
        end = secret.end() if secret else first.end
        while self._index < len(self._run) and self._run[self._index].start < end:
            self._index += 1
        if self._text_at(self._index) == "(":
            self._index = group_end(self._run, self._index)
        return self._parsed(first, self._run[self._index - 1])

    def _parsed(self, first: Token, last: Token) -> DataType:
        text = self._schema.text[first.start : last.end]
        if SECRET.search(text):
            return DataType(text)
        try:
            return _with_null_inside(parse_type(text))
        except InvalidType as error:
            where = self._schema.at(first.start + error.offset)
            raise InvalidColumnType(error.message, where, hint=error.hint) from error

    def _clause(self, clauses: _Clauses) -> None:
        token = self._run[self._index]
        self._index += 1
        if _is_jsonpath(token) and clauses.jsonpath is None:
            clauses.jsonpath = self._jsonpath(token)
        elif token.upper == "DEFAULT" and clauses.default is None and clauses.codec is None:
            clauses.default = self._default(token)
        elif token.upper == "CODEC" and clauses.codec is None:
            clauses.codec = self._codec(token)
        elif token.upper in _REFUSED_CLAUSES:
            message, hint = _REFUSED_CLAUSES[token.upper]
            raise RefusedClause(message, self._at(token), hint=hint)
        else:
            hint = "A column is: name Type `json:$.path` DEFAULT expression CODEC(...), and a comma behind it"
            raise InvalidColumn(f"Unexpected '{token.text}'", self._at(token), hint=hint)

    def _jsonpath(self, token: Token) -> str:
        path = token.text[1:-1].removeprefix(_JSON_MARK)
        if not _JSONPATH.fullmatch(path) or path == "#":
            hint = "Paths look like $.key, $.key.inner, $['any key'], $.list[:], $.list[:].key, $.list[0] or $"
            where = self._schema.at(token.start + 1 + len(_JSON_MARK))
            raise InvalidColumn(f"Invalid JSONPath '{path}'", where, hint=hint)
        return path

    def _default(self, token: Token) -> str:
        start = self._index
        while self._index < len(self._run) and not self._ends_default(start):
            self._index += 1
        if start == self._index:
            raise MissingValue(token.upper, self._at(token))
        return source(self._schema, self._run[start : self._index])

    def _ends_default(self, start: int) -> bool:
        """Whether the next token is a clause of its own rather than part of the expression after DEFAULT."""
        token = self._run[self._index]
        if token.depth or _is_jsonpath(token):
            return not token.depth
        if token.upper == "CODEC":
            return True
        if self._index == start or not _is_operand(self._run[self._index - 1]):
            return False
        if token.upper == "NOT":
            return self._text_at(self._index + 1).upper() == "NULL" and self._run[self._index - 1].upper != "IS"
        return token.upper in {"DEFAULT", "MATERIALIZED", "ALIAS", "TTL"}

    def _codec(self, token: Token) -> str:
        opening = self._index
        if self._text_at(opening) != "(" or self._text_at(opening + 1) == ")":
            raise MissingValue(token.upper, self._at(token))
        self._index = group_end(self._run, opening)
        return source(self._schema, self._run[opening + 1 : self._index - 1])

    def _text_at(self, index: int) -> str:
        return self._run[index].text if index < len(self._run) else ""

    def _at(self, token: Token) -> Position:
        return self._schema.at(token.start)


def _with_null_inside(kind: DataType) -> DataType:
    """A nullable SimpleAggregateFunction as one of a nullable type: around it, the engine would forget the function."""
    match kind:
        case DataType("Nullable", (DataType("SimpleAggregateFunction", (str(function), DataType() as value)),)):
            return DataType("SimpleAggregateFunction", (function, _nullable(value)))
    return kind


def _nullable(kind: DataType) -> DataType:
    match kind:
        case DataType("Nullable"):
            return kind
        case DataType("LowCardinality", (DataType() as inner,)):
            return DataType("LowCardinality", (_nullable(inner),))
    return DataType("Nullable", (kind,))


def _is_jsonpath(token: Token) -> bool:
    return token.kind == "quoted" and token.text.startswith("`" + _JSON_MARK)


def _is_operand(token: Token) -> bool:
    return token.kind != "symbol" or token.text in {")", "]", "}"}
