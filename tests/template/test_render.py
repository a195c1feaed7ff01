from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from stonechat.errors import Kind, Position
from stonechat.template.errors import (
    ParameterInvalid,
    ParameterMissing,
    TemplateAborted,
    TemplateCustomError,
    TemplateEmpty,
    TemplateRenderError,
    TemplateSyntaxError,
)
from stonechat.template.render import Template


def _template(sql: str) -> Template:
    return Template.compile(sql, name="node")


def test_a_rendering_tells_which_parameters_were_read() -> None:
    template = _template("% {% if defined(a) %}{{ String(b, '') }}{% else %}{{ String(c, '') }}{% end %}")
    assert template.render({"a": "1"}).used == {"a", "b"}
    assert template.render({"d": "1"}).used == {"a", "c"}
    assert template.names == {"a", "b", "c"}


def test_a_variable_is_never_filled_from_the_request() -> None:
    template = _template(
        "% {% if defined(a) %}{% set hidden = 1 %}{% end %}{% if defined(hidden) %}1{% else %}0{% end %}"
    )
    assert template.render({"hidden": "x"}).sql.strip() == "0"
    assert template.names == {"a"}


def test_a_variable_may_have_the_name_of_the_parameter_it_comes_from() -> None:
    template = _template("%{% set page = Int32(page, 1) + 1 %}{{ page }}")
    assert template.render({"page": "4"}).sql == "5"
    assert template.names == {"page"}


def test_one_rendering_does_not_see_another() -> None:
    template = _template(
        "%{% set xs = [] %}{% set _ = xs.append(x) %}{{ xs }}{{ Array(l) }}{% set _ = l.append('z') %}"
    )

    def render(number: int) -> str:
        return template.render({"x": str(number), "l": ["a", str(number)]}).sql

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(render, range(200))) == [f"['{n}']['a','{n}']" for n in range(200)]


def test_the_values_of_the_request_are_not_changed() -> None:
    values = {"l": ["a", "b"]}
    _template("%{{ Array(l) }}{% set l[0] = 'changed' %}").render(values)
    assert values == {"l": ["a", "b"]}


def test_job_timestamp_is_the_present_unless_supplied() -> None:
    template = _template("%{{ DateTime(job_timestamp) }}")
    now = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
    assert template.render({}, now=now).sql == "'2026-01-02 03:04:05'"
    assert template.render({"job_timestamp": "2020-01-01 00:00:00"}, now=now).sql == "'2020-01-01 00:00:00'"
    assert template.render({}).sql.startswith("'20")


def test_an_authors_abort_is_the_bare_message() -> None:
    with pytest.raises(TemplateAborted) as failure:
        _template("%{{ error('no ' + x) }}").render({"x": "entry"})
    assert (failure.value.message, failure.value.kind) == ("no entry", Kind.INVALID)


@pytest.mark.parametrize(
    ("call", "body", "status"),
    [
        ("custom_error({'error': 'gone', 'id': x}, 410)", {"error": "gone", "id": "1"}, 410),
        ("custom_error({'a': [1, 2.5, None, True, Int32(x), {'b'}]})", {"a": [1, 2.5, None, True, 1, ["b"]]}, 400),
        ("custom_error('text', 200)", "text", 400),
    ],
)
def test_a_custom_error_carries_its_body_and_status(call: str, body: object, status: int) -> None:
    with pytest.raises(TemplateCustomError) as failure:
        _template(f"%{{{{ {call} }}}}").render({"x": "1"})
    assert (failure.value.body, failure.value.status) == (body, status)
    assert type(failure.value.body) in {dict, str}


def test_a_custom_error_without_json_form_is_a_failure_of_the_template() -> None:
    with pytest.raises(TemplateRenderError, match="can not be printed"):
        _template("%{{ custom_error({'a': tb_secret('s')}) }}").render({}, secrets={"s": "x"})


def test_try_does_not_catch_an_abort() -> None:
    with pytest.raises(TemplateAborted):
        _template("%{% try %}{{ error('stop') }}{% except %}1{% end %}").render({})


def test_failures_name_template_and_line() -> None:
    with pytest.raises(TemplateRenderError) as failure:
        _template("\n%SELECT\n1,\n{{ Int32(\n x) }}").render({"x": "a"})
    assert (failure.value.template, failure.value.line) == ("node", 4)
    with pytest.raises(ParameterMissing) as missing:
        _template("%\n{{ Int32(x) }}").render({})
    assert (missing.value.names, missing.value.line) == (("x",), 2)


def test_a_syntax_error_can_be_placed_in_a_file() -> None:
    position = Position("pipes/a.pipe", 3, 5)
    assert str(TemplateSyntaxError("broken", position=position)) == "pipes/a.pipe:3:5: broken"


def test_values_are_python_values_in_statements() -> None:
    template = _template(
        "%{% if Int32(n, 0) > 1 and String(s, '') == 'a' and 2 in Array(l, 'Int32', '2') and Boolean(b) %}yes"
        "{% else %}no{% end %}"
    )
    assert template.render({"n": "2", "s": "a", "b": "1"}).sql == "yes"
    assert template.render({"n": "2", "s": "a", "b": "false"}).sql == "no"


