"""Files that commands write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stonechat.errors import Kind, StonechatError


class CannotWrite(StonechatError):
    """A command cannot write a file."""

    code = "SC974"
    kind = Kind.INVALID


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around what writes a file. Raises `CannotWrite`, which names it."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"Cannot write {path}: {error.strerror}") from error
