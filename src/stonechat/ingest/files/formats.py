"""Which of the three formats a file is in: as somebody says, as its name says, or as its first bytes say."""

from __future__ import annotations

from enum import StrEnum

from stonechat.errors import Kind, StonechatError

_PARQUET_MARK = b"PAR1"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_COMPRESSED = (".gz", ".zst", ".zstd")
_MEDIA_TYPES = {
    "text/csv": "csv",
    "application/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/json": "ndjson",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
}
_EXTENSIONS = {
    "csv": "csv",
    "tsv": "csv",
    "ndjson": "ndjson",
    "jsonl": "ndjson",
    "json": "ndjson",
    "parquet": "parquet",
}


class FileFormat(StrEnum):
    """What a file of rows is written in."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class UnknownFormat(StonechatError):
    """Somebody names a format that files cannot be read in."""

    code = "SC655"
    kind = Kind.INVALID


def format_of(name: str) -> FileFormat:
    """The format of a name, as parameters have it. Raises `UnknownFormat`."""
    try:
        return FileFormat(_EXTENSIONS.get(name.lower(), name.lower()))
    except ValueError:
        raise UnknownFormat(f"The format '{name}' is unknown", hint="Use csv, ndjson or parquet.") from None


def format_by_name(file_name: str, media_type: str = "") -> FileFormat | None:
    """What the name of a file says, or else its media type; None where they say nothing."""
    plain = file_name.lower()
    for suffix in _COMPRESSED:
        plain = plain.removesuffix(suffix)
    found = _EXTENSIONS.get(plain.rpartition(".")[2]) if "." in plain else None
    found = found or _MEDIA_TYPES.get(media_type)
    return FileFormat(found) if found else None


def format_by_content(begin: bytes) -> FileFormat:
    """What the first bytes of a file look like."""
    if begin.startswith(_PARQUET_MARK):
        return FileFormat.PARQUET
    text = begin.removeprefix(_BYTE_ORDER_MARK).lstrip()
    return FileFormat.NDJSON if text[:1] == b"{" else FileFormat.CSV
