"""Full load for minutes, and the rest after it: whether the memory stays flat. Asked for with `--soak SECONDS`."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence

from bench.load import request, run_load
from bench.processes import Stonechat
from bench.rows import blocks
from bench.tables import Table

_ROWS = 10_000
_CONNECTIONS = 4
_PARTS = 10
_REST_SECONDS = 60.0
_MB = 1_000_000


def measure(server: Stonechat, lines: Sequence[bytes], seconds: float) -> Table:
    """Requests of ten thousand rows over a few connections, and the memory of the server in each tenth of the time.

    The last line is the memory in the minute after the last request, while the engine merges what it has left.
    """
    samples: list[tuple[float, int]] = []
    stopped = threading.Event()
    began = time.perf_counter()

    def watch() -> None:
        while not stopped.wait(0.5):
            samples.append((time.perf_counter() - began, server.resident_bytes))

    watcher = threading.Thread(target=watch)
    watcher.start()
    requests = [
        request("POST", "/v0/events?name=messages", body=body, token=server.token)
        for body in blocks(iter(lines), _ROWS)
    ]
    try:
        load = run_load(server.port, requests, connections=_CONNECTIONS, status=202, seconds=seconds)
        time.sleep(_REST_SECONDS)
    finally:
        stopped.set()
        watcher.join()
    bounds = [*(seconds * part / _PARTS for part in range(_PARTS + 1)), seconds + _REST_SECONDS]
    table = []
    for low, high in itertools.pairwise(bounds):
        held = [size for moment, size in samples if low <= moment < high]
        table.append((f"{low:.0f} to {high:.0f}", min(held) / _MB, max(held) / _MB))
    rate = load.requests * _ROWS / load.seconds
    return Table(f"Memory under full load, {rate:,.0f} rows/s", ("Seconds", "least MB", "most MB"), table)
