"""Settings that the tables of data sources have, whatever their files say or unless these say otherwise.

*Synced parts*: on the disk before what they were made from goes, so that a power loss takes no row with it. The
write-ahead log forgets a block once it is a part, and the engine removes parts at once when it has merged them, or has
changed their rows by a mutation. By default it syncs none of the parts that take their place: the operating system
writes them half a minute later.

*Lean merges*: the columns of the sorting key first, then each other column by itself. By default tables of up to ten
such columns are merged with all of them in memory.

*Any columns*: an AggregatingMergeTree may have columns that are neither in its sorting key nor states, of which it
keeps the value of any of the rows that it merges. By default the engine refuses to make such tables since 26.9, and
copies of those that got the column later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog

from stonechat.engine.contract import Engine, EngineFailure
from stonechat.sql.quoting import identifier

_log = structlog.get_logger(__name__)

_MERGED: Final = "min_rows_to_fsync_after_merge"
#: Settings of a table with which its parts are synced: inserted ones, their folders, and those that merges and
#: mutations make, however few rows they have.
SYNCED_PARTS: Final = {"fsync_after_insert": "1", "fsync_part_directory": "1", _MERGED: "1"}
#: Settings of a table that is merged column by column, once that pays: from 131,072 rows on.
LEAN_MERGES: Final = {"vertical_merge_algorithm_min_columns_to_activate": "1"}
#: Settings of tables of one engine.
OF_ENGINES: Final[Mapping[str, dict[str, str]]] = {
    "AggregatingMergeTree": {"allow_dimensions_outside_sorting_key": "1"}
}
_SINCE: Final = {_MERGED: SYNCED_PARTS[_MERGED], **LEAN_MERGES}
_OURS: Final = """
SELECT database, name, engine, engine_full FROM system.tables WHERE position(engine_full, 'fsync_after_insert = 1') > 0
"""


def bring_older_tables_up(engine: Engine) -> None:
    """Give the tables of earlier versions the settings that are missing from them."""
    for row in engine.fetch(_OURS):
        place = f"{identifier(str(row['database']))}.{identifier(str(row['name']))}"
        wanted = _SINCE | OF_ENGINES.get(str(row["engine"]), {})
        missing = [f"{name} = {value}" for name, value in wanted.items() if f"{name} = " not in str(row["engine_full"])]
        if not missing:
            continue
        try:
            engine.command(f"ALTER TABLE {place} MODIFY SETTING {', '.join(missing)}")
        except EngineFailure as failure:
            _log.warning("a power loss may lose rows that are being merged", table=place, reason=failure.message)
