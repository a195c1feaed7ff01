"""A running server, as the command line talks to it: the public HTTP API and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from stonechat.requesting import Connection, RequestRefused, Response

_BATCH_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of appended rows."""

    successful: int
    quarantined: int


class Remote(Connection):
    """A server, by what it can be asked for."""

    def append(self, data_source: str, rows: bytes) -> Appended:
        """Send NDJSON through the Events API and wait until it is committed."""
        body = self._json("POST", "/v0/events", params={"name": data_source, "wait": "true"}, content=rows)
        return Appended(body["successful_rows"], body["quarantined_rows"])

    def append_csv(self, data_source: str, content: bytes) -> Appended:
        """Append a file of comma-separated values, as a whole. Raises `RequestRefused` where it cannot be read."""
        params = {"name": data_source, "mode": "append", "format": "csv"}
        body = self._json("POST", "/v0/datasources", params=params, content=content)
        if body["error"] and not body["quarantined_rows"]:
            raise RequestRefused(body)
        return Appended(body["successful_rows"], body["quarantined_rows"])

    def empty(self) -> None:
        """Remove the rows of every data source and every quarantine, those of events that are on their way as well."""
        sources = self._stored()
        if not sources:
            return
        # Truncating waits for events that are on their way, so what is there is looked at again afterwards.
        self._truncate(max(sources, key=lambda source: int(source["statistics"]["row_count"])), quarantine=False)
        for source in self._stored():
            if source["statistics"]["row_count"]:
                self._truncate(source, quarantine=False)
            if source["quarantine_rows"]:
                self._truncate(source, quarantine=True)

    def count(self, data_source: str) -> int:
        """How many rows a data source holds."""
        quoted = data_source.replace("`", "\\`")
        body = self._json("GET", "/v0/sql", params={"q": f"SELECT count() AS rows FROM `{quoted}` FORMAT JSON"})
        return int(body["data"][0]["rows"])

    def tokens(self) -> Sequence[Mapping[str, Any]]:
        """The workspace's tokens, values included."""
        listed: Sequence[Mapping[str, Any]] = self._json("GET", "/v0/tokens")["tokens"]
        return listed

    def create_token(self, wanted: Mapping[str, Any]) -> str:
        """The value of a new token, as `POST /v0/tokens` describes one."""
        return str(self._json("POST", "/v0/tokens", json=wanted)["token"])

    def refresh_token(self, name: str) -> str:
        """The new value of a token."""
        return str(self._json("POST", f"/v0/tokens/{quote(name, safe='')}/refresh")["token"])

    def remove_token(self, name: str) -> None:
        """Revoke a token."""
        self._json("DELETE", f"/v0/tokens/{quote(name, safe='')}")

    def sql(self, statement: str) -> Response:
        """Run a statement; the answer is in the format that the statement names, or JSON."""
        return self._send("POST", "/v0/sql", content=statement, headers={"Content-Type": "text/plain"})

    def pipes(self) -> Sequence[Mapping[str, Any]]:
        """The pipes that the token may read."""
        listed: Sequence[Mapping[str, Any]] = self._json("GET", "/v0/pipes")["pipes"]
        return listed

    def run_copy(self, pipe: str, parameters: Sequence[tuple[str, str]], *, mode: str | None) -> Mapping[str, Any]:
        """Ask for a run of a copy pipe; its job. A parameter that is given several times is a list."""
        data: dict[str, list[str]] = {}
        for name, value in [*parameters, *([("_mode", mode)] if mode else [])]:
            data.setdefault(name, []).append(value)
        body: Mapping[str, Any] = self._json("POST", f"/v0/pipes/{quote(pipe, safe='')}/copy", data=data)["job"]
        return body

    def pause_copy(self, pipe: str, *, paused: bool) -> Mapping[str, Any]:
        """Let the schedule of a copy pipe rest, or go on."""
        path = f"/v0/pipes/{quote(pipe, safe='')}/copy/{'pause' if paused else 'resume'}"
        body: Mapping[str, Any] = self._json("POST", path)
        return body

    def jobs(self, *, status: str | None = None, kind: str | None = None) -> Sequence[Mapping[str, Any]]:
        """The jobs of the last two days."""
        params = {key: value for key, value in (("status", status), ("kind", kind)) if value is not None}
        listed: Sequence[Mapping[str, Any]] = self._json("GET", "/v0/jobs", params=params)["jobs"]
        return listed

    def job(self, identity: str) -> Mapping[str, Any]:
        """One job."""
        body: Mapping[str, Any] = self._json("GET", f"/v0/jobs/{quote(identity, safe='')}")
        return body

    def change_job(self, identity: str, change: str) -> Mapping[str, Any]:
        """`cancel` a job or `retry` it; the job then."""
        body: Mapping[str, Any] = self._json("POST", f"/v0/jobs/{quote(identity, safe='')}/{change}")
        return body

    def deploy(
        self, files: Mapping[str, str], *, check: bool, allow_destructive: bool, promote: bool = True
    ) -> Mapping[str, Any]:
        """Deploy a project; with `check` only say what that would do. Without `promote` it stays staged."""
        params = {"check": str(check).lower(), **_choices(promote=promote, allow_destructive=allow_destructive)}
        body: Mapping[str, Any] = self._json("POST", "/v1/deploy", params=params, files=_parts(files))
        return body

    def deployments(self, *, history: bool = False) -> Sequence[Mapping[str, Any]]:
        """The live deployment and the one beside it, or with `history` all."""
        params = {"history": str(history).lower()}
        listed: Sequence[Mapping[str, Any]] = self._json("GET", "/v1/deployments", params=params)["deployments"]
        return listed

    def deployment(self, identity: str) -> Mapping[str, Any]:
        """One deployment."""
        body: Mapping[str, Any] = self._json("GET", f"/v1/deployments/{quote(identity, safe='')}")["deployment"]
        return body

    def promote(self, identity: str) -> None:
        """Make a staged deployment live."""
        self._json("POST", f"/v1/deployments/{quote(identity, safe='')}/set-live")

    def discard(self, identity: str) -> None:
        """End a deployment that is not live."""
        self._json("DELETE", f"/v1/deployments/{quote(identity, safe='')}")

    def roll_back(self, identity: str, *, allow_destructive: bool, promote: bool) -> Mapping[str, Any]:
        """Deploy the files of an earlier deployment again; the answer is that of `deploy`."""
        params = _choices(promote=promote, allow_destructive=allow_destructive)
        path = f"/v1/deployments/{quote(identity, safe='')}/rollback"
        body: Mapping[str, Any] = self._json("POST", path, params=params)
        return body

    def build(self, files: Mapping[str, str]) -> Mapping[str, Any]:
        """Make a project live whatever that deletes, as during development."""
        body: Mapping[str, Any] = self._json("POST", "/v1/build", files=_parts(files))
        return body

    @contextmanager
    def workspace(self, name: str) -> Iterator[str]:
        """The admin token of a new workspace, which is deleted with its data at the end. Needs a user's token."""
        made = self._json("POST", "/v1/workspaces", params={"name": name})
        try:
            yield str(made["token"])
        finally:
            params = {"hard_delete_confirmation": "yes"}
            self._json("DELETE", f"/v1/workspaces/{made['id']}", params=params)

    def put_secret(self, name: str, value: str) -> None:
        """Give the workspace a secret, or a new value of one that it has."""
        response = self.exchange("POST", "/v0/variables", data={"name": name, "value": value})
        if response.is_error:
            self._json("PUT", f"/v0/variables/{quote(name, safe='')}", data={"value": value})

    def _stored(self) -> Sequence[Mapping[str, Any]]:
        """The data sources with what they hold."""
        params = {"attrs": "name,statistics,quarantine_rows"}
        listed: Sequence[Mapping[str, Any]] = self._json("GET", "/v0/datasources", params=params)["datasources"]
        return listed

    def _truncate(self, source: Mapping[str, Any], *, quarantine: bool) -> None:
        params = {"quarantine": "true"} if quarantine else {}
        self._send("POST", f"/v0/datasources/{quote(source['name'], safe='')}/truncate", params=params)


def _choices(*, promote: bool, allow_destructive: bool) -> dict[str, str]:
    return {"auto_promote": str(promote).lower(), "allow_destructive_operations": str(allow_destructive).lower()}


def _parts(files: Mapping[str, str]) -> list[tuple[str, tuple[str, bytes, str]]]:
    parts = [("data_project://", (name, text.encode(), "text/plain")) for name, text in files.items()]
    return [*parts, ("context://", ("cli-version", b"1.0.0", "text/plain"))]


def batches(lines: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Lines in batches of about 4 MB, each with its number of lines."""
    batch = bytearray()
    count = 0
    for line in lines:
        batch += line
        count += 1
        if len(batch) >= _BATCH_BYTES:
            yield bytes(batch), count
            batch.clear()
            count = 0
    if batch:
        yield bytes(batch), count
