"""A running server, as the command line talks to it: the public HTTP API and nothing else."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote
from urllib.request import getproxies

from stonechat.errors import Kind, Position, StonechatError
from stonechat.importing import absent

with absent("httpx._main"):  # its command line, for which it would import click, rich and pygments
    import httpx

_BATCH_BYTES = 4_000_000
_TIMEOUT = httpx.Timeout(300.0, connect=5.0)


class ServerUnreachable(StonechatError):
    """No server answers at the URL."""

    code = "SC961"
    kind = Kind.UNAVAILABLE


class RequestRefused(StonechatError):
    """The server answered with an error, of which the code is shown; `problems` are the single ones of a project."""

    code = "SC962"
    kind = Kind.INVALID

    def __init__(self, body: Mapping[str, Any]) -> None:
        position = Position(body["file"], body["line"], body["column"]) if "file" in body else None
        text = str(body.get("error", "The server refused the request"))
        super().__init__(text.removeprefix(f"{position}: "), hint=body.get("hint"), position=position)
        self._server_code = str(body.get("code", RequestRefused.code))
        self.problems = [RequestRefused(item) for item in body.get("errors", [])]

    @property
    def shown_code(self) -> str:
        """The code that the server gave."""
        return self._server_code


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of appended rows."""

    successful: int
    quarantined: int


class Remote:
    """A server at a URL, with a token. Without one, a server on this machine is asked for its own."""

    def __init__(self, url: str, token: str | None, *, as_user: bool = False) -> None:
        try:
            self._client = httpx.Client(base_url=url, timeout=_TIMEOUT, verify=_trusted(url))
        except httpx.InvalidURL as error:
            raise ServerUnreachable(f"{url} is no URL ({error})", hint="For example http://127.0.0.1:7181.") from error
        self._url = url
        self._token = token
        self._as_user = as_user

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

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

    def sql(self, statement: str) -> httpx.Response:
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

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON of an answer. Raises `RequestRefused`."""
        return self._json(method, path, **arguments)

    def tell(self, method: str, path: str, **arguments: Any) -> None:
        """A request whose answer has no body. Raises `RequestRefused`."""
        self._send(method, path, **arguments)

    def stream(self, statement: str) -> Iterator[bytes]:
        """The answer to a statement, piece by piece. Raises `RequestRefused` and `ServerUnreachable`."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "text/plain"}
        try:
            with self._client.stream("POST", "/v0/sql", content=statement, headers=headers) as response:
                if response.is_error:
                    response.read()
                    raise RequestRefused(error_body(response))
                yield from response.iter_bytes()
        except httpx.HTTPError as error:
            raise ServerUnreachable(f"The answer of {self._url} broke off ({error})") from error

    def exchange(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A request with the token, and its answer whatever its status."""
        headers = {"Authorization": f"Bearer {self.token}", **arguments.pop("headers", {})}
        return self._request(method, path, headers=headers, **arguments)

    @property
    def url(self) -> str:
        """Where the server answers."""
        return self._url

    @property
    def token(self) -> str:
        """The token in use."""
        if self._token is None:
            response = self._request("GET", "/tokens")
            body = error_body(response) if response.is_error else self._document(response)
            if "code" in body:
                raise ServerUnreachable(
                    f"{self._url} does not hand out its token", hint="Set STONECHAT_TOKEN, or pass --token."
                )
            try:
                self._token = str(body["user_token" if self._as_user else "workspace_admin_token"])
            except (KeyError, TypeError):
                raise self._another_program() from None
        return self._token

    def _stored(self) -> Sequence[Mapping[str, Any]]:
        """The data sources with what they hold."""
        params = {"attrs": "name,statistics,quarantine_rows"}
        listed: Sequence[Mapping[str, Any]] = self._json("GET", "/v0/datasources", params=params)["datasources"]
        return listed

    def _truncate(self, source: Mapping[str, Any], *, quarantine: bool) -> None:
        params = {"quarantine": "true"} if quarantine else {}
        self._send("POST", f"/v0/datasources/{quote(source['name'], safe='')}/truncate", params=params)

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        return self._document(self._send(method, path, **arguments))

    def _document(self, response: httpx.Response) -> Any:
        """The JSON of an answer."""
        try:
            return response.json()
        except ValueError:
            raise self._another_program() from None

    def _another_program(self) -> ServerUnreachable:
        hint = "Pass the URL of a stonechat server by --url, or set STONECHAT_URL."
        return ServerUnreachable(f"What answers at {self._url} is no stonechat server", hint=hint)

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        response = self.exchange(method, path, **arguments)
        if response.is_error:
            raise RequestRefused(error_body(response))
        return response

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise ServerUnreachable(
                f"No stonechat server answers at {self._url} ({error})",
                hint="Start one with `stonechat dev` or `stonechat serve`, or pass --url.",
            ) from error


def _trusted(url: str) -> ssl.SSLContext | bool:
    """The certificates to trust. To read them takes longer than many a request, and plain HTTP needs none."""
    encrypted = url.lower().startswith("https:") or getproxies()
    return True if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _choices(*, promote: bool, allow_destructive: bool) -> dict[str, str]:
    return {"auto_promote": str(promote).lower(), "allow_destructive_operations": str(allow_destructive).lower()}


def _parts(files: Mapping[str, str]) -> list[tuple[str, tuple[str, bytes, str]]]:
    parts = [("data_project://", (name, text.encode(), "text/plain")) for name, text in files.items()]
    return [*parts, ("context://", ("cli-version", b"1.0.0", "text/plain"))]


def error_body(response: httpx.Response) -> Mapping[str, Any]:
    """The JSON object of an answer that is an error."""
    try:
        body = response.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"error": f"HTTP {response.status_code}: {response.text[:200]}"}


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
