"""The gate for SQL that a caller wrote: one SELECT, of what the caller may use, with no way around its limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from stonechat.errors import Kind, StonechatError, suggestion
from stonechat.sql.references import References
from stonechat.sql.scopes import TableName
from stonechat.sql.tuning import is_tuning

#: Table functions that every query may use: they make rows and read nothing.
TABLE_FUNCTIONS = frozenset({"generaterandom", "null", "numbers", "numbers_mt", "values", "zeros", "zeros_mt"})
#: Table functions that copy pipes may use as well: they read another system.
COPY_TABLE_FUNCTIONS = TABLE_FUNCTIONS | {
    *("azureblobstorage", "deltalake", "gcs", "iceberg", "mongodb", "mysql", "postgresql", "s3", "url"),
}
#: Tables of the engine that every query may read.
SYSTEM_TABLES: frozenset[TableName] = frozenset(
    ("system", name) for name in ("functions", "numbers", "numbers_mt", "one")
)
#: Settings that shape an answer and lift no limit, with the values that `check_settings` lets through.
HARMLESS_SETTINGS = frozenset(
    {
        "aggregate_functions_null_for_empty",
        "any_join_distinct_right_table_keys",
        "cast_keep_nullable",
        "date_time_input_format",
        "date_time_output_format",
        "empty_result_for_aggregation_by_empty_set",
        "final",
        "formatdatetime_f_prints_single_zero",
        "formatdatetime_parsedatetime_m_is_month_name",
        "function_json_value_return_type_allow_complex",
        "function_json_value_return_type_allow_nullable",
        "group_by_use_nulls",
        "join_algorithm",
        "join_any_take_last_row",
        "join_use_nulls",
        "least_greatest_legacy_null_behavior",
        "optimize_aggregation_in_order",
        "output_format_csv_crlf_end_of_line",
        "output_format_decimal_trailing_zeros",
        "output_format_json_array_of_rows",
        "output_format_json_escape_forward_slashes",
        "output_format_json_named_tuples_as_objects",
        "output_format_json_quote_64bit_floats",
        "output_format_json_quote_64bit_integers",
        "output_format_json_quote_decimals",
        "output_format_json_quote_denormals",
        "output_format_parquet_string_as_string",
        "prefer_column_name_to_alias",
        "session_timezone",
        "splitby_max_substrings_includes_remaining_string",
        "totals_mode",
        "transform_null_in",
        "union_default_mode",
    }
)
_SETTING_VALUE = re.compile(r"[A-Za-z0-9_./,+-]{0,64}")
_LONGEST_SHOWN = 100
_SWITCH_VALUE = re.compile(r"(?:[01]|true|false)?", re.IGNORECASE)

#: Scalar functions that read tables, files or other systems, tell about the machine or the session, or only waste time.
FORBIDDEN_FUNCTIONS = frozenset(
    {
        *("catboostevaluate", "evalmlmethod", "executable", "file", "hascolumnintable", "joinget", "joingetornull"),
        *("authenticateduser", "authuser", "connection_id", "connectionid", "session_user", "user"),
        *("database", "schema", "displayname", "fqdn", "fullhostname", "hostname", "shardcount", "shardnum", "tcpport"),
        *("buildid", "globalvariable", "revision", "servertimezone", "serveruuid", "showcertificate", "tid", "uptime"),
        *(
            "initial_query_id",
            "initial_query_start_time",
            "initialqueryid",
            "initialquerystarttime",
            "query_id",
            "queryid",
        ),
        *(
            "demangle",
            "errorcodetoname",
            "hasthreadfuzzer",
            "ismergetreepartcoveredby",
            "logtrace",
            "mergetreepartinfo",
        ),
        *("generateserialid", "partitionid", "runningconcurrency", "sleep", "sleepeachrow", "zookeepersessionuptime"),
        *("transactionid", "transactionlatestsnapshot", "transactionoldestsnapshot"),
    }
)
_FORBIDDEN_FAMILIES = re.compile(
    r"__|addressto|ai(?:classify|embed|extract|filter|generate|redact|similarity|translate)|dict(?:get|has|isin)"
    r"|current(?!_?(?:date|timestamp))|(?:default|enabled)(?:profiles|roles)|filesystem|pg_?(?:get|table)"
    r"|get(?:clienthttpheader|macro|maxtablename|mergetreesetting|oskernelversion|serverport|serversetting|setting)"
)

#: Functions whose work grows much faster than what they are given: they may take hours for one value, and no time limit
#: interrupts that.
_UNBOUNDED = re.compile(
    r"arraylevenshtein|arraysimilarity|damerau|edit_?distance|geometryintersect|h3polygontocells|jaro|kolmogorovsmirnov"
    r"|levenshtein|polygons|seriesdecompose"
)


class SQLNotAllowed(StonechatError):
    """A statement that its caller may not run. Subclasses say why."""

    code = "SC512"
    kind = Kind.FORBIDDEN


class NotASelect(SQLNotAllowed):
    """The statement is not a SELECT."""

    code = "SC513"

    def __init__(self, statement: str) -> None:
        super().__init__(f"Only SELECT statements are allowed, not {statement or 'this'}.")


class OutputNotAllowed(SQLNotAllowed):
    """INTO OUTFILE, or a FORMAT clause where the format is fixed."""

    code = "SC514"


class TableNotAllowed(SQLNotAllowed):
    """The statement reads a table outside the caller's, or one that does not exist: the caller cannot tell which.

    `readable` are those that the caller may read: only these are suggested.
    """

    code = "SC515"

    def __init__(self, table: TableName, readable: Iterable[TableName] = ()) -> None:
        name = _written(table)
        super().__init__(f"Resource '{name}' not found.", hint=suggestion(name, map(_written, readable)))
        self.table = table


_ELSEWHERE = ("url", "s3", "gcs", "azureblobstorage", "iceberg", "deltalake", "hudi", "mysql", "postgresql", "mongodb")
_IMPORT_INSTEAD = "Queries read no other systems. Import a file of the rows: POST /v1/datasources/NAME/append?url=..."


class FunctionNotAllowed(SQLNotAllowed):
    """The statement calls a function, or reads a table function, that is closed to callers."""

    code = "SC516"

    def __init__(self, name: str, *, table_function: bool = False, hint: str | None = None) -> None:
        super().__init__(
            f"The {'table function' if table_function else 'function'} '{name}' is not allowed.", hint=hint
        )


class SettingNotAllowed(SQLNotAllowed):
    """A setting that is not among the harmless ones, or a value that none of those takes."""

    code = "SC517"

    def __init__(self, name: str) -> None:
        hint = None if name in HARMLESS_SETTINGS else suggestion(name, HARMLESS_SETTINGS)
        super().__init__(f"The setting '{name}' is not allowed.", hint=hint)


class ColumnNotAllowed(SQLNotAllowed):
    """A column of the engine's own, which tells how it keeps the tables."""

    code = "SC522"

    def __init__(self, name: str) -> None:
        super().__init__(f"The column '{name}' is not allowed.")


