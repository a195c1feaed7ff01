"""Aggregate states as the values that they stand for, where a request asks for that."""

from __future__ import annotations

import json
from dataclasses import replace

from stonechat.engine.contract import Engine, Query
from stonechat.query.clauses import without_clauses
from stonechat.sql.quoting import identifier

FINALIZE = "finalize_aggregations"
"""The parameter of a request that asks for it; it travels with the settings of the output."""


def finalized(query: Query, engine: Engine) -> Query:
    """The query with each column that holds states of an aggregate function finalized. Asks the engine for its columns.

    The rows, their order and the names of the columns stay. A query without states comes back as it is.
    """
    plain = without_clauses(query, engine.explain)
    described = replace(plain, statement=f"DESCRIBE TABLE (\n{plain.statement}\n)", format="JSONEachRow")
    columns = [json.loads(line) for line in engine.query(described).data.splitlines()]
    states = [identifier(column["name"]) for column in columns if column["type"].startswith("AggregateFunction(")]
    if not states:
        return query
    values = ", ".join(f"finalizeAggregation({name}) AS {name}" for name in states)
    return replace(plain, statement=f"SELECT * REPLACE ({values}) FROM (\n{plain.statement}\n)")
