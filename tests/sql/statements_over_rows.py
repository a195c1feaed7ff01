"""Random SELECTs over the tables `m` and `u`, each with one answer whatever the order in which rows are read."""

from __future__ import annotations

from hypothesis import strategies as st

_TEXTS = st.sampled_from(["tenant", "secret", "'a'", "'b'", "'HIDDEN1'", "'mine1'", "''", "concat(tenant, secret)"])
_NUMBERS = st.sampled_from(
    [
        "n",
        "0",
        "1",
        "101",
        "length(tags)",
        "length(secret)",
        "n - 101",
        "toUInt32OrZero(secret)",
        "(SELECT max(n) FROM m)",
    ]
)
_SOURCES = st.sampled_from(["m", "u", "m AS t", "m FINAL", "m AS t FINAL", "u FINAL"])


def _apply(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda given: template.format(*given))


_comparisons = st.one_of(
    _apply("{} {} {}", _TEXTS, st.sampled_from(["=", "!=", "<", ">="]), _TEXTS),
    _apply("{} {} {}", _NUMBERS, st.sampled_from(["=", "!=", "<", ">="]), _NUMBERS),
    _apply("{} IN ({}, {})", _TEXTS, _TEXTS, _TEXTS),
    _apply("n {}IN (SELECT n FROM {} WHERE tenant = {})", st.sampled_from(["", "NOT "]), _SOURCES, _TEXTS),
    _apply("n IN {}", st.sampled_from(["only_numbers", "(SELECT n FROM m)"])),
    _apply("has(tags, {})", _TEXTS),
    _apply("toUInt32({}) > 0", _TEXTS),
    _apply("intDiv(1, {}) = 0", _NUMBERS),
    _apply("throwIf({} = {}) = 0", _TEXTS, _TEXTS),
    _apply("EXISTS (SELECT 1 FROM {} WHERE tenant = {})", _SOURCES, _TEXTS),
)
_conditions: st.SearchStrategy[str] = st.recursive(
    _comparisons,
    lambda inner: st.one_of(
        _apply("({} AND {})", inner, inner), _apply("({} OR {})", inner, inner), _apply("NOT ({})", inner)
    ),
    max_leaves=4,
)
_clauses = st.sampled_from(["WHERE", "PREWHERE"])
_simple = st.one_of(
    _apply("SELECT tenant, secret, n, tags FROM {} {} {}", _SOURCES, _clauses, _conditions),
    _apply("SELECT {} AS tenant, {} AS n, secret, tags FROM {} WHERE {}", _TEXTS, _NUMBERS, _SOURCES, _conditions),
    _apply("WITH {} AS tenant SELECT tenant, secret, n, tags FROM {} WHERE {}", _TEXTS, _SOURCES, _conditions),
    _apply("WITH (a, b) -> {} AS equals SELECT tenant, secret, n, tags FROM {}", st.sampled_from(["1", "0"]), _SOURCES),
    _apply("WITH m AS (SELECT * FROM m WHERE {}) SELECT tenant, secret, n, tags FROM {}", _conditions, _SOURCES),
    _apply(
        "WITH x AS (SELECT * FROM {}) SELECT tenant, secret, n, tags FROM x {}",
        _SOURCES,
        _apply("WHERE {}", _conditions),
    ),
    _apply(
        "SELECT x.tenant AS tenant, y.secret AS secret, x.n AS n, y.tags AS tags FROM m AS x {} JOIN {} AS y "
        "ON x.n = y.n AND {} = {}",
        st.sampled_from(["INNER", "LEFT", "RIGHT", "FULL"]),
        st.sampled_from(["m", "u"]),
        st.sampled_from(["x.tenant", "x.secret"]),
        st.sampled_from(["y.tenant", "y.secret"]),
    ),
    _apply("SELECT tenant, secret, n, tags FROM m {} JOIN u USING (n)", st.sampled_from(["SEMI", "ANTI", "ANY", ""])),
    _apply("SELECT tenant, secret, n, [tag] AS tags FROM {} ARRAY JOIN tags AS tag WHERE {}", _SOURCES, _conditions),
)
_queries: st.SearchStrategy[str] = st.recursive(
    _simple,
    lambda inner: st.one_of(
        _apply("SELECT tenant, secret, n, tags FROM ({}) WHERE {}", inner, _conditions),
        _apply("{} UNION ALL {}", inner, inner),
        _apply("({}) EXCEPT ({})", inner, inner),
        _apply("SELECT tenant, max(secret) AS secret, max(n) AS n, tags FROM ({}) GROUP BY tenant, tags", inner),
        _apply("SELECT DISTINCT tenant, secret, n, tags FROM view({})", inner),
    ),
    max_leaves=3,
)
statements = st.one_of(
    _queries,
    _apply("SELECT count(), sum(n), uniqExact(secret), min(tenant), max(secret) FROM ({})", _queries),
    _apply(
        "SELECT tenant, count() AS c FROM ({}) GROUP BY tenant WITH TOTALS HAVING {}",
        _queries,
        st.sampled_from(["c > 1", "throwIf(c > 3) = 0"]),
    ),
    _apply("SELECT secret, row_number() OVER (PARTITION BY tenant ORDER BY n, secret, tags) FROM ({})", _queries),
    _apply("SELECT n FROM ({}) ORDER BY n LIMIT 2 WITH TIES", _queries),
)
