"""Requests to a running server, and what becomes of them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Self
from urllib.request import getproxies

from stonechat.errors import Kind, Position, StonechatError
from stonechat.importing import absent

with absent("httpx._main"):  # its command line, for which it would import click, rich and pygments
    import httpx

Response = httpx.Response
"""The answer to a request."""
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


class Connection:
    """To a server at a URL, with a token. Without one, a server on this machine is asked for its own."""

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


def error_body(response: httpx.Response) -> Mapping[str, Any]:
    """The JSON object of an answer that is an error."""
    try:
        body = response.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"error": f"HTTP {response.status_code}: {response.text[:200]}"}
