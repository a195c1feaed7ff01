"""What a service data source is: its columns, and how the engine keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceDataSource:
    """One of them: its columns by name with their types, and how the engine keeps it.

    A row goes `kept_days` after the time that `expires_after` says, or stays if that is empty. `view` is a SELECT over
    another service data source (its name in braces) that fills this one. The engine `Null` stands for one that clients
    ask for and this server has nothing to tell in.
    """

    name: str
    columns: Mapping[str, str]
    sorting_key: str = ""
    engine: str = "MergeTree"
    partition_by: str = ""
    expires_after: str = ""
    kept_days: int = 0
    view: str = ""


def columns(text: str) -> Mapping[str, str]:
    """Columns with their types, one in a line."""
    return {name: kind for line in text.strip().splitlines() for name, kind in [line.strip().split(None, 1)]}
