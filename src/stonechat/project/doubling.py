"""Data sources whose rows a crash may double, because a block that is repeated comes into other partitions."""

from __future__ import annotations

from collections.abc import Iterator

from stonechat.datafile.resources import DataSource, Notice
from stonechat.sql.statements import words_of
from stonechat.sql.unrepeatable import is_repeatable

_DOUBLING = (
    "The partition of a row without '{}' depends on when it is written: a block that a crash has written again later "
    "may be there twice. Send a value for it, or partition by a column that is sent"
)


def doubling(source: DataSource) -> Iterator[Notice]:
    """The columns in the partition key, or in the defaults of such, whose own default another call would not repeat.

    A table knows a block by its token in each of the block's partitions alone.
    """
    defaults = {column.name: words_of(column.default) for column in source.columns if column.default is not None}
    names = words_of(source.engine.partition_key or "")
    while behind := frozenset[str]().union(*(words for name, words in defaults.items() if name in names)) - names:
        names |= behind
    for column in source.columns:
        if column.name in names and column.default is not None and not is_repeatable(column.default):
            yield Notice(_DOUBLING.format(column.name), column.position)
