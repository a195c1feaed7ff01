"""What is read in bulk is read as everywhere else, and nothing is read or written beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fuzz.bulk_bodies import Bodies
from tests.fuzz.running import INPUTS, fuzz
from tests.ingest.bulk.watching import run_watched

from stonechat.ingest.bulk.library import compiled_library

pytestmark = pytest.mark.skipif(compiled_library() is None, reason="nothing was compiled: there was no C compiler")


@pytest.mark.parametrize("objects", [False, True], ids=["flat", "objects"])
@pytest.mark.parametrize("defaults", [False, True], ids=["without defaults", "with defaults"])
def test_rows_read_in_bulk_are_those_of_the_other_readings(defaults: bool, objects: bool) -> None:
    bodies, library = Bodies(defaults=defaults, objects=objects), compiled_library()
    assert library is not None
    reader = bodies.reader(library)
    fuzz(bodies.body, lambda body: bodies.check(reader, body))


def test_no_byte_beside_a_body_or_its_rows_is_touched(tmp_path: Path) -> None:
    run_watched(tmp_path, INPUTS)
