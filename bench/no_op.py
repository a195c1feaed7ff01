"""The no-op route that request rates are compared with: the same HTTP server, reading the body and doing nothing."""

from __future__ import annotations

import argparse
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def _answer(request: Request) -> Response:
    await request.body()
    return Response(b'{"successful_rows":1,"quarantined_rows":0}', media_type="application/json")


def main() -> None:
    """Serve the route on a loopback port until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    listener = socket.create_server(("127.0.0.1", port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        Starlette(routes=[Route("/{path:path}", _answer, methods=["GET", "POST"])]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
