"""Whatever a request sends, the engine sees one value where the template printed one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stonechat.sql.quoting import parameter_text
from stonechat.template.errors import TemplateError
from stonechat.template.render import Template

Ask = Callable[..., Mapping[str, Any]]

HOSTILE = "\\'\"`%\0\n\r\t\b\x1a*/--;(){}[],"
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(HOSTILE)
in_the_engine = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXTS = Template.compile(
    """%SELECT {{ x }} AS bare, {{ String(x) }} AS typed, {{ Array(l) }} AS list, {{ l }} AS printed,
    {{ split_to_array(x) }} AS parts, {{ JSON(j) }} AS json, {{ sql_unescape(x, '%') }} AS pattern, /* {# ' #} */
    {{ sql_and(name__in=Array(l)) }} AS clause, {{ (x, x) }} AS pair FROM (SELECT 'a' AS name)""",
    name="texts",
)
NAMES = Template.compile(
    """%WITH {{ symbol(x) }} AS (SELECT 1 AS {{ column(x) }})
    SELECT {{ columns(x, fn='toString') }}
    FROM (SELECT {{ columns(x) }} FROM {{ table(x) }} ORDER BY {{ symbol(x) }})""",
    name="names",
)
TYPES = ("Int8", "UInt64", "Int256", "Int", "Float64", "Boolean", "Date")


def _seen(text: str) -> str:
    return text.replace("%", "\\%").replace("\x1a", "\\z")


@in_the_engine
@given(TEXT, st.lists(TEXT, min_size=2))
@example(HOSTILE, [HOSTILE, ""])
@example("', (SELECT 1), '", ["'] || ['", "\\"])
def test_texts_stay_values(ask: Ask, text: str, texts: list[str]) -> None:
    row = ask(TEXTS.render({"x": text, "l": texts, "j": '["a\'"]'}).sql)
    seen, listed = _seen(text), [_seen(item) for item in texts]
    assert (row["bare"], row["typed"], row["pair"]) == (seen, seen, [seen, seen])
    assert (row["list"], row["printed"], row["json"]) == (listed, listed, ["a'"])
    assert row["parts"] == [_seen(part.strip()) for part in text.split(",")]
    assert row["pattern"] == text.replace("\x1a", "\\z")
    assert len(row) == 9


@in_the_engine
@given(TEXT.map(lambda text: "t" + text.replace(",", "").replace(".", "").rstrip()))
@example("t FROM numbers(1) --")
@example("t" + HOSTILE.replace(",", "").replace(".", ""))
@example("t`) AS x")
def test_names_stay_names(ask: Ask, name: str) -> None:
    assert ask(NAMES.render({"x": name}).sql) == {_seen(name.replace('"', "")): "1"}


@in_the_engine
@given(st.sampled_from(TYPES), st.text("0123456789+-._eEinfa '\n(),\x00٣") | TEXT)
@example("Float64", "infinity")
@example("Int", "-1")
def test_what_a_type_lets_through_is_one_value_to_the_engine(ask: Ask, type_name: str, text: str) -> None:
    template = Template.compile(
        f"%SELECT {{{{ {type_name}(x) }}}} AS a, {{{{ Array(l, '{type_name}') }}}} AS b", name="t"
    )
    try:
        sql = template.render({"x": text, "l": [text, text]}).sql
    except TemplateError:
        return
    assert set(ask(f"SELECT count() AS n FROM (EXPLAIN AST {sql})")) == {"n"}


def test_secrets_are_bound_and_never_printed(ask: Ask) -> None:
    template = Template.compile("%SELECT {{ tb_secret('key') }} AS secret", name="t")
    rendered = template.render({"key": "from the request"}, secrets={"key": "it's\na\\secret"})
    assert "secret" not in rendered.sql.removesuffix("AS secret")
    bound = {name: parameter_text(value) for name, value in rendered.bound.items()}
    assert ask(rendered.sql, bound) == {"secret": "it's\na\\secret"}
