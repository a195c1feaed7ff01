"""Parts that are on the disk before what they were made from goes, so that a power loss takes no row with it.

The write-ahead log forgets a block once it is a part, and the engine removes parts at once when it has merged them, or
has changed their rows by a mutation. By default it syncs none of the parts that take their place: the operating system
writes them half a minute later.
"""

from __future__ import annotations

from typing import Final

import structlog

from stonechat.engine.contract import Engine, EngineFailure
from stonechat.sql.quoting import identifier

_log = structlog.get_logger(__name__)

_MERGED: Final = "min_rows_to_fsync_after_merge"
#: Settings of a table with which its parts are synced: inserted ones, their folders, and those that merges and
#: mutations make, however few rows they have.
SYNCED_PARTS: Final = {"fsync_after_insert": "1", "fsync_part_directory": "1", _MERGED: "1"}
_OLDER: Final = (
    "SELECT database, name FROM system.tables WHERE position(engine_full, 'fsync_after_insert = 1') > 0 "
    f"AND position(engine_full, '{_MERGED}') = 0"
)


def sync_merged_parts_of_older_tables(engine: Engine) -> None:
    """Have the tables of versions that synced inserted parts alone sync the others too."""
    for row in engine.fetch(_OLDER):
        place = f"{identifier(str(row['database']))}.{identifier(str(row['name']))}"
        try:
            engine.command(f"ALTER TABLE {place} MODIFY SETTING {_MERGED} = {SYNCED_PARTS[_MERGED]}")
        except EngineFailure as failure:
            _log.warning("a power loss may lose rows that are being merged", table=place, reason=failure.message)
