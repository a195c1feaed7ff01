"""The log of the writes alone, a process of its own: requests appended and synced, with nothing before or behind."""

from __future__ import annotations

import argparse
import threading
import time
from itertools import islice
from pathlib import Path

from bench.processes import answer_questions
from bench.rows import blocks
from stonechat.errors import StonechatError
from stonechat.ingest.log import Log
from stonechat.ingest.records import Rows

_LIMIT_BYTES = 20_000_000_000


class LogAlone:
    """A write-ahead log in `folder`, and the rows of a file to append."""

    def __init__(self, folder: Path, rows: Path) -> None:
        self._lines = rows.read_bytes().splitlines(keepends=True)
        self._log, _ = Log.open(folder, limit_bytes=_LIMIT_BYTES)
        self._log.start(lambda _rows: None)

    def append(self, request_rows: int, rows: int) -> dict[str, float]:
        """Append `rows` rows in requests of so many, one after the other, each synced; CPU seconds of this process."""
        requests = [
            Rows("rows", body, body.count(b"\n"), b"", 0)
            for body in blocks(islice(iter(self._lines), rows), request_rows)
        ]
        cpu = time.process_time()
        for each in requests:
            self._append(each)
        return {"cpu_seconds": time.process_time() - cpu}

    def _append(self, rows: Rows) -> None:
        failures: list[StonechatError] = []
        settled = threading.Event()

        def tell(failure: StonechatError | None) -> None:
            failures.extend([failure] if failure else [])
            settled.set()

        self._log.append(rows, tell)
        settled.wait()
        if failures:
            raise failures[0]


def main() -> None:
    """Answer questions until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("folder", "rows"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    answer_questions(LogAlone(options.folder, options.rows).append)


if __name__ == "__main__":
    main()
