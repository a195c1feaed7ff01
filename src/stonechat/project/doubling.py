"""Data sources whose rows a crash may double, because a block that is repeated comes into other partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from stonechat.datafile.resources import DataSource, Notice, Pipe
from stonechat.datafile.spans import place_in
from stonechat.sql.statements import Token, meaningful_tokens, words_of
from stonechat.sql.unrepeatable import is_repeatable

_DOUBLING = (
    "The partition of a row without '{}' depends on when it is written: a block that a crash has written again later "
    "may be there twice. Send a value for it, or partition by a column that is sent"
)
_DOUBLING_VIEW = (
    "The partition of a row of '{}' depends on when it is written: a block that a crash has written again later may be "
    "there twice. Take a value from the row that is read for '{}'"
)
_DEPTHS = {"(": 1, "[": 1, ")": -1, "]": -1}


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


def doubling_by_view(pipe: Pipe, data_sources: Mapping[str, DataSource]) -> Iterator[Notice]:
    """What a view would not repeat that it names as a column of its target's partition key: `... AS column`."""
    target = data_sources.get(pipe.output.options.get("datasource", ""))
    if target is None or not target.engine.partition_key:
        return
    names = words_of(target.engine.partition_key)
    for node in pipe.nodes:
        found = meaningful_tokens(node.sql)
        for index in range(1, len(found)):
            name = found[index].name
            if name in names and found[index - 1].text.upper() == "AS":
                item = _expression_before(found[: index - 1])
                if not is_repeatable(" ".join(token.text for token in item)):
                    place = place_in(node.sql, item[0].start, node.sql_position, node.sql_indent)
                    yield Notice(_DOUBLING_VIEW.format(target.name, name), place)


def _expression_before(found: Sequence[Token]) -> Sequence[Token]:
    """The tokens at the end that are one expression of a SELECT."""
    depth = 0
    for index in range(len(found) - 1, -1, -1):
        depth -= _DEPTHS.get(found[index].text, 0)
        if depth < 0 or (depth == 0 and found[index].text.upper() in {",", "SELECT", "DISTINCT"}):
            return found[index + 1 :]
    return found
