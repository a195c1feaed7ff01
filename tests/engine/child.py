"""What tests run in processes of their own: engines that open a folder, and may die."""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import EngineFailure, Insert

WINDOW = "SETTINGS non_replicated_deduplication_window = 1000"
TABLES = (
    "CREATE DATABASE IF NOT EXISTS w",
    f"CREATE TABLE IF NOT EXISTS w.t (k UInt64) ENGINE = MergeTree ORDER BY k PARTITION BY k % 3 {WINDOW}",
    f"CREATE TABLE IF NOT EXISTS w.s (k UInt64, c UInt64) ENGINE = SummingMergeTree ORDER BY k {WINDOW}",
    "CREATE MATERIALIZED VIEW IF NOT EXISTS w.v TO w.s AS SELECT k % 10 AS k, count() AS c FROM w.t GROUP BY k",
)


def insert(engine: ChdbEngine, token: int) -> None:
    rows = b"".join(b'{"k":%d}\n' % number for number in range(1000))
    engine.insert(Insert("w", "t", ["k"], "JSONEachRow", [rows], f"token {token}"))


def replay(folder: Path, tokens: int) -> None:
    """Insert the first tokens, once more, and print the rows of the table and of its view's target."""
    engine = opened(folder)
    for token in range(tokens):
        insert(engine, token)
    found = engine.fetch("SELECT (SELECT count() FROM w.t) AS t, (SELECT sum(c) FROM w.s) AS s")[0]
    engine.close()
    sys.stdout.write(f"{found['t']} {found['s']}\n")


def insert_until_killed(folder: Path) -> None:
    """Insert token after token, printing each one when it is acknowledged."""
    engine = opened(folder)
    for token in range(1_000_000):
        insert(engine, token)
        os.write(1, f"{token}\n".encode())


def insert_where_nothing_fits(folder: Path) -> None:
    """Insert a block while no file may grow large, then again when it may; print what came of each."""
    engine = opened(folder)
    data = b"".join(b'{"k":%d}\n' % (number * 0x9E3779B97F4A7C15 % 2**64) for number in range(300_000))
    block = Insert("w", "t", ["k"], "JSONEachRow", [data], "large")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        engine.insert(block)
    except EngineFailure as error:
        sys.stdout.write(f"{error.name} ")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    engine.insert(block)
    sys.stdout.write(f"{engine.fetch('SELECT count() AS t FROM w.t')[0]['t']}\n")
    engine.close()


def opened(folder: Path) -> ChdbEngine:
    engine = ChdbEngine(folder, server_memory_bytes=1_000_000_000)
    for statement in TABLES:
        engine.command(statement)
    return engine


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["replay", folder, tokens]:
            replay(Path(folder), int(tokens))
        case ["insert-until-killed", folder]:
            insert_until_killed(Path(folder))
        case ["insert-where-nothing-fits", folder]:
            insert_where_nothing_fits(Path(folder))
        case arguments:
            sys.exit(f"unknown: {arguments}")
