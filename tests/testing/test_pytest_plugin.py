"""The pytest plugin, in test runs of an application of its own, against real servers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import StartServer

pytest_plugins = ["pytester"]

_PROJECT = {
    "datasources/visits.datasource": 'TOKEN "tracker" APPEND\n\nSCHEMA >\n    `page` String `json:$.page`,\n'
    "    `at` DateTime `json:$.at`,\n    `price` Decimal(9, 2) `json:$.price` DEFAULT 0\n",
    "datasources/pages.datasource": "SCHEMA >\n    `page` String,\n    `visits` UInt64\n\n"
    'ENGINE "SummingMergeTree"\nENGINE_SORTING_KEY "page"\n',
    "materializations/count.pipe": "NODE n\nSQL >\n    SELECT page, count() AS visits FROM visits GROUP BY page\n\n"
    "TYPE materialized\nDATASOURCE pages\n",
    "endpoints/visits_of.pipe": "NODE n\nSQL >\n    %\n    SELECT page, count() AS visits FROM visits\n"
    "    {% if defined(pages) %} WHERE page IN {{Array(pages)}} {% end %}\n    GROUP BY page ORDER BY page\n\n"
    "TYPE endpoint\n",
    "fixtures/visits.ndjson": '{"page":"home","at":"2024-01-01 00:00:00"}\n',
}
_TESTS = """
import datetime
import decimal
import json
import urllib.request

import pytest

ROW = {"page": "a", "at": datetime.datetime(2024, 1, 2, 3, 4, 5), "price": decimal.Decimal("1.50")}


def test_rows_are_there_at_once(stonechat):
    stonechat.append("visits", [ROW, ROW, {**ROW, "page": "b"}])
    assert stonechat.rows("visits_of") == [{"page": "a", "visits": 2}, {"page": "b", "visits": 1}]
    assert stonechat.rows("visits_of", pages=["b", "c"]) == [{"page": "b", "visits": 1}]
    (row,) = stonechat.sql("SELECT toString(at) AS at, toString(price) AS price FROM visits WHERE page = 'b'")
    assert row == {"at": "2024-01-02 03:04:05", "price": "1.5"}


def test_nothing_of_another_test_is_left(stonechat):
    assert stonechat.rows("visits_of") == []
    assert stonechat.sql("SELECT sum(visits) AS n FROM pages") == [{"n": 0}]


def test_the_application_sends_as_it_does_anyway(stonechat):
    url = f"{stonechat.url}/v0/events?name=visits&token={stonechat.token_of('tracker')}"
    body = b'{"page": "late", "at": "2024-01-01 00:00:00"}\\n{"page": 7}'
    with urllib.request.urlopen(urllib.request.Request(url, body)) as answer:
        assert json.load(answer) == {"successful_rows": 1, "quarantined_rows": 1}


def test_events_that_were_still_on_their_way_are_gone_too(stonechat):
    assert stonechat.rows("visits_of") == []
    assert stonechat.sql("SELECT count() AS n FROM visits_quarantine") == [{"n": 0}]


def test_misfits_say_why(stonechat):
    with pytest.raises(Exception, match="1 row does not fit 'visits': .*at.*in {.page.:.x.}"):
        stonechat.append("visits", [{"page": "x"}])
    assert stonechat.append("visits", [{"page": "x"}, ROW], misfits=True).quarantined == 1
    stonechat.reset()
    stonechat.load_fixtures()
    assert stonechat.rows("visits_of") == [{"page": "home", "visits": 1}]


def test_what_is_refused_is_raised(stonechat):
    with pytest.raises(Exception, match="does not exist"):
        stonechat.rows("nowhere")
    with pytest.raises(Exception, match="no token 'nobody'"):
        stonechat.token_of("nobody")
"""


_ALONE = ("--disable-plugin-autoload", "-p", "stonechat.testing.pytest_plugin")
"""Without the other plugins that are installed, which take longer to import than a server to start."""


def _application(pytester: pytest.Pytester, tests: str, *, ini: str = "", project: str = "analytics") -> None:
    for name, text in _PROJECT.items():
        path = pytester.path / project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    named = f"stonechat_project = {project}\n" if project != "." else ""
    pytester.makefile(".ini", pytest=f"[pytest]\n{named}{ini}")
    pytester.makepyfile(test_application=tests)


def test_an_application_is_tested_over_rows_that_its_tests_put_there(pytester: pytest.Pytester) -> None:
    _application(pytester, _TESTS)  # and pytest finds the plugin by itself
    result = pytester.runpytest_subprocess("-p", "no:schemathesis")
    result.assert_outcomes(passed=6)


def test_fixtures_are_loaded_before_each_test_if_wanted(pytester: pytest.Pytester) -> None:
    tests = """
        import pytest

        @pytest.mark.parametrize("turn", [1, 2])
        def test_fixtures(stonechat, turn):
            assert stonechat.rows("visits_of") == [{"page": "home", "visits": 1}]
            stonechat.append("visits", [{"page": "home", "at": 0}])
    """
    _application(pytester, tests, ini="stonechat_fixtures = true\n", project=".")
    pytester.runpytest_subprocess(*_ALONE).assert_outcomes(passed=2)


def test_a_project_that_cannot_be_built_is_shown_with_its_mistakes(pytester: pytest.Pytester) -> None:
    _application(pytester, "def test_it(stonechat): pass")
    (pytester.path / "analytics" / "endpoints" / "wrong.pipe").write_text(
        "NODE n\nSQL >\n    SELECT nothing FROM visits\nTYPE endpoint\n"
    )
    result = pytester.runpytest_subprocess(*_ALONE)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*endpoints/wrong.pipe:3:*nothing*", "*3 |     SELECT nothing FROM visits"])
    assert "Traceback" not in result.stdout.str()


def test_a_run_without_a_project_says_how_to_name_one(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(stonechat): pass")
    result = pytester.runpytest_subprocess(*_ALONE)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*set stonechat_project in pytest's configuration*"])


def test_a_running_server_can_lend_a_workspace(pytester: pytest.Pytester, start_server: StartServer) -> None:
    server = start_server()
    _application(pytester, f"def test_it(stonechat): assert stonechat.url == '{server.url}'")
    owner = server.client.get("/tokens").json()["user_token"]
    result = pytester.runpytest_subprocess(*_ALONE, "--stonechat-url", server.url)
    result.assert_outcomes(passed=1)
    left = server.request("GET", "/v1/user/workspaces", token=owner).json()["workspaces"]
    assert [workspace["name"] for workspace in left] == ["stonechat"]
    assert server.request("GET", "/v0/datasources").json() == {"datasources": []}


def test_runs_that_do_not_need_it_do_not_load_it(tmp_path: Path) -> None:
    script = "import stonechat.testing.pytest_plugin, sys; print([n for n in sys.modules if n in {'httpx', 'chdb'}])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True, cwd=tmp_path)
    assert ended.stdout == "[]\n"
