"""What of an event feeds which column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from stonechat.datafile.resources import Column
from stonechat.ingest.codecs import Codec
from stonechat.ingest.jsonpaths import JsonPath, path_of
from stonechat.ingest.types import codec_of
from stonechat.sql.types import DataType


@dataclass(frozen=True, slots=True)
class FedColumn:
    """A column with the path it is fed from and the codec of its type (None if no event can feed that type).

    `required`: an event without a value for it does not fit. `keeps_null`: null is a value of its own, different from a
    missing one, which takes the DEFAULT.
    """

    name: str
    type: DataType
    path: JsonPath
    codec: Codec | None
    required: bool
    keeps_null: bool


def fed_columns(columns: Iterable[Column]) -> tuple[FedColumn, ...]:
    """The columns of a data source as the reader needs them. Raises `UnsupportedJsonPath`."""
    return tuple(_fed(column) for column in columns)


def fingerprint(columns: Iterable[Column]) -> bytes:
    """Eight bytes that stand for all that decides what becomes of an event."""
    told = [(column.name, str(column.type), str(column.jsonpath), column.default is None) for column in columns]
    return hashlib.blake2b(repr(told).encode(), digest_size=8).digest()


def stored_form(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns as canonical rows feed them: each by its own name."""
    return tuple(replace(column, jsonpath=None) for column in columns)


def _fed(column: Column) -> FedColumn:
    codec = codec_of(column.type)
    nullable = codec is not None and codec.nullable
    return FedColumn(
        name=column.name,
        type=column.type,
        path=path_of(column),
        codec=codec,
        required=not nullable and column.default is None,
        keeps_null=nullable and column.default is not None,
    )
