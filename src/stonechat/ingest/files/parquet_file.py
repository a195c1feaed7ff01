"""A Parquet file as lines of JSON, which the engine writes: it knows the format, and the door knows JSON."""

from __future__ import annotations

from pathlib import Path

from stonechat.engine.contract import Engine, EngineFailure, QueryTooLarge
from stonechat.errors import Kind
from stonechat.ingest.files.batches import FileTooLarge, UnreadableFile
from stonechat.sql.quoting import literal

_SETTINGS = (
    "max_memory_usage = 1000000000, max_threads = 1, output_format_json_quote_decimals = 1, "
    "output_format_json_quote_denormals = 1, date_time_output_format = 'iso', "
    "output_format_json_named_tuples_as_objects = 1, output_format_json_escape_forward_slashes = 0, "
    "result_overflow_mode = 'throw'"
)


def parquet_to_lines(engine: Engine, parquet: Path, lines: Path, limit: int) -> None:
    """Write the rows of a Parquet file to a new file, one JSON object a line. Blocks.

    Moments are written in UTC, decimals and what is no finite number as strings. Raises `UnreadableFile` for what is
    no Parquet, and `FileTooLarge` for more than about `limit` bytes.
    """
    lines.unlink(missing_ok=True)
    statement = (
        f"SELECT * FROM file({literal(str(parquet))}, 'Parquet') INTO OUTFILE {literal(str(lines))} "
        f"FORMAT JSONEachRow SETTINGS max_result_bytes = {limit}, {_SETTINGS}"
    )
    try:
        engine.command(statement)
    except QueryTooLarge as error:
        raise FileTooLarge(
            f"The rows of the file have more than {limit} bytes, or need too much memory to be read"
        ) from error
    except EngineFailure as error:
        if error.kind is not Kind.INVALID:
            raise
        # The engine's own words name the file, which is none of the caller's.
        raise UnreadableFile(f"The file cannot be read as Parquet ({error.name})") from error
