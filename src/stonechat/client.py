"""A running server, as the command line talks to it: the public HTTP API and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx

from stonechat.errors import Kind, Position, StonechatError

_TIMEOUT = httpx.Timeout(300.0, connect=5.0)


class ServerUnreachable(StonechatError):
    """No server answers at the URL."""

    code = "SC961"
    kind = Kind.UNAVAILABLE


class RequestRefused(StonechatError):
    """The server answered with an error; `server_code` is its code, `errors` the single ones of a refused project."""

    code = "SC962"
    kind = Kind.INVALID

    def __init__(self, body: Mapping[str, Any]) -> None:
        position = Position(body["file"], body["line"], body["column"]) if "file" in body else None
        text = str(body.get("error", "The server refused the request"))
        super().__init__(text.removeprefix(f"{position}: "), hint=body.get("hint"), position=position)
        self.server_code = str(body.get("code", RequestRefused.code))
        self.errors = [RequestRefused(item) for item in body.get("errors", [])]


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of appended rows."""

    successful: int
    quarantined: int


class Remote:
    """A server at a URL, with a token. Without one, a server on this machine is asked for its own."""

    def __init__(self, url: str, token: str | None) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT)
        self._url = url
        self._token = token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def append(self, data_source: str, rows: bytes) -> Appended:
        """Send NDJSON through the Events API and wait until it is committed."""
        body = self._json("POST", "/v0/events", params={"name": data_source, "wait": "true"}, content=rows)
        return Appended(body["successful_rows"], body["quarantined_rows"])

    def count(self, data_source: str) -> int:
        """How many rows a data source holds."""
        quoted = data_source.replace("`", "\\`")
        body = self._json("GET", "/v0/sql", params={"q": f"SELECT count() AS rows FROM `{quoted}` FORMAT JSON"})
        return int(body["data"][0]["rows"])

    def tokens(self) -> Sequence[Mapping[str, Any]]:
        """The workspace's tokens, values included."""
        listed: Sequence[Mapping[str, Any]] = self._json("GET", "/v0/tokens")["tokens"]
        return listed

    def sql(self, statement: str) -> httpx.Response:
        """Run a statement; the answer is in the format that the statement names, or JSON."""
        return self._send("POST", "/v0/sql", content=statement, headers={"Content-Type": "text/plain"})

    def deploy(self, files: Mapping[str, str], *, check: bool, allow_destructive: bool) -> Mapping[str, Any]:
        """Deploy a project; with `check` only say what that would do."""
        parts = [("data_project://", (name, text.encode(), "text/plain")) for name, text in files.items()]
        parts.append(("context://", ("cli-version", b"1.0.0", "text/plain")))
        params = {"check": str(check).lower(), "auto_promote": "true"}
        params["allow_destructive_operations"] = str(allow_destructive).lower()
        body: Mapping[str, Any] = self._json("POST", "/v1/deploy", params=params, files=parts)
        return body

    @property
    def token(self) -> str:
        """The token in use."""
        if self._token is None:
            response = self._request("GET", "/tokens")
            if response.is_error:
                raise ServerUnreachable(
                    f"{self._url} does not hand out its token", hint="Set STONECHAT_TOKEN, or pass --token."
                )
            self._token = str(response.json()["workspace_admin_token"])
        return self._token

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        return self._send(method, path, **arguments).json()

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **arguments.pop("headers", {})}
        response = self._request(method, path, headers=headers, **arguments)
        if response.is_error:
            raise RequestRefused(_error_body(response))
        return response

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise ServerUnreachable(
                f"No stonechat server answers at {self._url} ({error})",
                hint="Start one with `stonechat dev` or `stonechat serve`, or pass --url.",
            ) from error


def _error_body(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"error": f"HTTP {response.status_code}: {response.text[:200]}"}
