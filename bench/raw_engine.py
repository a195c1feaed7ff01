"""The reference for writes, a process of its own: chDB's own `send_insert` of the same bytes into the same table.

Nothing of Stonechat runs here but the DDL of the data source: no check, no log, no quarantine.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from itertools import count, islice
from pathlib import Path
from typing import Any

import chdb

from bench.processes import answer_questions, merging_seconds
from bench.rows import blocks
from stonechat.deploy.ddl import create_table
from stonechat.project.model import Project

_DATABASE = "raw"


class RawEngine:
    """A chDB over `folder` with the tables of a project, and the rows of a file to insert."""

    def __init__(self, folder: Path, files: Mapping[str, str], rows: Path) -> None:
        self._lines = rows.read_bytes().splitlines(keepends=True)
        self._connection: Any = chdb.connect(str(folder))
        self._tokens = count()
        self._connection.query(f"CREATE DATABASE {_DATABASE}")
        for source in Project.from_files(files).data_sources.values():
            self._connection.query(create_table(source, _DATABASE))
            # The text of a structure stands between quotes.
            columns = ", ".join(f"{column.name} {column.type}" for column in source.columns)
            self._structure = columns.replace("\\", "\\\\").replace("'", "\\'")

    def insert(self, table: str, block_rows: int, rows: int) -> dict[str, float]:
        """Insert `rows` rows in blocks of `block_rows`; the rows written, CPU and wall seconds of this process.

        The CPU of merges is left out.
        """
        written = 0
        prepared = list(blocks(islice(iter(self._lines), rows), block_rows))
        began, cpu = time.perf_counter(), self._cpu()
        for block in prepared:
            # The table forgets blocks that it saw already, so each has a token of its own.
            statement = (
                f"INSERT INTO {_DATABASE}.{table} "
                f"SETTINGS async_insert = 0, insert_deduplication_token = '{next(self._tokens)}'"
            )
            with self._connection.send_insert(statement, "JSONEachRow") as inserter:
                inserter.append(block)
                written += inserter.finish().rows_written
        return {"rows": written, "cpu_seconds": self._cpu() - cpu, "seconds": time.perf_counter() - began}

    @staticmethod
    def _cpu() -> float:
        return time.process_time() - merging_seconds(os.getpid())

    def write(self, file: str, form: str, rows: int) -> dict[str, float]:
        """Write so many rows to a file in a format of the engine's."""
        lines = Path(file).with_suffix(".lines")
        lines.write_bytes(b"".join(islice(iter(self._lines), rows)))
        described = f"SELECT * FROM file('{lines}', 'JSONEachRow', '{self._structure}')"
        self._connection.query(f"{described} INTO OUTFILE '{file}' FORMAT {form}")
        return {}

    def read(self, file: str, form: str, table: str) -> dict[str, float]:
        """Bring the rows of a file into a table by the engine alone; CPU and wall seconds of this process."""
        began, cpu = time.perf_counter(), time.process_time()
        # The table forgets blocks that it saw already, unless it is told not to look.
        self._connection.query(
            f"INSERT INTO {_DATABASE}.{table} SELECT * FROM file('{file}', '{form}', '{self._structure}') "
            "SETTINGS insert_deduplicate = 0, max_threads = 1"
        )
        return {"cpu_seconds": time.process_time() - cpu, "seconds": time.perf_counter() - began}

    def answer(self, **question: Any) -> dict[str, float]:
        """Do what a question's `do` names, an insert without one, with the rest as arguments."""
        match question.pop("do", "insert"):
            case "write":
                return self.write(**question)
            case "read":
                return self.read(**question)
            case _:
                return self.insert(**question)


def main() -> None:
    """Answer questions until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("folder", "rows", "datasource"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    files = {options.datasource.name: options.datasource.read_text()}
    answer_questions(RawEngine(options.folder, files, options.rows).answer)


if __name__ == "__main__":
    main()
