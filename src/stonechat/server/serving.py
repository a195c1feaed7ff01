"""A server on its port, from its start until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from typing import cast

import uvicorn
import uvloop

from stonechat.errors import Kind, StonechatError
from stonechat.server.direct_protocol import protocol_with
from stonechat.server.memory import prepare_memory_for_serving, use_large_pages
from stonechat.server.open_files import allow_open_files
from stonechat.server.parts import Parts
from stonechat.server.patience import Connection, Patience
from stonechat.server.routes import application_of
from stonechat.settings import Settings

_SHUTDOWN_SECONDS = 10
_SETTLED_SECONDS = 1.0
"""After which most of what requests need again and again has its place in memory."""


class PortTaken(StonechatError):
    """The address to listen on is in use or not this machine's."""

    code = "SC901"
    kind = Kind.CONFLICT


class Server(Parts):
    """The parts of a server, and the answering of HTTP with them."""

    async def serve(self, *, when_ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Answer HTTP until SIGINT or SIGTERM. `when_ready` runs beside it once the port is open."""
        listener = _listener(self.settings)
        self.settings = replace(self.settings, port=listener.getsockname()[1])
        app, direct = application_of(self)
        config = uvicorn.Config(
            app,
            loop="none",
            http=protocol_with(direct, self.settings.max_connections or allow_open_files() // 2),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        http = _HttpServer(config)
        prepare_memory_for_serving()
        loop = asyncio.get_running_loop()
        settled = loop.call_later(_SETTLED_SECONDS, loop.run_in_executor, None, use_large_pages)
        serving = asyncio.create_task(http.serve(sockets=[listener]))
        connections = cast("Iterable[Connection]", http.server_state.connections)
        watching = asyncio.create_task(Patience(self.settings.request_seconds).watch(connections))
        beside = asyncio.create_task(_when(http, when_ready)) if when_ready else None
        with _stopping_on_signals(http):
            await serving
        direct.afterwards.settle()
        settled.cancel()
        watching.cancel()
        if beside is not None:
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)


def run(work: Coroutine[None, None, None]) -> None:
    """Run what serves on an event loop of its own, to its end. uvicorn chooses none: its own start is not used."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


class _HttpServer(uvicorn.Server):
    """uvicorn without its own signal handlers: they end the process by the signal, not with exit code 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _when(http: uvicorn.Server, ready: Callable[[], Awaitable[None]]) -> None:
    while not http.started:  # noqa: ASYNC110 - uvicorn has a flag and no event
        await asyncio.sleep(0.01)
    await ready()


@contextlib.contextmanager
def _stopping_on_signals(http: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        http.force_exit = http.should_exit  # the second signal does not wait for open requests
        http.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _listener(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it: without, an answer's second packet waits 40 ms for the first one's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}", hint="Choose another with --port."
        ) from error
    return listener