class TestPlaceholders:
    """What a build checks."""

    def test_dummies_suit_the_declared_types(self) -> None:
        template = _template(
            "%{{ Int32(a) }} {{ Date(b) }} {{ DateTime(c) }} {{ String(d) }} {{ Array(e, 'Int32') }}"
            " {{ Boolean(f) }} {{ g }} {{ Array(h) }}"
            " {{ DateTime64(i) }} {{ Float32(j) }} {{ symbol(k) }} {{ table(l) }} {{ Int(m) }}"
        )
        assert template.placeholder().sql == (
            "toInt32('0') '2019-01-01' '2019-01-01 00:00:00' '__no_value__' [0,0] 0 '__no_value__'"
            " ['__no_value__','__no_value__'] '2019-01-01 00:00:00.000' toFloat32('0') `__no_value__` __no_value__ 0"
        )

    def test_defaults_are_used_and_checked(self) -> None:
        assert _template("%{{ Int32(a, 7) }} {{ columns(b, 'x,y') }}").placeholder().sql == "toInt32('7') `x`,`y`"
        with pytest.raises(TemplateRenderError, match="Error validating 'a' to type Int32"):
            _template("%{{ Int32(a, 'a') }}").check()

    def test_optional_clauses_are_exercised(self) -> None:
        template = _template("%{% if defined(a) %}A{% end %}{{ sql_and(b=String(b, defined=False)) }}")
        assert template.placeholder().sql == "Ab = '__no_value__'"

    def test_errors_are_muted(self) -> None:
        _template("%SELECT 1{{ error('x') }}{{ custom_error({'a': 1}, 403) }}").check()

    def test_helpers_take_placeholders(self) -> None:
        _template(
            "%SELECT {{ day_diff(a, b) }} {{ date_diff_in_hours(a, b) }} {{ int(c) }} {{ float(c) }}"
            " {{ split_to_array(d) }} {{ JSON(e)['k'] }} {{ JSON(e).get('k') }}"
            " {{ tb_secret('f') }} {{ column(g) }} {{ columns(h) }}"
            "{% for x in JSON(i, '[]') %}{{ x }}{% end %}{% for x in l %}{{ x }}{% end %}{{ Array(l, 'Int32') }}"
        ).check()

    def test_a_template_that_only_works_with_real_values_fails(self) -> None:
        with pytest.raises(TemplateRenderError):
            _template("%{% set a = {'x': 1}[p] %}{{ a }}").check()

    @pytest.mark.parametrize(
        "sql",
        [
            "{% if False %}SELECT 1{% end %}",
            "{% if defined(x) %}SELECT 1{% end %}",
            "{% if x == 'a' %}SELECT 1{% elif x == 'b' %}SELECT 2{% end %}",
            "{% if Boolean(x, 0) %}SELECT 1{% end %}",
            "{% if not x %}SELECT 1{% end %}{# nothing #}",
        ],
    )
    def test_a_template_that_renders_to_nothing_fails(self, sql: str) -> None:
        with pytest.raises(TemplateEmpty, match="Empty query"):
            _template(f"%\n{sql}").check()

    @pytest.mark.parametrize(
        "sql",
        [
            "{% if x == 'a' %}SELECT 1{% elif x == 'b' %}SELECT 2{% else %}{{ error('a or b') }}{% end %}",
            "{% if defined(x) %}SELECT 1{% else %}{{ custom_error({'error': 'x is missing'}) }}{% end %}",
            "{% if x %}SELECT {{ Int32(x) }}{% end %}",
        ],
    )
    def test_nothing_may_come_of_calls_that_are_refused(self, sql: str) -> None:
        _template(f"%\n{sql}").check()

    def test_plain_sql_passes(self) -> None:
        _template("SELECT 1").check()

    @pytest.mark.parametrize(
        "sql",
        [
            "% {% set parts = x.split('-') %}{{ Float64(parts[0]) }} {{ Float64(parts[2]) }}",
            "% {% set a, b, c = x.split('-') %}{{ Int32(c) }}",
            "% {{ Int32(x[0]) }} {{ Date(x[0:10]) }} {{ Date(DateTime(x)[:10]) }}",
            "% {{ Int32(x + 1) }} {% set n = 1 + x %}{{ Int32(n) }}",
            "% {{ Int32(x.replace('a', '')) }} {% set a = x.partition(':')[2].strip() %}{{ Int32(a) }}",
            "% {{ Array(x, 'Int32', '') }}",
            "% {% for id in split_to_array(x) %}{{ Int32(id) }}{% end %}",
            "% {% for y in split_to_array(x) %}{% set a, b = y.split(':') %}{{ column(a) }} {{ Date(b) }}{% end %}",
            "% {{ Array(split_to_array(x), 'Int32') }}",
            "% {% for id in Array(x) %}{{ Int32(id) }}{% end %}",
            "% {{ max_threads(x) }} {{ cache_ttl(y) }}",
            "% {{ JSON(x, '{}').get('a') }} {{ JSON(y).get('a').get('b') }}",
            "% {% for item in JSON(x)['items'] %}{{ Int32(item['n']) }} {{ item.get('b') }}{% end %}",
        ],
    )
    def test_what_is_made_of_a_placeholder_is_one(self, sql: str) -> None:
        _template(sql).check()

    def test_a_default_of_an_array_is_checked(self) -> None:
        with pytest.raises(ParameterInvalid, match=r"Error validating \[1,a\]\[1\] \(a\) to type Int32"):
            _template("% {{ Array(x, 'Int32', '1,a') }}").check()
