"""What tests run in processes of their own: engines that open a folder, and may die."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Insert
from stonechat.engine.table_settings import LEAN_MERGES, SYNCED_PARTS

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


def insert_and_be_killed(folder: Path, blocks: list[tuple[str, list[int]]]) -> None:
    """Insert rows under tokens behind others that were merged, and print all rows there are."""
    engine = ChdbEngine(folder, server_memory_bytes=2_000_000_000)
    if not engine.fetch("SELECT 1 FROM system.databases WHERE name = 'w'"):
        engine.command("CREATE DATABASE w")
        engine.command(
            "CREATE TABLE w.t (n UInt32) ENGINE = MergeTree ORDER BY n PARTITION BY n % 3 "
            "SETTINGS non_replicated_deduplication_window = 100"
        )
        engine.insert(Insert("w", "t", ["n"], "JSONEachRow", [b'{"n":100}', b'{"n":101}'], "first"))
        engine.insert(Insert("w", "t", ["n"], "JSONEachRow", [b'{"n":103}'], "merged"))
        engine.command("OPTIMIZE TABLE w.t FINAL")
    for token, rows in blocks:
        engine.insert(Insert("w", "t", ["n"], "JSONEachRow", [json.dumps({"n": n}).encode() for n in rows], token))
    sys.stdout.write(json.dumps(engine.fetch("SELECT n FROM w.t ORDER BY n")) + "\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def merge_until_killed(folder: Path, change: str, *given: str) -> None:
    """Insert blocks, make other parts of them, have the disk catch up with what it was told to sync, and wait."""
    engine = ChdbEngine(folder, server_memory_bytes=1_000_000_000)
    own = [f"{name} = {value}" for name, value in (LEAN_MERGES | SYNCED_PARTS).items()]
    settings = ", ".join([*own, *given])
    engine.command("CREATE DATABASE w")
    engine.command(f"CREATE TABLE w.t (k UInt64, c UInt64 DEFAULT k) ENGINE = MergeTree ORDER BY k SETTINGS {settings}")
    for token in range(20):
        insert(engine, token)
    engine.command(change)
    with (folder / "another file").open("wb") as file:  # after whose sync no earlier change of a folder is lost
        os.fsync(file.fileno())
    os.write(1, b"merged\n")
    signal.pause()


def look(folder: Path) -> None:
    """Print how many rows there are, and how many parts the engine has put aside because they are torn."""
    engine = ChdbEngine(folder, server_memory_bytes=1_000_000_000)
    rows = engine.fetch("SELECT count() AS rows FROM w.t")[0]["rows"]
    torn = engine.fetch("SELECT count() AS parts FROM system.detached_parts")[0]["parts"]
    engine.close()
    sys.stdout.write(f"{rows} {torn}\n")


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
        case ["insert-and-be-killed", folder, blocks]:
            insert_and_be_killed(Path(folder), json.loads(blocks))
        case ["merge-until-killed", folder, change, *given]:
            merge_until_killed(Path(folder), change, *given)
        case ["look", folder]:
            look(Path(folder))
        case arguments:
            sys.exit(f"unknown: {arguments}")
