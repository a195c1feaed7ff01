"""The references for reads, a process of its own: an endpoint's composed statement run on the engine, without HTTP.

It owns a copy of the server's data folder, opened by the same composition root, so that the engine, its limits and
settings and the live project are those of the server; nothing listens. Beside it chDB itself answers the same statement
on a connection that is opened as its documentation says, with no setting of Stonechat's.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import chdb
import structlog

from bench.processes import answer_questions
from stonechat.engine.contract import Query, QueryLimits
from stonechat.engine.formats import JSON
from stonechat.project.composition import Composed, compose_pipe
from stonechat.server.serving import Server
from stonechat.settings import Settings
from stonechat.sql.quoting import identifier, parameter_text


class InProcess:
    """The parts of a server over `home`, without its HTTP side."""

    def __init__(self, home: Path) -> None:
        self._settings = replace(Settings(), home=home)
        self._server = Server(self._settings)
        self._snapshot = self._server.projects.all()[0].snapshot
        self._plain = chdb.connect(str(home / "engine"))
        self._plain.query(f"USE {identifier(self._snapshot.workspace.database)}")

    def run(
        self, calls: Sequence[Mapping[str, str]], pipe: str = "", *, plain: bool = False, composes: bool = False
    ) -> dict[str, object]:
        """Run an endpoint once for each call's parameters; without a pipe, the statement `q` of each call.

        `plain` has chDB answer instead of the engine as the server sets it up. Composing the statement is part of what
        is timed if it `composes`: `latencies` in seconds, `cpu_seconds` of this process.
        """
        latencies = []
        cpu_seconds = 0.0
        for call in calls:
            query = None if composes else self._query(self._compose(pipe, call))
            cpu, began = time.process_time(), time.perf_counter()
            query = query or self._query(self._compose(pipe, call))
            if plain:
                self._plain.query(query.statement, query.format, params=dict(query.parameters)).bytes()
            else:
                self._server.engine.query(query)
            latencies.append(time.perf_counter() - began)
            cpu_seconds += time.process_time() - cpu
        return {"latencies": latencies, "cpu_seconds": cpu_seconds}

    def close(self) -> None:
        """Release the data folder."""
        self._plain.close()
        self._server.close()

    def _compose(self, pipe: str, call: Mapping[str, str]) -> Composed:
        snapshot = self._snapshot
        if pipe:
            endpoint = snapshot.endpoint(pipe, bool)
            if (planned := snapshot.plans.compose(endpoint, call)) is not None:
                return planned
            snapshot.plans.learn(endpoint, call)
            return compose_pipe(snapshot.project, endpoint, call)
        return Composed(call["q"], frozenset(), {}, {}, None, frozenset())

    def _query(self, composed: Composed) -> Query:
        settings = self._settings
        return Query(
            composed.sql,
            database=self._snapshot.workspace.database,
            format=JSON.name,
            parameters={name: parameter_text(value) for name, value in composed.bound.items()},
            settings=composed.settings,
            limits=QueryLimits(
                seconds=settings.query_seconds,
                memory_bytes=settings.query_memory_bytes,
                result_bytes=settings.query_result_bytes,
            ),
        )


def main() -> None:
    """Answer questions until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    engine = InProcess(parser.parse_args().home)
    try:
        answer_questions(engine.run)
    finally:
        engine.close()


if __name__ == "__main__":
    main()
