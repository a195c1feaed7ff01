"""The process behind a throw-away server: `python -m stonechat.testing.child`.

It serves an empty data folder of its own on a free port, writes `{"url": ..., "token": ...}` as one line to standard
output, and ends, its folder gone, when standard input does: so it never outlives whoever started it, however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from stonechat.importing import quick_imports

with quick_imports():
    import structlog

    from stonechat.server.serving import Server, run
    from stonechat.settings import Settings


def main() -> None:
    """Serve until standard input ends."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when it is over
    with tempfile.TemporaryDirectory(prefix="stonechat-") as folder:
        settings = Settings(home=Path(folder) / "home", port=0, fsync=False, log_level="warning")
        with Server(settings) as server:
            run(server.serve(when_ready=lambda: _announce(server)))


async def _announce(server: Server) -> None:
    threading.Thread(target=_end_with_input, daemon=True).start()
    sys.stdout.write(json.dumps({"url": server.settings.base_url, "token": server.admin_token}) + "\n")
    sys.stdout.flush()


def _end_with_input() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
