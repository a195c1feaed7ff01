"""`stonechat test run` and `test update`, as a person and as CI see them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.conftest import MESSAGING, RunningServer
from typer.testing import CliRunner, Result

from stonechat.cli.main import app
from stonechat.errors import StonechatError
from stonechat.requesting import RequestRefused

_EVENTS = """SCHEMA >
    `kind` String `json:$.kind`,
    `n` UInt32 `json:$.n`

ENGINE "MergeTree"
ENGINE_SORTING_KEY "kind"
"""
_FILES = {
    "datasources/events.datasource": _EVENTS,
    "datasources/more.datasource": _EVENTS,
    "datasources/totals.datasource": _EVENTS.replace("UInt32", "UInt64").replace("MergeTree", "SummingMergeTree"),
    "datasources/archive.datasource": _EVENTS.replace("UInt32", "UInt64"),
    "fixtures/events.ndjson": '{"kind":"a","n":1}\n{"kind":"b","n":2}\n{"kind":"a/\\"é","n":3}\n{"kind":"bad","n":-1}',
    "fixtures/more.sql": "-- twice\nSELECT kind, n * 2 AS n FROM events;\n",
    "fixtures/nobody.csv": "kind,n\n",
    "fixtures/README.md": "Not a fixture",
    "endpoints/by_kind.pipe": (
        "NODE n\nSQL >\n    %\n    SELECT kind, n, toUInt64(n) AS big FROM events\n"
        "    WHERE n >= {{ UInt32(least, 0) }}\n    {% if defined(only) %} AND kind IN {{ Array(only) }} {% end %}\n"
        "    ORDER BY n\n\nTYPE endpoint\n"
    ),
    "endpoints/doubled.pipe": "NODE n\nSQL >\n    SELECT sum(n) AS n FROM more\n\nTYPE endpoint\n",
    "endpoints/generous.pipe": "NODE n\nSQL >\n    SELECT 1 AS a WHERE 0\n\nTYPE endpoint\n",
    "endpoints/refusing.pipe": (
        "NODE n\nSQL >\n    %\n    {{ custom_error({'error': 'no \"tea\"', 'extra': 1}, 418) }}\n    SELECT 1\n\n"
        "TYPE endpoint\n"
    ),
    "materializations/sum.pipe": (
        "NODE n\nSQL >\n    SELECT kind, sum(n) AS n FROM events GROUP BY kind ORDER BY kind\n\n"
        "TYPE materialized\nDATASOURCE totals\n"
    ),
    "copies/keep.pipe": (
        "NODE some\nSQL >\n    %\n"
        "    SELECT kind, toUInt64(n) AS n FROM events WHERE kind = {{ String(kind, 'a') }}\n\n"
        "NODE n\nSQL >\n    SELECT * FROM some -- all\n\nTYPE copy\nTARGET_DATASOURCE archive\n"
    ),
}
_TESTS = {
    "tests/by_kind.yaml": r"""- name: everything
  expected_result: |
    {"kind":"a","n":1,"big":1}
    {"kind":"b","n":2,"big":2}
    {"kind":"a\/\"é","n":3,"big":3}
- name: parameters
  parameters: http://127.0.0.1/x?least=2&only=b&only=a/%22é
  expected_result: |
    {"kind":"b","n":2,"big":2}
    {"kind":"a\/\"é","n":3,"big":3}
- name: wrong_type
  parameters: least=many
  expected_http_status: 400
  expected_result: "Template Syntax Error: another one"
