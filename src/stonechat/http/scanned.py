"""How much a query scanned, taken out of answers to callers who may see only some of the rows.

The number of rows scanned tells how many there are beside one's own, to the row, and when one more comes. What is
recorded of the query has the true numbers.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

#: Where a document of the engine ends with its statistics; it is longer by the digits of two numbers alone.
_STATISTICS = re.compile(rb'("rows_read": )\d+(,\n\t\t"bytes_read": )\d+(\n\t\}\n\}\n)\Z')
_LONGEST = 100


def without_scanned(data: bytes) -> bytes:
    """The answer with 0 for both numbers, if it is a document with statistics; else as it is."""
    return data[:-_LONGEST] + _STATISTICS.sub(rb"\g<1>0\g<2>0\g<3>", data[-_LONGEST:])


async def streamed_without_scanned(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same of an answer in chunks."""
    held = b""
    async for chunk in chunks:
        known = held + chunk
        if sent := known[:-_LONGEST]:
            yield sent
        held = known[-_LONGEST:]
    yield without_scanned(held)
