"""The formats of answers and files: what a path's extension means to HTTP and to ClickHouse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """One format: the extension in a path (without the dot), its media type, and ClickHouse's name for it."""

    extension: str
    media_type: str
    name: str


JSON = Format("json", "application/json", "JSON")
CSV = Format("csv", "text/csv; charset=utf-8", "CSVWithNames")
CSV_WITHOUT_HEADER = Format("csv", "text/csv; charset=utf-8", "CSV")
NDJSON = Format("ndjson", "application/x-ndjson", "JSONEachRow")
PARQUET = Format("parquet", "application/vnd.apache.parquet", "Parquet")
PROMETHEUS = Format("prometheus", "text/plain; version=0.0.4; charset=utf-8", "Prometheus")
TSV = Format("tsv", "text/tab-separated-values; charset=utf-8", "TSVWithNames")
TSV_WITHOUT_HEADER = Format("tsv", TSV.media_type, "TSV")

#: Extension -> format, for what an endpoint is served as (`/v0/pipes/top.csv`) and what data is imported from.
BY_EXTENSION: Mapping[str, Format] = {known.extension: known for known in (JSON, CSV, NDJSON, PARQUET, PROMETHEUS, TSV)}

_BINARY = "application/octet-stream"
_TEXT = "text/plain; charset=utf-8"

#: ClickHouse format name -> media type, for every format that a statement's FORMAT clause may name.
MEDIA_TYPES: Mapping[str, str] = {
    "CSV": CSV.media_type,
    "CSVWithNames": CSV.media_type,
    "JSON": JSON.media_type,
    "JSONCompact": JSON.media_type,
    "JSONCompactEachRow": NDJSON.media_type,
    "JSONCompactEachRowWithNamesAndTypes": NDJSON.media_type,
    "JSONEachRow": NDJSON.media_type,
    "JSONStrings": JSON.media_type,
    "JSONStringsEachRowWithProgress": NDJSON.media_type,
    "Markdown": "text/markdown; charset=utf-8",
    "Native": _BINARY,
    "ODBCDriver2": _BINARY,
    "Parquet": PARQUET.media_type,
    "PrettyCompact": _TEXT,
    "Prometheus": PROMETHEUS.media_type,
    "RowBinaryWithNamesAndTypes": _BINARY,
    "TSV": TSV.media_type,
    "TSVWithNames": TSV.media_type,
    "TabSeparated": TSV.media_type,
    "TabSeparatedWithNames": TSV.media_type,
    "TabSeparatedWithNamesAndTypes": TSV.media_type,
}


def with_csv_header(output: Format, wanted: bool | None) -> Format:
    """The format with a header or without, if it is CSV and somebody said which."""
    if wanted is None or output.name.lower() not in {CSV.name.lower(), CSV_WITHOUT_HEADER.name.lower()}:
        return output
    return CSV if wanted else CSV_WITHOUT_HEADER
