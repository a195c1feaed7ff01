"""The compiled library, as Python calls it: the structures and functions of native/bulk.h and native/reader.c."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache

import structlog

from stonechat.ingest.bulk.compiling import library_path

_logger = structlog.get_logger(__name__)

# As ctypes.string_at, which takes a size of 32 bits and makes small ones of those that are larger.
bytes_at = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t)(
    ("PyBytes_FromStringAndSize", ctypes.pythonapi)
)


class Column(ctypes.Structure):
    """`struct column`: a column as the library reads it."""

    _fields_ = (
        ("key", ctypes.c_char_p),
        ("key_size", ctypes.c_uint32),
        ("width", ctypes.c_uint32),
        ("kind", ctypes.c_uint8),
        ("traits", ctypes.c_uint8),
        ("scale", ctypes.c_uint8),
    )


class _Body(ctypes.Structure):
    _fields_ = (
        ("text", ctypes.c_char_p),
        ("size", ctypes.c_size_t),
        ("longest_row", ctypes.c_size_t),
        ("most_bytes", ctypes.c_size_t),
    )


class _Rows(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("count", ctypes.c_uint64))


class Library:
    """Reads bodies by the compiled functions, without the interpreter's lock. Any thread may call."""

    def __init__(self, loaded: ctypes.CDLL) -> None:
        self._read = loaded.bulk_read
        self._read.restype = ctypes.c_bool
        self._read.argtypes = (
            ctypes.POINTER(Column),
            ctypes.c_uint32,
            ctypes.c_bool,
            ctypes.POINTER(_Body),
            ctypes.POINTER(_Rows),
        )
        self._free = loaded.bulk_free
        self._free.restype = None
        self._free.argtypes = (ctypes.c_void_p,)

    def read(
        self, columns: ctypes.Array[Column], body: bytes, *, marks_defaults: bool, longest_row: int, most_bytes: int
    ) -> tuple[bytes, int] | None:
        """The rows of a body and their number; None if one of its lines is not for it, or they have more bytes."""
        rows = _Rows()
        given = _Body(body, len(body), longest_row, most_bytes)
        if not self._read(columns, len(columns), marks_defaults, ctypes.byref(given), ctypes.byref(rows)):
            return None
        try:
            return bytes_at(rows.data, rows.size), rows.count
        finally:
            self._free(rows.data)


def array_of(columns: Sequence[Column]) -> ctypes.Array[Column]:
    """The columns one behind the other, as the library takes them."""
    return (Column * len(columns))(*columns)


@cache
def compiled_library() -> Library | None:
    """The library; None where it was not compiled, or for another machine."""
    try:
        return Library(ctypes.CDLL(str(library_path())))
    except (OSError, AttributeError) as error:
        _logger.info("reads masses of events without compiled code", reason=str(error))
        return None
