"""The compiled library, as Python calls it: the structures and functions of native/bulk.h, reader.h and reader.c."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple

import structlog

from stonechat.ingest.bulk.compiling import library_path

_logger = structlog.get_logger(__name__)

NO_COLUMN: Final = 2**32 - 1

# As ctypes.string_at, which takes a size of 32 bits and makes small ones of those that are larger.
bytes_at = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t)(
    ("PyBytes_FromStringAndSize", ctypes.pythonapi)
)


class Member(ctypes.Structure):
    """`struct member`: a value of an enum."""

    _fields_ = (("name", ctypes.c_char_p), ("size", ctypes.c_uint32), ("number", ctypes.c_int32))


class Column(ctypes.Structure):
    """`struct column`: a column as the library reads it."""

    _fields_ = (
        ("label", ctypes.c_char_p),
        ("members", ctypes.POINTER(Member)),
        ("label_size", ctypes.c_uint32),
        ("member_count", ctypes.c_uint32),
        ("width", ctypes.c_uint32),
        ("kind", ctypes.c_uint8),
        ("traits", ctypes.c_uint8),
        ("digits", ctypes.c_uint8),
        ("scale", ctypes.c_uint8),
    )


class Field(ctypes.Structure):
    """`struct field`: a field of events that leads to columns."""

    _fields_ = (
        ("key", ctypes.c_char_p),
        ("key_size", ctypes.c_uint32),
        ("column", ctypes.c_uint32),
        ("first", ctypes.c_uint32),
        ("count", ctypes.c_uint32),
    )


class Plan(ctypes.Structure):
    """`struct plan`: what events are read into."""

    _fields_ = (
        ("columns", ctypes.POINTER(Column)),
        ("fields", ctypes.POINTER(Field)),
        ("column_count", ctypes.c_uint32),
        ("field_count", ctypes.c_uint32),
        ("marks_defaults", ctypes.c_bool),
        ("renames", ctypes.c_bool),
    )


class _Body(ctypes.Structure):
    _fields_ = (
        ("text", ctypes.c_char_p),
        ("size", ctypes.c_size_t),
        ("longest_row", ctypes.c_size_t),
        ("most_bytes", ctypes.c_size_t),
        ("most_line_bytes", ctypes.c_size_t),
    )


class _Stranger(ctypes.Structure):
    _fields_ = (("name", ctypes.c_void_p), ("size", ctypes.c_uint64), ("rows", ctypes.c_uint64))


class _Rows(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("lines", ctypes.c_void_p),
        ("strangers", ctypes.POINTER(_Stranger)),
        ("size", ctypes.c_size_t),
        ("line_bytes", ctypes.c_size_t),
        ("stranger_count", ctypes.c_uint64),
        ("count", ctypes.c_uint64),
    )


class Found(NamedTuple):
    """The rows of a body: in binary form, their number, and their lines if those of the body may not stay as they are.

    `strangers` are the fields that no column is fed from, with the number of events that have them.
    """

    data: bytes
    rows: int
    lines: bytes | None
    strangers: Mapping[bytes, int]


class Library:
    """Reads bodies by the compiled functions, without the interpreter's lock. Any thread may call."""

    def __init__(self, loaded: ctypes.CDLL) -> None:
        self._read = loaded.bulk_read
        self._read.restype = ctypes.c_bool
        self._read.argtypes = (ctypes.POINTER(Plan), ctypes.POINTER(_Body), ctypes.POINTER(_Rows))
        self._free = loaded.bulk_free
        self._free.restype = None
        self._free.argtypes = (ctypes.POINTER(_Rows),)

    def read(self, plan: Plan, body: bytes, *, longest_row: int, most_bytes: int, most_line_bytes: int) -> Found | None:
        """The rows of a body; None if one of its lines is not for it, or they or their lines have more bytes."""
        rows = _Rows()
        given = _Body(body, len(body), longest_row, most_bytes, most_line_bytes)
        if not self._read(ctypes.byref(plan), ctypes.byref(given), ctypes.byref(rows)):
            return None
        try:
            strangers = (rows.strangers[index] for index in range(rows.stranger_count))
            return Found(
                bytes_at(rows.data, rows.size),
                rows.count,
                bytes_at(rows.lines, rows.line_bytes) if rows.lines else None,
                {bytes_at(each.name, each.size): each.rows for each in strangers},
            )
        finally:
            self._free(ctypes.byref(rows))


@cache
def compiled_library() -> Library | None:
    """The library; None where it was not compiled, or for another machine."""
    try:
        return Library(ctypes.CDLL(str(library_path())))
    except (OSError, AttributeError) as error:
        _logger.info("reads masses of events without compiled code", reason=str(error))
        return None