""",
    "tests/doubled.yaml": '- name: fixture_of_sql\n  expected_result: |\n    {"n":12}\n',
    "tests/refusing.yaml": '- name: tea\n  expected_http_status: 418\n  expected_result: no "tea"\n',
    "tests/sum.yaml": "- name: rows\n  expected_result: |\n    a\t1\n  parameters: ''\n",
    "tests/generous.yaml": '- name: fails_not\n  expected_http_status: 400\n  expected_result: ""\n',
    "tests/keep.yaml": "- name: b\n  parameters: kind=b\n  expected_result: |\n    b\t2\n",
    "tests/absent.yaml": "- name: nothing\n  expected_result: ''\n",
}


def _folder(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    return path


def _run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def on_it(module_server: RunningServer) -> Sequence[str]:
    """The option for a server that runs; without it, one is started for the tests."""
    return "--url", module_server.url


def test_the_tests_of_a_project_are_run_over_its_fixtures(tmp_path: Path) -> None:
    result = _run("test", "run", "--project", _folder(tmp_path, _FILES | _TESTS))
    assert result.stderr == (
        "note 1 row of fixtures/events.ndjson did not fit and went to events_quarantine\n"
        "note fixtures/nobody.csv is not loaded: there is no data source 'nobody'\n"
    )
    assert result.stdout == (
        "tests/absent.yaml\n  - nothing\n    There is no pipe 'absent'\n"
        "tests/by_kind.yaml\n  ✓ everything\n  ✓ parameters\n  ✗ wrong_type  tests/by_kind.yaml:11:3\n"
        "    --- expected\n    +++ answered\n    @@ -1 +1 @@\n"
        "    -Template Syntax Error: another one\n    \\ No newline at end of file\n"
        "    +Template Syntax Error: Error validating 'many' to type UInt32\n"
        "    \\ No newline at end of file\n"
        "tests/doubled.yaml\n  ✓ fixture_of_sql\n"
        "tests/generous.yaml\n  ✓ fails_not\n    The call answers with the status 200, not 400\n"
        "tests/keep.yaml\n  ✓ b\n"
        "tests/refusing.yaml\n  ✓ tea\n"
        "tests/sum.yaml\n  ✗ rows  tests/sum.yaml:1:3\n"
        "    --- expected\n    +++ answered\n    @@ -1 +1,3 @@\n"
        '     a  1\n    +a/"é       3\n    +b  2\n'
        "6 passed, 2 failed, 1 skipped in 7 files\n"
    )
    assert result.exit_code == 1


def test_update_writes_what_is_answered_and_then_all_tests_pass(tmp_path: Path, on_it: Sequence[str]) -> None:
    tests = {
        "tests/doubled.yaml": "# Sums\n- name: sum   # of all\n\n- name: again\n  expected_result: '{\"n\":12}'\n",
        "tests/refusing.yaml": "- name: tea\n",
    }
    folder = _folder(tmp_path, _FILES | tests)
    result = _run("test", "update", "--project", folder)
    assert result.exit_code == 0
    assert "3 tests updated" in result.stdout
    assert (folder / "tests/doubled.yaml").read_text() == (
        '# Sums\n- name: sum   # of all\n  expected_result: |\n    {"n":12}\n\n'
        '- name: again\n  expected_result: |\n    {"n":12}\n'
    )
    assert (folder / "tests/refusing.yaml").read_text() == (
        '- name: tea\n  expected_http_status: 418\n  expected_result: "no \\"tea\\""\n'
    )
    result = _run("test", "run", "--project", folder, *on_it)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "3 passed in 2 files")


def test_a_running_server_lends_a_workspace(tmp_path: Path, module_server: RunningServer) -> None:
    server = module_server
    before = server.request("GET", "/v1/user/workspaces").json()
    for _ in range(2):
        result = _run("test", "run", "--project", _folder(tmp_path, _FILES | _TESTS), "--url", server.url)
        assert result.stdout.endswith("6 passed, 2 failed, 1 skipped in 7 files\n")
    assert server.request("GET", "/v1/user/workspaces").json() == before


def test_only_the_tests_that_are_named_run(tmp_path: Path, on_it: Sequence[str]) -> None:
    folder = _folder(tmp_path, _FILES | _TESTS)
    result = _run("test", "run", "by_kind::parameters", "tests/sum.yaml", "--project", folder, *on_it)
    assert [line for line in result.stdout.splitlines() if line.startswith(("  ✓", "  ✗"))] == [
        "  ✓ parameters",
        "  ✗ rows  tests/sum.yaml:1:3",
    ]


def test_rows_in_another_order_are_told_as_such(tmp_path: Path, on_it: Sequence[str]) -> None:
    rows = ['{"kind":"b","n":2,"big":2}', '{"kind":"a","n":1,"big":1}']
    text = "- name: turned\n  parameters: only=a,b\n  expected_result: |\n" + "".join(f"    {row}\n" for row in rows)
    result = _run("test", "run", "--project", _folder(tmp_path, _FILES | {"tests/by_kind.yaml": text}), *on_it)
    assert "    The rows are the same, in another order\n    --- expected\n" in result.stdout
    assert result.exit_code == 1


def test_a_project_that_cannot_be_built_is_refused_with_the_lines_at_fault(
    tmp_path: Path, on_it: Sequence[str]
) -> None:
    broken = {"endpoints/doubled.pipe": "NODE n\nSQL >\n    SELECT sum(n) AS n FROM mor\n\nTYPE endpoint\n"}
    with pytest.raises(RequestRefused) as caught:
        _run("test", "run", "--project", _folder(tmp_path, _FILES | broken | _TESTS), *on_it)
    (problem,) = caught.value.problems
    assert str(problem.position) == "endpoints/doubled.pipe:3:29"
    assert problem.excerpt.splitlines()[1] == "    3 |     SELECT sum(n) AS n FROM mor"


def test_a_project_without_tests_says_so(tmp_path: Path) -> None:
    result = _run("test", "run", "--project", _folder(tmp_path, _FILES))
    assert (result.exit_code, result.stdout) == (0, "There are no tests: write tests/PIPE.yaml.\n")


def test_broken_tests_are_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/a.yaml").write_text("- name: [\n")
    with pytest.raises(StonechatError, match=r"tests/a\.yaml:2:1: This is no YAML"):
        _run("test", "run", "--project", tmp_path)


def test_the_messaging_projects_own_tests_pass(tmp_path: Path, on_it: Sequence[str]) -> None:
    folder = tmp_path / "messaging"
    shutil.copytree(MESSAGING, folder)
    before = {path: path.read_bytes() for path in (folder / "tests").iterdir()}
    result = _run("test", "run", "--project", folder, *on_it)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "27 passed in 6 files")
    result = _run("test", "update", "--project", folder, *on_it)
    assert (result.exit_code, result.stdout) == (0, "No changes.\n")
    assert {path: path.read_bytes() for path in (folder / "tests").iterdir()} == before
