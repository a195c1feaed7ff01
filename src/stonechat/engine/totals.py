"""Answers without rows that have totals: the engine writes the totals before the beginning of the answer.

So what `WITH TOTALS` gives over nothing is no JSON, and CSV whose header comes last.
"""

from __future__ import annotations

_EARLY_JSON = b"\n\t],\n\n\t"
_EARLY_LINE = b'{"totals":'
_BEGINNING = b'{\n\t"meta":'
_NO_ROWS = b'\n\t"data":\n\t[\n'
#: Lines of a header, by the format.
_HEADERS = {"csvwithnames": 1, "tsvwithnames": 1, "tabseparatedwithnames": 1, "tabseparatedwithnamesandtypes": 2}


def in_order(data: bytes, output: str) -> bytes:
    """The answer without rows in a format, its parts in the order in which they belong; others as they are."""
    if data.startswith(_EARLY_JSON):
        # The engine escapes line breaks in names and values, so these are the document's own.
        begins = data.index(_BEGINNING)
        rows = data.index(_NO_ROWS, begins) + len(_NO_ROWS)
        return data[begins:rows] + data[:begins] + data[rows:]
    if data.startswith(_EARLY_LINE):
        totals, rest = data.split(b"\n", 1)
        beginning, rest = rest.split(b"\n", 1)
        return b"\n".join([beginning, totals, rest])
    header = _HEADERS.get(output.lower(), 0)
    lines = data.split(b"\n")
    # An empty line, the totals, the header and what ends it; values with line breaks of their own stay where they are.
    if not data.startswith(b"\n") or len(lines) != 3 + header:
        return data
    return b"\n".join([*lines[2:-1], *lines[:2], b""])
