"""A Parquet file as lines of JSON, which the engine writes: it knows the format, and the door knows JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from stonechat.datafile.resources import Column
from stonechat.engine.contract import Engine, EngineFailure, QueryTooLarge
from stonechat.errors import Kind
from stonechat.ingest.files.batches import FileTooLarge, UnreadableFile
from stonechat.sql.quoting import identifier, literal

_SETTINGS = (
    "max_memory_usage = 1000000000, max_threads = 1, output_format_json_quote_decimals = 1, "
    "output_format_json_quote_denormals = 1, date_time_output_format = 'iso', "
    "output_format_json_named_tuples_as_objects = 1, output_format_json_escape_forward_slashes = 0, "
    "result_overflow_mode = 'throw'"
)


_FOREIGN = re.compile(r"(?:Nullable\(|LowCardinality\()*(IPv[46]|U?Int(?:128|256))\)*")
_STORED_AS = {
    "IPv4": ("UInt32", "IPv4NumToString({})"),
    "IPv6": ("FixedString(16)", "IPv6NumToString({})"),
    **{
        f"{sign}{bits}": (f"FixedString({bits // 8})", f"toString(reinterpretAs{sign}{bits}({{}}))")
        for sign in ("Int", "UInt")
        for bits in (128, 256)
    },
}


def parquet_to_lines(engine: Engine, parquet: Path, lines: Path, columns: Sequence[Column], limit: int) -> None:
    """Write the rows of a Parquet file to a new file, one JSON object a line. Blocks.

    Moments are written in UTC, decimals and what is no finite number as strings, and so are the addresses and the
    widest integers that `columns` take: Parquet has no type for these, and the engine writes them as numbers and bytes.

    Raises `UnreadableFile` for what is no Parquet, and `FileTooLarge` for more than about `limit` bytes.
    """
    lines.unlink(missing_ok=True)
    file = f"file({literal(str(parquet))}, 'Parquet')"
    try:
        engine.command(
            f"SELECT {_selected(engine, file, columns)} FROM {file} INTO OUTFILE {literal(str(lines))} "
            f"FORMAT JSONEachRow SETTINGS max_result_bytes = {limit}, {_SETTINGS}"
        )
    except QueryTooLarge as error:
        raise FileTooLarge(
            f"The rows of the file have more than {limit} bytes, or need too much memory to be read"
        ) from error
    except EngineFailure as error:
        if error.kind is not Kind.INVALID:
            raise
        # The engine's own words name the file, which is none of the caller's.
        raise UnreadableFile(f"The file cannot be read as Parquet ({error.name})") from error


def _selected(engine: Engine, file: str, columns: Sequence[Column]) -> str:
    """All columns of a file, what Parquet has no type for as text."""
    wanted = {
        (column.jsonpath or column.name).removeprefix("$."): _STORED_AS[foreign[1]]
        for column in columns
        if (foreign := _FOREIGN.fullmatch(str(column.type)))
    }
    if not wanted:
        return "*"
    replaced = []
    for row in engine.fetch(f"DESCRIBE TABLE {file}"):
        stored, text = wanted.get(name := str(row["name"]), ("", ""))
        if stored and str(row["type"]) in {stored, f"Nullable({stored})"}:
            replaced.append(f"{text.format(identifier(name))} AS {identifier(name)}")
    return f"* REPLACE ({', '.join(replaced)})" if replaced else "*"
