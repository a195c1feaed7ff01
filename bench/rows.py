"""Message rows for the benchmark: ten columns, about 340 bytes of NDJSON each, no two the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from stonechat.starters.generator import messages

ROW_BYTES = 340
_CONTENT = b'"message_content":"'
_WORDS = b"the quick brown fox sends one more message to its friend over there and waits for an answer while it rains "


def rows(count: int, seed: int = 1) -> Iterator[bytes]:
    """`count` NDJSON lines: sample messages, the shorter ones with more text, so that they have `ROW_BYTES` bytes."""
    for number, line in enumerate(messages(count, seed)):
        missing = ROW_BYTES - len(line)
        start = number % len(_WORDS)
        text = (_WORDS * 4)[start : start + missing] if missing > 0 else b""
        yield line.replace(_CONTENT, _CONTENT + text, 1)


def blocks(lines: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The bytes of `lines`, `size` lines at a time; the last block may be shorter."""
    while block := b"".join(islice(lines, size)):
        yield block
