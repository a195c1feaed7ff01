"""The fixtures of a project folder: rows for data sources that are still empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

FIXTURES_FOLDER = "fixtures"


class FixtureKind(Enum):
    """What a fixture holds, by its suffix: rows, or a SELECT that gives them."""

    NDJSON = "ndjson"
    CSV = "csv"
    SQL = "sql"


@dataclass(frozen=True, slots=True)
class Fixture:
    """The rows of one data source."""

    data_source: str
    kind: FixtureKind
    path: Path


def fixtures_of(folder: Path) -> Sequence[Fixture]:
    """The fixtures of a project folder in the order of their data sources; rows go before a SELECT that gives some."""
    found: dict[str, Fixture] = {}
    for kind in FixtureKind:
        for path in sorted((folder / FIXTURES_FOLDER).glob(f"*.{kind.value}")):
            if path.is_file():
                found.setdefault(path.stem, Fixture(path.stem, kind, path))
    return [found[name] for name in sorted(found)]
