"""A path that was answered before is answered without the router, and just as with it."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from stonechat.errors import Kind, StonechatError
from stonechat.http.beaten_paths import BeatenPaths


class _NotToday(StonechatError):
    code = "SC999"
    kind = Kind.CONFLICT


async def _greet(request: Request) -> Response:
    match request.query_params.get("fail"):
        case "ours":
            raise _NotToday("Not today")
        case "refused":
            raise HTTPException(418, "I am a teapot")
        case "unforeseen":
            raise RuntimeError("secret insides")
    return JSONResponse({"hello": request.path_params["name"], "by": request.method})


class _Application:
    """A router behind beaten paths, as `http.application` has them; it counts what reaches the router."""

    def __init__(self) -> None:
        self.routed = 0
        self._router = Router([Route("/people/{name}", _greet, methods=["GET", "POST"])])
        self._beaten = BeatenPaths()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        found = self._beaten.find(scope)
        self.routed += found is None
        await (found or self._router)(scope, receive, send)
        self._beaten.learn(scope)


@pytest.fixture
def application() -> _Application:
    return _Application()


class _Client:
    def __init__(self, application: _Application) -> None:
        self._transport = httpx.ASGITransport(application)

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._send("GET", path))

    def post(self, path: str) -> httpx.Response:
        return asyncio.run(self._send("POST", path))

    async def _send(self, method: str, path: str) -> httpx.Response:
        return await httpx.AsyncClient(transport=self._transport, base_url="http://test").request(method, path)


@pytest.fixture
def client(application: _Application) -> _Client:
    return _Client(application)


def test_a_path_is_routed_once_for_each_method(application: _Application, client: _Client) -> None:
    for _ in range(3):
        assert client.get("/people/ada").json() == {"hello": "ada", "by": "GET"}
        assert client.post("/people/ada").json() == {"hello": "ada", "by": "POST"}
    assert application.routed == 2


def test_paths_of_one_route_keep_their_own_parameters(client: _Client) -> None:
    for _ in range(2):
        assert [client.get(f"/people/{name}").json()["hello"] for name in ("ada", "bob")] == ["ada", "bob"]


def test_what_fails_has_the_answer_of_its_error(application: _Application, client: _Client) -> None:
    client.get("/people/ada")
    ours, refused = client.get("/people/ada?fail=ours"), client.get("/people/ada?fail=refused")
    assert (ours.status_code, ours.json()["code"]) == (409, "SC999")
    assert (refused.status_code, refused.json()["error"]) == (418, "I am a teapot")
    with pytest.raises(RuntimeError):
        client.get("/people/ada?fail=unforeseen")
    assert application.routed == 1


def test_paths_that_callers_make_up_fill_no_memory(application: _Application, client: _Client) -> None:
    for number in range(1_001):
        client.get(f"/people/{number}")
    client.get("/people/1000")
    assert application.routed == 1_001
    client.get("/people/0")
    client.get("/people/" + "x" * 300)
    client.get("/people/" + "x" * 300)
    assert application.routed == 1_004
