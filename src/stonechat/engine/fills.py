"""Rows from one table to another inside the engine: the statement, and what its connection is set to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from stonechat.engine.contract import Fill
from stonechat.engine.inserts import OPTIONS
from stonechat.sql.quoting import identifier

#: A statement of many blocks: as large as memory allows. Equal blocks are all meant, so none is taken for another.
_BLOCKS: Final = {
    **OPTIONS,
    "insert_deduplicate": "0",
    "deduplicate_insert_select": "disable",
    "max_insert_block_size": "1048449",
    "min_insert_block_size_rows": "1048449",
    "min_insert_block_size_bytes": "134217728",
}
#: All rows squashed into one block, whatever is read.
_ONE_BLOCK: Final = {**OPTIONS, "deduplicate_insert_select": "force_enable", "min_insert_block_size_rows": "1000000000"}


def fill_statement(fill: Fill) -> str:
    """INSERT SELECT. The statement stands in parentheses, on lines of its own: it may end in a comment."""
    columns = ", ".join(map(identifier, fill.columns))
    return (
        f"INSERT INTO {identifier(fill.database)}.{identifier(fill.table)} ({columns})\n"
        f"SELECT {columns} FROM\n(\n{fill.query.statement}\n)"
    )


def fill_options(fill: Fill, most_partitions: int) -> Mapping[str, str]:
    """Settings of the connection. A block with a token may have so many partitions."""
    limits = fill.query.limits
    bounds = {
        "max_execution_time": f"{limits.seconds:g}",
        "timeout_overflow_mode": "throw",
        "max_memory_usage": str(limits.memory_bytes),
        "max_threads": str(limits.threads),
        "http_max_tries": "1",
        "materialized_views_ignore_errors": str(int(fill.past_failing_views)),
    }
    if not fill.token:
        return {**fill.query.settings, **_BLOCKS, **bounds}
    if not fill.past_failing_views:  # a view that the block has too many for would count as failing
        bounds["max_partitions_per_insert_block"] = str(most_partitions)
    return {**fill.query.settings, **_ONE_BLOCK, **bounds, "insert_deduplication_token": fill.token}
