"""Every body gets verdicts that add up, the same for its rows together and one by one."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from io import BytesIO

from tests.fuzz.mutation import TESTS, Mutation, texts
from tests.fuzz.running import fuzz

from stonechat.datafile.reading import read_datafile
from stonechat.datafile.resources import DataSource
from stonechat.ingest.feeding import stored_form
from stonechat.ingest.rows import RowReader
from stonechat.ingest.verdicts import Verdicts

_PIECES = r"""
{ } [ ] , : " "a": "b": null true false 0 -0 1 -1 255 256 1e5 1.5 1e400 99999999999999999999 "" "\u0000" "\ud800" "\x
"2024-01-01" "2024-01-01T00:00:00.123Z" "inf" NaN Infinity {} [] [[]] {"a":1} "a.b" "\\" \ÿ \Ã é \
"""


class _Case:
    """A data source's rows, and a reader of them."""

    def __init__(self, schema: str, corpus: list[str]) -> None:
        source = read_datafile("t.datasource", schema)
        assert isinstance(source, DataSource)
        self.reader = RowReader(source.columns, clock=lambda: 0.0)
        self._stored = RowReader(stored_form(source.columns))
        self.mutation = Mutation(corpus, _PIECES.split())

    def canonical(self, verdicts: Verdicts) -> Verdicts:
        """Verdicts with the rows that may stay as they came in the form that is the same for all ways to write them."""
        return replace(verdicts, good=b"".join(self._stored.canonical(verdicts.good)))


def _cases() -> list[_Case]:
    cases = []
    for folder in sorted((TESTS / "ingest" / "corpus").iterdir()):
        rows = [*folder.glob("rows.*")]
        corpus = [path.read_bytes().decode("latin-1") for path in rows]
        cases += [_Case(text, corpus) for text in texts(folder, suffixes=[".datasource"])]
    return cases


_CASES = _cases()
Body = tuple[int, bytes]


def _body(chance: random.Random) -> Body:
    index = chance.randrange(len(_CASES))
    return index, _CASES[index].mutation(chance).encode("latin-1", "replace")


def test_every_body_gets_a_verdict_for_each_row() -> None:
    fuzz(_body, _check)


def _check(case: Body) -> None:
    index, body = case
    reader = _CASES[index].reader
    lines = [line for line in body.split(b"\n") if line.strip()]
    verdicts = reader.read(body)
    assert verdicts.good_rows + verdicts.quarantined_rows == len(lines)
    _add_up(verdicts)
    _add_up(reader.read(body, "json"))
    if 0 < len(lines) <= 100:
        alone = Verdicts.joined([reader.read(line) for line in lines])
        assert _CASES[index].canonical(alone) == _CASES[index].canonical(verdicts)


def _add_up(verdicts: Verdicts) -> None:
    good, quarantined = list(BytesIO(verdicts.good)), verdicts.quarantined.splitlines()
    assert (verdicts.good_rows, verdicts.quarantined_rows) == (len(good), len(quarantined))
    for line in good:
        assert isinstance(json.loads(line), dict)
    for line in quarantined:
        row = json.loads(line)
        assert row["c__error"]
        assert len(row["c__error"]) == len(row["c__error_column"])
