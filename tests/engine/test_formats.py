from __future__ import annotations

import pytest

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import Query
from stonechat.engine.formats import BY_EXTENSION, MEDIA_TYPES


@pytest.mark.parametrize(
    ("extension", "start"),
    [
        ("json", b'{\n\t"meta":'),
        ("csv", b'"name","value"\n"a",1\n'),
        ("ndjson", b'{"name":"a","value":1}\n'),
        ("parquet", b"PAR1"),
        ("prometheus", b"a 1"),
        ("tsv", b"name\tvalue\na\t1\n"),
    ],
)
def test_an_extension_names_a_format_of_the_engine(engine: ChdbEngine, extension: str, start: bytes) -> None:
    query = Query("SELECT 'a' AS name, toFloat64(1) AS value", "default", BY_EXTENSION[extension].name)
    assert engine.query(query).data.startswith(start)


@pytest.mark.parametrize("name", sorted(MEDIA_TYPES))
def test_the_engine_writes_every_format_that_a_statement_may_ask_for(engine: ChdbEngine, name: str) -> None:
    assert engine.query(Query("SELECT 'a' AS name, toFloat64(1) AS value", "default", name)).data


def test_a_served_format_has_the_media_type_of_its_engine_name() -> None:
    assert {known.name: known.media_type for known in BY_EXTENSION.values()}.items() <= MEDIA_TYPES.items()
