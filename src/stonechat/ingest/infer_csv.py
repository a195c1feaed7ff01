"""From a sample of CSV to a SCHEMA: the delimiter, whether the first row is a header, and the columns."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from itertools import islice, zip_longest

import msgspec

from stonechat.ingest.csv_reading import csv_reader
from stonechat.ingest.infer_types import STRING, cell_type
from stonechat.ingest.inference import (
    SAMPLED_BYTES,
    SAMPLED_ROWS,
    Inference,
    InferredColumn,
    NothingToInfer,
    column_names,
)

_DELIMITERS = ",\t;|"
_MISSING = {"", "\\N"}
_ROWS_FOR_DELIMITER = 100
_MOST_COLUMNS = 500


def infer_csv(body: bytes, *, guessing: bool = True) -> Inference:
    r"""The columns of CSV, whose rows come as JSON objects of text. Raises `NothingToInfer`.

    The first row is a header if all its cells are different texts that are no number, date or Bool. An empty cell and
    `\N` are no value. Without `guessing` all columns are texts.
    """
    text = _text(body)
    rows = _rows(text, _delimiter(text), SAMPLED_ROWS + 1)
    if not rows:
        raise NothingToInfer("No row can be read", hint="Send rows of CSV, with or without a header.")
    header = rows.pop(0) if len(rows) > 1 and _is_header(rows[0]) else None
    width = min(max(map(len, [header] if header else rows)), _MOST_COLUMNS)
    cells = list(islice(zip_longest(*rows, fillvalue=""), width))
    columns: dict[str, InferredColumn] = {}
    names = column_names(map(str.strip, header)) if header else [f"column_{index + 1}" for index in range(width)]
    for index, name in enumerate(names[:width]):
        given = [cell for cell in (cells[index] if index < len(cells) else ()) if cell not in _MISSING]
        present, kind = len(given) / len(rows), cell_type(given) if guessing else STRING
        columns[name] = InferredColumn(name, None, kind if present == 1 else f"Nullable({kind})", present)
    return Inference(tuple(columns.values()), tuple(_row(list(columns), row) for row in rows))


def _text(body: bytes) -> str:
    """The whole lines of the sample."""
    sample = body.removeprefix(b"\xef\xbb\xbf")
    if len(sample) > SAMPLED_BYTES:
        end = sample.rfind(b"\n", 0, SAMPLED_BYTES) + 1 or sample.rfind(b"\r", 0, SAMPLED_BYTES) + 1
        sample = sample[:end]
    try:
        return sample.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NothingToInfer(f"The rows are not UTF-8 at byte {error.start}") from error


def _delimiter(text: str) -> str:
    """The delimiter that cuts most rows into the same number of cells, and into more than one."""

    def score(delimiter: str) -> tuple[int, int]:
        widths = Counter(map(len, _rows(text, delimiter, _ROWS_FOR_DELIMITER)))
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        return (count, width) if width > 1 else (0, 0)

    return max(_DELIMITERS, key=score)


def _rows(text: str, delimiter: str, most: int) -> list[list[str]]:
    try:
        return list(
            islice((row for row in csv_reader(io.StringIO(text, newline=""), delimiter=delimiter) if row), most)
        )
    except csv.Error as error:
        raise NothingToInfer(f"The rows are no CSV: {error}") from error


def _is_header(row: Sequence[str]) -> bool:
    texts = all(cell.strip() and cell_type([cell]) == STRING for cell in row)
    return texts and len(set(row)) == len(row)


def _row(names: Sequence[str], row: Sequence[str]) -> bytes:
    return msgspec.json.encode(
        {name: None if cell in _MISSING else cell for name, cell in zip(names, row, strict=False)}
    )
