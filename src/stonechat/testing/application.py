"""A project as an application's own tests see it: on a server of their own, with the rows that they put there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from stonechat.client import Appended, Remote
from stonechat.errors import Kind, StonechatError
from stonechat.requesting import RequestRefused, error_body
from stonechat.testing.places import load_fixtures

Rows = list[dict[str, Any]]


class RowsDoNotFit(StonechatError):
    """Rows that a test appends do not fit their data source."""

    code = "SC972"
    kind = Kind.INVALID


class UnknownToken(StonechatError):
    """The project has no token of that name."""

    code = "SC973"
    kind = Kind.MISSING


@dataclass(frozen=True, slots=True)
class TestedProject:
    """A project that is live somewhere, with what tests do to it."""

    __test__ = False

    remote: Remote = field(repr=False)
    folder: Path
    files: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Where it answers: the application's base URL."""
        return self.remote.url

    @property
    def token(self) -> str:
        """The admin token."""
        return self.remote.token

    def token_of(self, name: str) -> str:
        """The value of a token that a `TOKEN` line of the project names. Raises `UnknownToken`."""
        values = {str(item["name"]): str(item["token"]) for item in self.remote.tokens()}
        if name not in values:
            raise UnknownToken(f"The project has no token '{name}'", hint=f"It has: {', '.join(sorted(values))}.")
        return values[name]

    def append(self, data_source: str, rows: Iterable[Mapping[str, Any]], *, misfits: bool = False) -> Appended:
        """Append rows, and wait until they are there. Dates, times, decimals and UUIDs are written as text.

        Raises `RowsDoNotFit` with the reason for the first one that does not, unless `misfits` may go to the
        quarantine.
        """
        __tracebackhide__ = True
        appended = self.remote.append(data_source, b"\n".join(msgspec.json.encode(row) for row in rows))
        if appended.quarantined and not misfits:
            misfit = "1 row does" if appended.quarantined == 1 else f"{appended.quarantined} rows do"
            raise RowsDoNotFit(f"{misfit} not fit '{data_source}': {self._reason(data_source)}")
        return appended

    def rows(self, pipe: str, **parameters: Any) -> Rows:
        """What an endpoint answers. A list is a parameter with several values. Raises `RequestRefused`."""
        __tracebackhide__ = True
        given = {name: value for name, value in parameters.items() if value is not None}
        answer = self.remote.exchange("POST", f"/v0/pipes/{quote(pipe, safe='')}.json", json=given)
        if answer.is_error:
            raise RequestRefused(error_body(answer))
        rows: Rows = answer.json()["data"]
        return rows

    def sql(self, statement: str) -> Rows:
        """The rows of a SELECT without a FORMAT. Raises `RequestRefused`."""
        rows: Rows = self.remote.sql(statement).json()["data"]
        return rows

    def load_fixtures(self) -> None:
        """Append the project's fixtures to data sources that are empty."""
        for _ in load_fixtures(self.remote, self.folder, self.files):
            pass

    def reset(self) -> None:
        """Empty every data source and every quarantine, events that are still on their way included."""
        self.remote.empty()

    def _reason(self, data_source: str) -> str:
        name = data_source.replace("`", "\\`")
        newest = f"SELECT c__error, c__raw FROM `{name}_quarantine` ORDER BY insertion_date DESC LIMIT 1"
        return "; ".join(f"{'; '.join(row['c__error'])}, in {row['c__raw']}" for row in self.sql(newest))
