"""From a Parquet file to a SCHEMA. The file declares its types; the engine reads them, and a sample of the rows."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from stonechat.engine.contract import Engine, EngineFailure
from stonechat.errors import Kind
from stonechat.ingest.inference import (
    Inference,
    InferredColumn,
    NothingToInfer,
    column_name,
    infer_ndjson,
    step_to,
)
from stonechat.ingest.jsonpaths import EACH
from stonechat.ingest.types import codec_of
from stonechat.ingest.verdicts import Misfit
from stonechat.sql.quoting import literal
from stonechat.sql.types import InvalidType, parse_type

_ROWS = 1000
_FIRST_KEY = re.compile(r"\$(?:\['(?P<quoted>[^']+)'\]|\.(?P<plain>[^.\[]+))")
_BOUNDS = "SETTINGS max_execution_time = 10, max_memory_usage = 500000000"
_AS_TEXT = (
    f"{_BOUNDS}, output_format_json_quote_decimals = 1, output_format_json_quote_denormals = 1, "
    "output_format_json_validate_utf8 = 1"
)


def infer_parquet(engine: Engine, body: bytes) -> Inference:
    """The columns of a Parquet file, and up to 1,000 of its rows as JSON objects. Blocks.

    Types are those that the file declares, but for records, whose keys become columns as in JSON. Raises
    `NothingToInfer`, also for what is no Parquet.
    """
    with tempfile.TemporaryDirectory(prefix="stonechat-analyze-") as folder:
        path = Path(folder) / "sample.parquet"
        path.write_bytes(body)
        source = f"file({literal(str(path))}, 'Parquet')"
        try:
            declared = {str(row["name"]): str(row["type"]) for row in engine.fetch(f"DESCRIBE {source} {_BOUNDS}")}
            rows = engine.fetch(f"SELECT * FROM {source} LIMIT {_ROWS} {_AS_TEXT}")
        except EngineFailure as error:
            if error.kind is not Kind.INVALID:
                raise
            # The engine's own words name the file, which is none of the caller's.
            raise NothingToInfer(f"The file cannot be read as Parquet ({error.name})") from error
    if not rows:
        raise NothingToInfer("The file has no rows")
    sampled = infer_ndjson(b"\n".join(map(msgspec.json.encode, rows)))
    return Inference(tuple(_columns(sampled, declared, rows)), sampled.rows)


def _columns(
    sampled: Inference, declared: dict[str, str], rows: Sequence[dict[str, object]]
) -> Iterator[InferredColumn]:
    """Of each top-level key its declared column, or those that were inferred below it."""
    taken: set[str] = set()
    for key, kind in declared.items():
        below = [column for column in sampled.columns if _key_of(column) == key]
        if below and _is_one_column(kind) and _takes(kind, [row[key] for row in rows]):
            path = f"${step_to(key)}{EACH if kind.startswith('Array(') else ''}"
            present = max(column.present for column in below)
            below = [InferredColumn(key, path, str(parse_type(kind)), present)]
        for column in below:
            name = column_name(column.name, taken)
            taken.add(name)
            yield replace(column, name=name)


def _key_of(column: InferredColumn) -> str:
    found = _FIRST_KEY.match(column.path or "")
    assert found is not None
    return found["quoted"] or found["plain"]


def _is_one_column(kind: str) -> bool:
    try:
        return "Tuple(" not in kind and codec_of(parse_type(kind)) is not None
    except InvalidType:
        return False


def _takes(kind: str, values: Sequence[object]) -> bool:
    """Whether a type takes these values from a file. No type of floats takes what is not finite."""
    codec = codec_of(parse_type(kind)) if "Float" in kind else None
    if codec is None:
        return True
    try:
        for value in values:
            codec.accept(msgspec.json.encode(value))
    except Misfit:
        return False
    return True
