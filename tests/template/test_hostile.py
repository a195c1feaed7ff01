"""Templates and values made to break out, to crash or to take for ever: each ends soon, in an error of its own kind."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stonechat.template.errors import TemplateError, TemplateSyntaxError, TemplateTooCostly
from stonechat.template.render import Template

SECONDS = 20.0

ESCAPES = [
    "{{ x.__class__ }}",
    "{{ ().__class__.__bases__ }}",
    "{% if x.__class__.__mro__[1].__subclasses__() %}{% end %}",
    "{% set f = x.format %}",
    "{% set y = '{0.__class__}'.format(x) %}",
    "{% set y = '{0.__class__}'.format_map({}) %}",
    "{{ __import__('os') }}",
    "{% set y = (lambda: 1)() %}",
    "{% set y = [i for i in x.gi_frame.f_back] %}",
    "{% for x.y in [1] %}{% end %}",
    "{% set __builtins__ = 1 %}",
    "{% try %}{% except BaseException %}{% end %}",
    "{{ eval('1') }}",
    "{{ String.__call__(x) }}",
    "{{ (x)(1) }}",
    "{{ [1][0](1) }}",
    "{% set del x %}",
    "{% import os %}",
    "{% set y = list(map(eval, ['1'])) %}",
    "{% set y = list(map(getattr, [x], ['__class__'])) %}",
    "{% set y = list(map(str.__class__, ['1'])) %}",
    "{% set y = list(map(str.format, ['{0.__class__}'], [x])) %}",
    "{% set y = list(map(x.mro, ['1'])) %}",
    "{% set y = list(map(lambda *a: a, ['1'])) %}",
    "{% set y = list(map(lambda z: z.__class__, ['1'])) %}",
    "{% set y = max(x, key=lambda z: (lambda: z)()) %}",
    "{% if isinstance(x, type) %}{% end %}",
    "{% if (__builtins__ := 1) %}{% end %}",
    "{% if isinstance(x, str.__class__) %}{% end %}",
]
REFUSED_METHODS = [
    "{% set y = x.mro() %}",
    "{% set y = x.encode() %}",
    "{% set y = x.translate({97: 'b'}) %}",
    "{% set y = (1).to_bytes() %}",
    "{% set y = tb_secret('s', 'd').sql %}",
    "{% set y = JSON(x).fromkeys(x) %}",
]
ENDLESS = [
    "{% while True %}{% end %}",
    "{% while True %}text{% end %}",
    "{% while 1 %}{% try %}{% while 1 %}{% end %}{% except %}{% finally %}{% while 1 %}{% end %}{% end %}{% end %}",
    "{% while 1 %}{% continue %}{% end %}",
    "{% set l = [1] %}{% for i in l %}{% set _ = l.append(i) %}{% end %}",
    "{{ 'a' * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{{ 1000000000 * 'a' }}",
    "{% set s = 'a' %}{% while True %}{% set s += s %}{% end %}",
    "{% set s = 'a' * 900000 %}{% while True %}{% set t = s + 'b' %}{% end %}",
    "{% set l = [1] %}{% while True %}{% set _ = l.extend(l) %}{% end %}",
    "{% set n = 10 ** 1000000000 %}",
    "{% set n = 1 << 1000000000 %}",
    "{% set n = 2 %}{% while True %}{% set n = n * n %}{% end %}",
    "{% set n = round(5, -1000000000) %}{% while True %}{% end %}",
    "{% set l = range(1000000000000000000000000000) %}",
    "{% set l = [i for i in range(100000) for j in range(100000)] %}",
    "{% set l = sum([1 for i in range(100000) for j in range(100000)]) %}",
    "{% set s = 'a'.ljust(1000000000) %}",
    "{% set s = 'a'.zfill(1000000000) %}",
    "{{ ('a' * 9999).replace('a', 'b' * 9999) }}",
    "{{ ('a' * 9999).join(list('b' * 9999)) }}",
    "{{ ('a' * 9999).join('b' * 9999) }}",
    "{{ f'{1:1000000000}' }}",
    "{{ f'{1:{n}}' }}",
    "{% set a = ['a' * 1000000] * 10000 %}{{ a }}",
    "{% set a = ['a' * 1000000] * 10000 %}{% set b = str(a) %}",
    "{% set a = [0] * 1000 %}{% set b = [a] * 1000 %}{% set c = [b] * 1000 %}{{ c }}",
    "{% set a = (1, 1) %}{% for i in range(60) %}{% set a = (a, a) %}{% end %}{% set d = {a: 1} %}",
    "{% set a, b = 1, 1 %}{% for i in range(60) %}{% set a, b = [a, a], [b, b] %}{% end %}{% if a == b %}{% end %}",
    "{% set a = [1] %}{% set _ = a.append(a) %}{{ a }}",
    "{% set a = [] %}{% for i in range(90000) %}{% set a = [a] %}{% end %}{{ a }}",
    "{{ custom_error(JSON('[' * 50000)) }}{% while 1 %}{% end %}",
    "{% set l = list(map(lambda i: list(map(lambda j: 1, range(100000))), range(100000))) %}",
    "{% set l = filter(lambda i: list(filter(None, range(100000))), range(100000)) %}",
    "{% set l = sorted(range(100000), key=lambda i: 'a' * 1000) %}",
    "{% set l = map(list, ['a' * 100000] * 1000) %}",
    "{% set a = [1] %}{% set l = map(lambda i: a.append(i), a) %}",
    "{% set s = '%1000000000d' % 1 %}",
    "{% set s = '%.1000000000f' % 1 %}",
    "{% set s = '%*d' % (1000000000, 1) %}",
    "{% set s = ('%s' * 90000) % tuple(['a' * 90000] * 90000) %}",
    "{% set s = ('%(a)s' * 90000) % {'a': 'b' * 900000} %}",
    "{% set a = [] %}{% for i in range(90000) %}{% set a = [a] %}{% end %}{% set s = '%s' % (a,) %}",
    "{% set a = [1] %}{% set _ = a.append(a) %}{% set s = '%s' % a %}{{ a }}",
    *(
        "{% set a = [0] * 90000 %}{% set s = 'a,' * 400000 %}{% set t = set(range(90000)) %}{% set n = '2020-01-01' %}"
        f"{{% for i in range(100000) %}}{{% set x = {work} %}}{{% end %}}{{{{ 'a' * 1000000000 }}}}"
        for work in (
            "'a,' * 200000 + 'b' in s",
            "s == s[:-1] + ','",
            "s[1:]",
            "a[::-1]",
            "min(s)",
            "t - t",
            "1 in a",
            "JSON('[' + '1,' * 9000 + '1]')",
            "Array(s)",
            "String(s)",
            "column(s)",
            "table('a.' * 400000)",
            "columns(s)",
            "sql_unescape(s, '%')",
            "split_to_array(s)",
            "enumerate_with_last(a)",
            "sql_and(b__in=a)",
            "enumerate(a)",
            "float('1' * 400000)",
            "tb_secret('a', str(i))",
            "date_diff_in_days(n, n, '%Y' * 1000, default=1)",
            "date_diff_in_days(n, n, '%d' * 40, default=1)",
            "sum(a)",
        )
    ),
]


def _outcome(sql: str, **values: str | list[str]) -> str | TemplateError:
    started = time.thread_time()
    try:
        return Template.compile(f"%{sql}", name="node").render(values).sql
    except TemplateError as error:
        return error
    finally:
        assert time.thread_time() - started < SECONDS


@pytest.mark.parametrize("sql", ESCAPES)
def test_what_leads_out_of_the_language_is_refused_when_compiled(sql: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        Template.compile(f"%{sql}", name="node")


@pytest.mark.parametrize("sql", REFUSED_METHODS)
def test_methods_that_are_not_listed_do_not_exist(sql: str) -> None:
    assert isinstance(_outcome(sql, x="1"), TemplateError)


@pytest.mark.parametrize("sql", ENDLESS)
def test_what_would_take_for_ever_ends_soon(sql: str) -> None:
    assert isinstance(_outcome(sql, n="1000000000"), TemplateError)


def test_a_limit_can_not_be_caught() -> None:
    outcome = _outcome("{% try %}{% while True %}{% end %}{% except %}{% end %}1")
    assert isinstance(outcome, TemplateTooCostly)


@pytest.mark.parametrize(
    "sql",
    [
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "-" * 5000 + "1 }}",
        "{{ " + "1" + "+1" * 5000 + " }}",
        "{{ " + "[" * 150 + "]" * 150 + " }}",
        "{{ x" + "[0]" * 5000 + " }}",
        "{{ " + "9" * 10000 + " }}",
        "{{ '" + "a" * 50000 + "' }}",
        "{% if 1 %}" * 1000 + "{% end %}" * 1000,
        "{{ 'a\0' }}",
        "{{ x\ud800 }}",
        "{% if " + "not " * 5000 + "1 %}{% end %}",
    ],
)  # fmt: skip
def test_nesting_and_length_are_bounded(sql: str) -> None:
    assert isinstance(_outcome(sql), TemplateError)


def test_deep_json_is_an_error() -> None:
    assert isinstance(_outcome("{{ JSON(x) }}", x="[" * 100_000), TemplateError)
    assert isinstance(_outcome("{{ JSON(x) }}", x="[" * 400 + "]" * 400), str | TemplateError)


def test_huge_numbers_of_a_request_are_errors() -> None:
    assert isinstance(_outcome("{{ Int256(x) }}", x="9" * 100_000), TemplateError)
    assert isinstance(_outcome("{{ int(x) }}", x="9" * 100_000), TemplateError)
    assert isinstance(_outcome("{{ JSON(x) }}", x="9" * 100_000), TemplateError)


TAGS = "{{ }} {% %} {# #} {{! { } % ' \" ` -- /* */"
WORDS = "if elif else for in while try except finally end set break continue not and or lambda"
ATOMS = """
x y l = += == + * ** / - ( ) [ ] , : 0 7 'a' None True f'{x}' _ __ String Int32 Array defined JSON column columns
sql_and range str len map filter key= := % '%s' .get .split .append .join
"""
BLOCKS = ["{{ x }}", "{% if x %}", "{% end %}", "{% for y in l %}", " ", "\n", "\0", "é"]
PIECES = st.sampled_from(TAGS.split() + [f" {word} " for word in WORDS.split()] + ATOMS.split() + BLOCKS)
fuzz = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@fuzz
@given(st.lists(PIECES, max_size=25).map("".join))
def test_no_template_crashes(sql: str) -> None:
    assert isinstance(_outcome(sql, x="5", l=["a", "1"]), str | TemplateError)


@fuzz
@given(st.lists(PIECES, max_size=10).map("".join))
def test_no_expression_crashes(expression: str) -> None:
    assert isinstance(_outcome(f"{{{{ {expression} }}}}", x="5", l=["a", "1"]), str | TemplateError)
    assert isinstance(_outcome(f"{{% set y = {expression} %}}{{{{ y }}}}", x="5", l=["a", "1"]), str | TemplateError)


ARGUMENTS = st.sampled_from(
    ["x", "l", "p", "''", "'a'", "0", "-1", "None", "True", "[x]", "{'a': x}", "JSON(p)", "'%'"]
)
FUNCTIONS = """
String Int8 Float64 Boolean Date DateTime Array JSON symbol column columns table defined split_to_array
enumerate_with_last sql_unescape day_diff date_diff_in_hours max_threads cache_ttl backend_hint activate disable error
custom_error len list min max int float sum range sorted zip round dict set tuple str chr divmod
x.split x.join x.replace x.center l.append l.sort l.index x.get
"""


@fuzz
@given(st.sampled_from(FUNCTIONS.split()), st.lists(ARGUMENTS, max_size=4), st.text() | st.lists(st.text()))
def test_no_call_crashes(function: str, arguments: list[str], value: str | list[str]) -> None:
    call = f"{function}({', '.join(arguments)})"
    values = {"x": value, "l": ["b", "a"], "p": '{"a": [1]}'}
    for sql in (f"{{{{ {call} }}}}", f"{{% set y = {call} %}}{{{{ y }}}}{{{{ x }}}}"):
        assert isinstance(_outcome(sql, **values), str | TemplateError)


def test_two_lists_of_hundreds_are_walked_side_by_side() -> None:
    text = "%\n{% for i in range(len(Array(a, 'Int64'))) %}{{Array(a, 'Int64')[i]}}={{Array(b)[i]}},{% end %}"
    numbers = ",".join(map(str, range(500)))
    rendered = Template.compile(text, name="q").render({"a": numbers, "b": numbers}).sql
    assert rendered.count("=") == 500


def test_a_list_of_a_thousand_is_looked_for_in_another() -> None:
    text = "%\n{% set known = Array(b) %}{% for x in Array(a) %}{% if x in known %}{{x}},{% end %}{% end %}"
    numbers = ",".join(map(str, range(1500)))
    rendered = Template.compile(text, name="q").render({"a": numbers, "b": numbers}).sql
    assert rendered.count(",") == 1500