class InvalidSwitch(StonechatError):
    """A setting of the output is neither on nor off. No such value reaches the engine, whose words would mislead."""

    code = "SC520"
    kind = Kind.INVALID

    def __init__(self, name: str, value: str) -> None:
        shown = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}..."
        super().__init__(f"'{name}' may be 1, 0, true or false, not '{shown}'.")


def require_read_only(
    references: References,
    *,
    tables: AbstractSet[TableName] | None,
    namespaces: AbstractSet[str] = frozenset(),
    table_functions: AbstractSet[str] = TABLE_FUNCTIONS,
    settings: bool = False,
    tuning: bool = False,
    output_format: bool = False,
    bounded: bool = False,
) -> None:
    """Raise a `SQLNotAllowed` unless the statement is a SELECT that reads only what it may.

    `tables` are the caller's, named as the statement must name them; None lets any table of the connection's own
    database through, and of the databases that are `namespaces`. `settings` lets harmless SETTINGS through, `tuning`
    those of how a query is run, `output_format` a FORMAT clause. `bounded` refuses functions for which the limits of a
    query do not hold.
    """
    if references.statement != "SELECT":
        raise NotASelect(references.statement)
    if references.writes_file:
        raise OutputNotAllowed("INTO OUTFILE is not allowed.")
    if references.format is not None and not output_format:
        raise OutputNotAllowed("A FORMAT clause is not allowed here.")
    for table in _ordered(references.tables - SYSTEM_TABLES):
        if table not in tables if tables is not None else table[0] not in {None, *namespaces}:
            raise TableNotAllowed(table, tables or ())
    for name in sorted(references.table_functions):
        if name.lower() not in table_functions:
            elsewhere = name.lower().startswith(_ELSEWHERE)
            hint = _IMPORT_INSTEAD if elsewhere else suggestion(name.lower(), table_functions)
            raise FunctionNotAllowed(name, table_function=True, hint=hint)
    for name in sorted(references.functions):
        if is_forbidden(name.lower()):
            raise FunctionNotAllowed(name)
        if bounded and _UNBOUNDED.match(name.lower()):
            raise FunctionNotAllowed(name, hint="It needs the scope WORKSPACE:READ_ALL, or to stand in an endpoint.")
    for name in sorted(references.settings):
        if not (settings and name in HARMLESS_SETTINGS) and not (tuning and is_tuning(name)):
            raise SettingNotAllowed(name)


def require_own_columns(references: References, columns: Iterable[str]) -> None:
    """Raise `ColumnNotAllowed` where the statement names a column of the engine's own, and `columns` have none such."""
    for name in sorted(references.engine_columns.difference(columns)):
        raise ColumnNotAllowed(name)


def check_settings(settings: Mapping[str, str]) -> None:
    """Raise `SettingNotAllowed` unless each setting is harmless and its value a plain word or number.

    Those of the output are on or off: `InvalidSwitch` for all else. An empty value is on, as the engine has it.
    """
    for name, value in settings.items():
        if name in HARMLESS_SETTINGS and name.startswith("output_format_"):
            if not _SWITCH_VALUE.fullmatch(value):
                raise InvalidSwitch(name, value)
        elif name not in HARMLESS_SETTINGS or not _SETTING_VALUE.fullmatch(value):
            raise SettingNotAllowed(name)


def is_forbidden(name: str) -> bool:
    """Whether a function, named in lower case, is closed to callers."""
    return name in FORBIDDEN_FUNCTIONS or _FORBIDDEN_FAMILIES.match(name) is not None


def _written(table: TableName) -> str:
    database, name = table
    return name if database is None else f"{database}.{name}"


def _ordered(tables: Iterable[TableName]) -> list[TableName]:
    return sorted(tables, key=lambda table: (table[0] or "", table[1]))
