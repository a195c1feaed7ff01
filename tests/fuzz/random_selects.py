"""Random SELECTs of the columns `k` and `n` whose own names are those of tables too."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

#: Names for whatever a statement may give a name. Tables, nodes and pipes have some of them.
NAMES = ("a", "b", "c", "d", "x", "y", "z", "q")
_DEEPEST = 2
_Choice = TypeVar("_Choice")


class SelectMaker:
    """Writes statements over tables of these names, all of which have the columns `k String, n Int64` alone.

    `with_final` are those that take FINAL, SAMPLE and PREWHERE. Equal chances give equal statements.
    """

    def __init__(self, chance: random.Random, tables: Sequence[str], with_final: Sequence[str] = ()) -> None:
        self._chance = chance
        self._tables = tuple(tables)
        self._with_final = tuple(with_final)

    def statement(self) -> str:
        """One statement whose rows do not depend on the order in which anything is read."""
        return self._query(self._tables, 0)

    def _query(self, known: Sequence[str], depth: int) -> str:
        kind = self._chance.random()
        if depth < _DEEPEST and kind < 0.12:
            operator = self._pick("UNION ALL", "UNION ALL", "UNION DISTINCT", "INTERSECT", "EXCEPT")
            left, right = self._select(known, depth + 1), self._select(known, depth + 1)
            return self._pick(f"{left} {operator} {right}", f"({left}) {operator} ({right})")
        return self._select(known, depth)

    def _select(self, known: Sequence[str], depth: int) -> str:
        definitions: list[str] = []
        names = list(known)
        # The engine takes seconds to plan definitions within definitions.
        count = self._pick(0, 0, 1, 1, 2) if depth < _DEEPEST else 0
        for name in self._chance.sample(NAMES, count):
            made, is_table = self._definition(name, names, depth)
            definitions.append(made)
            if is_table:
                names.append(name)
        recursive = any("/*recursive*/" in made for made in definitions)
        head = f"WITH {'RECURSIVE ' * recursive}{', '.join(definitions)} " if definitions else ""
        return head + self._body(names, depth)

    def _definition(self, name: str, known: Sequence[str], depth: int) -> tuple[str, bool]:
        """A definition for a WITH, and whether what it names can be read as a table."""
        kind = self._chance.randrange(14)
        if kind == 0:
            return f"(SELECT max(n) FROM {self._name(known)}) AS {name}", False
        if kind == 1:
            return f"({self._pick('n', 'k', 'v')} -> {self._pick('1', '2')}) AS {name}", False
        if kind == 2:
            return f"{self._pick('1', '[1, 2]', '(1, 2)', '5')} AS {name}", False
        if kind == 3:
            first = f"SELECT k, n FROM {self._name(known)}"
            return f"/*recursive*/ {name} AS ({first} UNION ALL SELECT k, n + 3 FROM {name} WHERE n < 8)", True
        materialized = "MATERIALIZED " if kind == 4 else ""
        columns = " (k, n)" if kind == 5 else ""
        return f"{self._quoted(name)}{columns} AS {materialized}({self._query(known, depth + 1)})", True

    def _body(self, known: Sequence[str], depth: int) -> str:
        forms = (
            self._plain,
            self._plain,
            self._joined,
            self._joined,
            self._grouped,
            self._aliased,
            self._arrays,
            self._windows,
            self._wrapped,
            self._of_base,
        )
        return self._pick(*forms)(known, depth)

    def _plain(self, known: Sequence[str], depth: int) -> str:
        source = self._source(known, depth)
        condition = self._condition(known, depth)
        forms = (
            f"SELECT k, n FROM {source} WHERE {condition}",
            f"FROM {source} SELECT k, n WHERE {condition}",
            f"SELECT * FROM {source} WHERE {condition}",
            f"SELECT DISTINCT k, n + 1 AS n FROM {source} WHERE {condition}",
            f"SELECT k, n FROM {source} WHERE {condition} ORDER BY k, n LIMIT 3",
            f"SELECT concat(k, '{self._noise(known)}') AS k, n FROM {source} WHERE {condition}",
            f"SELECT k, {self._number(known)} AS n FROM {source} WHERE {condition}",
        )
        return self._pick(*forms)

    def _joined(self, known: Sequence[str], depth: int) -> str:
        one, other = self._chance.sample(NAMES, 2)
        left, right = self._table(known, depth), self._table(known, depth)
        one, other = self._pick((one, other), (one, other), ("n", other), (one, "n"))
        as_ = self._pick(" AS", "")
        kind = self._pick("JOIN", "LEFT JOIN", "SEMI JOIN", "ANTI JOIN", "RIGHT JOIN")
        mine = "n" if "RIGHT" in kind else f"{one}.n"
        forms = (
            (
                f"SELECT {one}.k AS k, {one}.n AS n FROM {left}{as_} {one} {kind} {right}{as_} {other} "
                f"ON {one}.n = {other}.n WHERE {self._condition(known, depth, column=mine)}"
            ),
            (
                f"SELECT {one}.k AS k, {other}.n AS n FROM {left}{as_} {one}, {right}{as_} {other} "
                f"WHERE {one}.n = {other}.n"
            ),
            f"SELECT {one}.k AS k, n FROM {left}{as_} {one} JOIN {right}{as_} {other} USING (k, n)",
            (
                f"SELECT {one}.k AS k, {one}.n AS n FROM {left}{as_} {one} CROSS JOIN "
                f"(SELECT count() AS u FROM {self._name(known)}) AS t1 WHERE {one}.n < u"
            ),
            # Of a definition in circles, the engine makes something else where an alias stands for it.
            (
                f"SELECT {one}.k, {one}.n FROM (SELECT * FROM {left}){as_} {one} JOIN {one}{as_} {other} "
                f"ON {one}.n = {other}.n"
            ),
            (
                f"SELECT {one}.* FROM {left}{as_} {one} LEFT JOIN {right}{as_} {other} USING n "
                f"JOIN {self._table(known, depth)} AS t2 USING n"
            ),
        )
        return self._pick(*forms)

    def _grouped(self, known: Sequence[str], depth: int) -> str:
        source, name = self._source(known, depth), self._pick(*NAMES)
        forms = (
            f"SELECT k, max(n) AS n FROM {source} GROUP BY k HAVING max(n) IN (SELECT n FROM {self._name(known)})",
            f"SELECT k, toInt64(count()) AS n FROM {source} GROUP BY ALL",
            f"SELECT max(k) AS k, sum({name}.n) AS n FROM {self._table(known, depth)} AS {name}",
            f"SELECT k, sum(n) AS n FROM {source} GROUP BY k WITH ROLLUP",
        )
        return self._pick(*forms)

    def _aliased(self, known: Sequence[str], depth: int) -> str:
        name, source = self._pick(*NAMES), self._source(known, depth)
        as_ = self._pick(" AS", "")
        condition = self._condition(known, depth)
        forms = (
            f"SELECT k, {name} AS n FROM (SELECT k, n + 1{as_} {name} FROM {source} WHERE {condition})",
            f"SELECT k, n FROM (SELECT k, n, [(k, n)]{as_} {name} FROM {source} WHERE (k, n) IN {name})",
            f"SELECT k, n FROM (SELECT k, n, [n, 1]{as_} {name} FROM {source} WHERE n IN {name} AND {condition})",
            f"SELECT k, arrayMap({name} -> {name} + 1, [n])[1] AS n FROM {source} WHERE {condition}",
            f"SELECT k, n FROM (SELECT k, n, n{as_} {name} FROM {source}) WHERE {name} IN (SELECT n FROM {name})",
        )
        return self._pick(*forms)

    def _arrays(self, known: Sequence[str], depth: int) -> str:
        name, source = self._pick(*NAMES), self._source(known, depth)
        forms = (
            f"SELECT k, {name} AS n FROM {source} ARRAY JOIN [n, n + 1] AS {name}",
            f"SELECT k, {name} AS n FROM (SELECT k, [n] AS {name} FROM {source}) ARRAY JOIN {name}",
            f"SELECT k, arrayJoin([n, 7]) AS n FROM {source} WHERE {self._condition(known, depth)}",
        )
        return self._pick(*forms)

    def _windows(self, known: Sequence[str], depth: int) -> str:
        name, source = self._pick(*NAMES), self._source(known, depth)
        forms = (
            f"SELECT k, sum(n) OVER {name} AS n FROM {source} WINDOW {name} AS (PARTITION BY k)",
            f"SELECT k, toInt64(count() OVER (PARTITION BY n)) AS n FROM {source}",
            f"SELECT k, n FROM {source} QUALIFY max(n) OVER (PARTITION BY k) IN (SELECT n FROM {self._name(known)})",
        )
        return self._pick(*forms)

    def _wrapped(self, known: Sequence[str], depth: int) -> str:
        if depth >= _DEEPEST:
            return self._plain(known, depth)
        return f"SELECT k, n FROM ({self._query(known, depth + 1)}) WHERE {self._condition(known, depth)}"

    def _of_base(self, known: Sequence[str], depth: int) -> str:
        if not self._with_final:
            return self._plain(known, depth)
        name, alias = self._pick(*self._with_final), self._pick("", "", " AS x", " z", " AS n")
        clause = self._pick("PREWHERE", "WHERE")
        part = self._pick(" FINAL", " FINAL", "", " SAMPLE 1/2")
        return f"SELECT k, n FROM {name}{alias}{part} {clause} n != 4 AND {self._condition(known, depth)}"

    def _source(self, known: Sequence[str], depth: int) -> str:
        """What one reads from, with an alias or without."""
        alias = self._pick("", "", "", f" AS {self._pick(*NAMES, 'n')}", f" {self._pick(*NAMES)}")
        return self._table(known, depth) + alias

    def _table(self, known: Sequence[str], depth: int) -> str:
        kind = self._chance.random()
        if depth < _DEEPEST and kind < 0.2:
            return f"({self._query(known, depth + 1)})"
        if kind < 0.26:
            return "(SELECT 'num' AS k, toInt64(number) AS n FROM numbers(4))"
        return self._name(known)

    def _condition(self, known: Sequence[str], depth: int, column: str = "n") -> str:
        name, not_ = self._name(known), self._pick("", "", "NOT ")
        outer = column if "." in column else "n"
        forms = [
            f"{column} > 1",
            f"{column} {not_}IN (SELECT n FROM {name})",
            f"{not_}(k, n) IN {name}" if "." not in column else f"{column} < 7",
            f"({self._in_key(column)}) {not_}IN ({name})",
            f"{not_}in(({self._in_key(column)}), {name})",
            f"({self._in_key(column)}) GLOBAL {not_}IN {name}",
            f"{not_}EXISTS (SELECT 1 FROM {name} WHERE n > 2)",
            f"{column} <= (SELECT max(n) FROM {name})",
            f"k != '{self._noise(known)}'" if "." not in column else "1",
            f"{column} IN (1, 2, 3, 5) /* {self._noise(known)} */",
            f"{column} > 0 -- {self._noise(known)}\n",
            f"(SELECT count() FROM {name} AS inside WHERE inside.n = {outer}) > 0" if "." in column else "1",
        ]
        if depth < _DEEPEST:
            forms.append(f"(k, n) {not_}IN ({self._query(known, depth + 1)})" if "." not in column else "1")
            forms.append(f"{column} IN (SELECT n FROM ({self._query(known, depth + 1)}))")
        made = self._pick(*forms)
        joined = self._chance.random() < 0.15 and "--" not in made
        return (
            f"{made} {self._pick('AND', 'OR')} {column} {not_}IN (SELECT n FROM {self._name(known)})"
            if joined
            else made
        )

    def _number(self, known: Sequence[str]) -> str:
        name = self._name(known)
        return self._pick(
            f"n + (SELECT count() FROM {name})::Int64",
            f"toInt64((k, n) IN {name})",
            f"coalesce((SELECT max(n) FROM {name} WHERE n < 5), 0)",
            "n",
        )

    def _in_key(self, column: str) -> str:
        return f"{column.removesuffix('n')}k, {column}"

    def _noise(self, known: Sequence[str]) -> str:
        return self._pick("FROM ", "JOIN ", "IN ", "WITH ") + self._pick(*known)

    def _name(self, known: Sequence[str]) -> str:
        return self._quoted(self._pick(*known))

    def _quoted(self, name: str) -> str:
        return self._pick(name, name, name, f"`{name}`", f'"{name}"')

    def _pick(self, *choices: _Choice) -> _Choice:
        return self._chance.choice(choices)
