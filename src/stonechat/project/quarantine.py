"""The table beside each data source that holds the rows which did not fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stonechat.datafile.resources import DataSource

QUARANTINE_SUFFIX = "_quarantine"
RAW_COLUMN = "c__raw"

#: The columns beside the data source's own. A column of the data source with such a name is left out: `c__raw` has it.
ADDED_COLUMNS: Mapping[str, str] = {
    "c__error_column": "Array(String)",
    "c__error": "Array(String)",
    "c__import_id": "Nullable(String)",
    "insertion_date": "DateTime",
    RAW_COLUMN: "String",
}


def quarantine_columns(data_source: DataSource) -> Sequence[tuple[str, str]]:
    """Names and ClickHouse types of a quarantine table: the original columns as text, then what says why."""
    own = [(column.name, "Nullable(String)") for column in data_source.columns if column.name not in ADDED_COLUMNS]
    return [*own, *ADDED_COLUMNS.items()]
