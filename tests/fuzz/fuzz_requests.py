"""Whatever a request has in its URL and its headers, it is answered the same the short way and the usual one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tests.conftest import RunningServer
from tests.fuzz.both_ways import FILES, ROWS, Sender, random_case
from tests.fuzz.running import fuzz

_REQUESTS_OF_A_CASE = 24


def test_both_ways_give_the_same_answers(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "home", arguments=("serve",), environment={})
    try:
        assert server.deploy(FILES).status_code == 200
        assert server.send(ROWS, name="visits").status_code == 200
        with closing(Sender(server)) as sender:
            fuzz(random_case, sender.check, inputs_at_once=_REQUESTS_OF_A_CASE)
        assert "Traceback" not in server.log.read_text()
    finally:
        server.stop()
