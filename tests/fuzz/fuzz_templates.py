"""Every template renders, within its bounds, or fails in an error of its own."""

from __future__ import annotations

import random
from contextlib import suppress
from functools import partial

import yaml
from tests.fuzz.mutation import STARTERS, TESTS, Mutation, texts
from tests.fuzz.running import fuzz

from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import Pipe
from stonechat.template.context import MAX_TEXT
from stonechat.template.errors import TemplateError
from stonechat.template.render import Rendered, Template

_PIECES = """
{{ }} {{ }} {% %} {# #} {{! if elif else for in while try except finally end set break continue not and or lambda
x y l p = == + * ** / - ( ) [ ] , : 0 7 'a' '%' None True f'{x}' _ __ ' " -- /* */ $$ String(
Int32( Float64( Array( DateTime(
defined( JSON( column( columns( symbol( table( sql_and( split_to_array( enumerate_with_last( day_diff( error(
custom_error( sql_unescape( cache_ttl( max_threads( tb_secret( tb_var( range( str( len( list( dict( sum( sorted( zip(
max( min( int( float( round( map( filter( isinstance( key= reverse= := % '%s%5d%(a)s'
.get( .split( .join( .append( .replace( .format( default= description= required=True enum=
x__in= x__gt= WHERE SELECT FROM
"""
_VALUES: tuple[str | list[str], ...] = (
    *("", "5", "-1", "a", "it's", "a,b", "*/ --", "2024-01-01 00:00:00", '{"a":[1]}', "[1]", "\\", "é\0", "9" * 400),
    *(["a", "1"], [], ["5"]),
)
_NODES = [node.sql for text in texts(STARTERS, suffixes=[".pipe"])
          if isinstance(pipe := read_datafile("pipe.pipe", text), Pipe) for node in pipe.nodes]  # fmt: skip
_CORPUS = [yaml.safe_load(text)["template"] for text in texts(TESTS / "template" / "corpus", suffixes=[".yaml"])]
_MUTATION = Mutation([*_NODES, *_CORPUS], _PIECES.split())

Case = tuple[str, dict[str, str | list[str]]]


def mutated(chance: random.Random) -> Case:
    """A template that was one of this project's, and values for it."""
    text = _MUTATION(chance)
    sql = text if text.lstrip().startswith("%") else f"%{text}"
    names = [*"xylpabtfoo", "limit", "start_date"]
    with suppress(TemplateError):
        names += sorted(Template.compile(sql, name="node").names)
    return sql, {name: chance.choice(_VALUES) for name in names if chance.random() < 0.7}


def test_every_template_renders_or_fails_in_an_error_of_its_own() -> None:
    fuzz(mutated, _check)


def _check(case: Case) -> None:
    sql, values = case
    try:
        template = Template.compile(sql, name="node")
    except TemplateError as error:
        _located(error)
        return
    for render in (partial(template.render, values, secrets={"a": "'"}), template.placeholder):
        try:
            _bounded(render())
        except TemplateError as error:
            _located(error)


def _bounded(rendered: Rendered) -> None:
    # With dummies `error()` ends nothing, and may leave nothing.
    assert rendered.sql.strip() or rendered.aborted
    assert len(rendered.sql) <= MAX_TEXT
    rendered.sql.encode("utf-8")


def _located(error: TemplateError) -> None:
    assert error.message
    assert error.template == "node"
    assert error.line >= 1
