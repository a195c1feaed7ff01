"""`check`, `fmt` and `render` work on a folder alone, without a server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stonechat.cli.main import app
from stonechat.cli.parameters import InvalidParameter
from stonechat.errors import StonechatError

_EVENTS = """SCHEMA >
    `kind` String `json:$.kind`,
    `n` UInt32 `json:$.n`

ENGINE "MergeTree"
ENGINE_SORTING_KEY "kind"
"""
_TOP = """NODE filtered
SQL >
    %
    SELECT kind, n
    FROM events
    WHERE kind IN {{ Array(kinds, 'String', 'a') }}

NODE best
SQL >
    %
    {% if defined(all) %}
    SELECT kind, sum(n) AS total FROM events GROUP BY kind
    {% else %}
    SELECT kind, sum(n) AS total FROM filtered GROUP BY kind
    {% end %}
    {{ max_threads(1) }}

TYPE endpoint
"""
_FILES = {"datasources/events.datasource": _EVENTS, "endpoints/top.pipe": _TOP}


def _folder(path: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def _run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit | StonechatError):
        raise result.exception
    return result


def _run_apart(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the engine opens one folder a process, which here is other tests' too."""
    command = [sys.executable, "-m", "stonechat", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_sound_project_has_no_problems(tmp_path: Path) -> None:
    result = _run("check", _folder(tmp_path, _FILES), "--no-engine")
    assert (result.exit_code, result.stdout) == (0, "No problems in 1 data source, 1 pipe, 0 connections.\n")


def test_every_problem_of_every_file_is_shown_with_its_place(tmp_path: Path) -> None:
    files = {
        "events.datasource": _EVENTS.replace("UInt32", "Boolean"),
        "top.pipe": _TOP.replace("FROM filtered", "FROM filtred").replace("max_threads(1)", "max_threads(1"),
        "other.pipe": "NODE n\nSQL >\n    SELECT * FROM evnts\n",
    }
    result = _run("check", _folder(tmp_path, files), "--no-engine")
    assert result.exit_code == 1
    assert "events.datasource:3:9" in result.stderr
    assert "other.pipe:3:19 Node 'n' reads 'evnts', which does not exist" in result.stderr
    assert (
        "    3 |     SELECT * FROM evnts\n      |                   ^\n  hint: Did you mean 'events'?" in result.stderr
    )
    assert "top.pipe:" in result.stderr
    assert result.stderr.endswith("3 problems in 3 files\n")


def test_things_without_effect_are_told_and_are_no_problems(tmp_path: Path) -> None:
    result = _run("check", _folder(tmp_path, {"e.datasource": f"VERSION 1\n{_EVENTS}"}), "--no-engine")
    assert (result.exit_code, result.stderr) == (0, "note e.datasource:1:1 VERSION is deprecated and has no effect\n")


def test_parameters_with_names_of_the_server_s_own_are_told_with_their_places(tmp_path: Path) -> None:
    sql = "%\n    SELECT {{String(page, '')}} AS a,\n        {{String(token, '')}} AS b"
    pipe = f"NODE n\nSQL >\n    {sql}\nTYPE endpoint\n"
    result = _run("check", _folder(tmp_path, {"e.pipe": pipe}), "--no-engine")
    told = "The parameter 'token' also means something to the server: give it another name"
    assert (result.exit_code, result.stderr) == (0, f"note e.pipe:5:18 {told}\n")


def test_the_engine_finds_what_only_it_can_know(tmp_path: Path) -> None:
    broken = _TOP.replace("kind, sum(n) AS total FROM events", "kind, sum(m) AS total FROM events")
    _folder(tmp_path, {**_FILES, "endpoints/top.pipe": broken})
    assert _run("check", tmp_path, "--no-engine").exit_code == 0
    result = _run_apart("check", tmp_path)
    assert result.returncode == 1
    assert "endpoints/top.pipe:12:22 Node 'best': " in result.stderr
    assert (
        "   12 |     SELECT kind, sum(m) AS total FROM events GROUP BY kind\n      |                      ^\n"
        in result.stderr
    )
    assert result.stderr.endswith("1 problem in 1 file\n")
    (tmp_path / "endpoints/top.pipe").write_text(_TOP)
    result = _run_apart("check", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


def test_what_another_workspace_may_share_is_left_to_a_server_and_told(tmp_path: Path) -> None:
    reading = (
        "NODE far\nSQL >\n    SELECT day FROM sales.orders\n\nNODE out\nSQL >\n    SELECT day FROM far\nTYPE endpoint\n"
    )
    _folder(tmp_path, {**_FILES, "endpoints/reading.pipe": reading})
    result = _run_apart("check", tmp_path)
    assert result.returncode == 0
    assert "note endpoints/reading.pipe:3:21 'sales.orders'" in result.stderr
    _folder(tmp_path, {"endpoints/reading.pipe": reading.replace("sales.orders", "ws_0123456789ab.orders")})
    assert _run_apart("check", tmp_path).returncode == 1


def test_a_syntax_error_is_shown_where_it_is(tmp_path: Path) -> None:
    _folder(tmp_path, {"p.pipe": "NODE n\nSQL >\n    SELECT 1 +\n\nNODE m\nSQL >\n    SELECT 1\n    WHERE )\n"})
    result = _run_apart("check", tmp_path)
    assert "p.pipe:3:15 Node 'n': Syntax error" in result.stderr
    assert "    8 |     WHERE )\n      |           ^\n" in result.stderr


def test_the_environment_files_secrets_are_known(tmp_path: Path) -> None:
    pipe = "NODE n\nSQL >\n    %\n    SELECT toUInt8({{ tb_secret('NUMBER') }}) AS n\nTYPE endpoint\n"
    _folder(tmp_path, {"p.pipe": pipe, ".env.local": "NUMBER=7"})
    assert _run_apart("check", tmp_path).returncode == 0
    assert "-- bound: NUMBER\n" in _run("render", "p", "--project", tmp_path).stdout


def test_files_are_formatted_in_place(tmp_path: Path) -> None:
    untidy = _EVENTS.replace("`", "").replace("SCHEMA", "schema").replace("json:$.kind", "").replace("json:$.n", "")
    _folder(tmp_path, {**_FILES, "deep/e.datasource": untidy})
    result = _run("fmt", tmp_path)
    assert (result.exit_code, result.stderr) == (0, "1 file formatted, 2 left as they are\n")
    text = (tmp_path / "deep/e.datasource").read_text()
    assert text.startswith("SCHEMA >\n    `kind` String,\n    `n` UInt32\n\nENGINE")
    assert (tmp_path / "endpoints/top.pipe").read_text() == _TOP
    assert _run("fmt", tmp_path, "--check").exit_code == 0


def test_a_check_of_the_layout_changes_nothing_and_fails(tmp_path: Path) -> None:
    file = _folder(tmp_path, {"e.datasource": _EVENTS.lower().replace("uint32", "UInt32").replace("string", "String")})
    before = (file / "e.datasource").read_bytes()
    result = _run("fmt", tmp_path / "e.datasource", "--check")
    assert result.exit_code == 1
    assert result.stdout == f"{tmp_path / 'e.datasource'} would be formatted\n"
    result = _run("fmt", tmp_path / "e.datasource", "--diff")
    assert result.exit_code == 0
    assert "\n-schema >\n+SCHEMA >\n" in result.stdout
    assert (tmp_path / "e.datasource").read_bytes() == before


def test_windows_line_ends_are_formatted_too(tmp_path: Path) -> None:
    (tmp_path / "e.datasource").write_bytes(_EVENTS.replace("\n", "\r\n").encode())
    assert _run("fmt", tmp_path).exit_code == 0
    assert (tmp_path / "e.datasource").read_bytes() == _EVENTS.encode()


def test_a_file_with_problems_is_left_and_the_others_are_formatted(tmp_path: Path) -> None:
    _folder(tmp_path, {"a.datasource": "schema >\n    a Strin\n", "b.datasource": "schema >\n    a String\n"})
    result = _run("fmt", tmp_path)
    assert result.exit_code == 1
    assert "a.datasource:2:7 Unknown data type family: Strin" in result.stderr
    assert (tmp_path / "a.datasource").read_text() == "schema >\n    a Strin\n"
    assert (tmp_path / "b.datasource").read_text() == "SCHEMA >\n    `a` String\n"


@pytest.mark.parametrize(("data", "reason"), [(None, "Cannot read"), (b"\xff", "is not UTF-8: line 1")])
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_formatted(
    tmp_path: Path, data: bytes | None, reason: str
) -> None:
    _folder(tmp_path, {"b.datasource": "schema >\n    a String\n"})
    if data is not None:
        (tmp_path / "a.pipe").write_bytes(data)
    result = _run("fmt", tmp_path / "a.pipe", tmp_path / "b.datasource")
    assert result.exit_code == 1
    assert reason in result.stderr
    assert (tmp_path / "b.datasource").read_text() == "SCHEMA >\n    `a` String\n"


def test_a_file_that_cannot_be_read_hides_no_problem_of_others(tmp_path: Path) -> None:
    pipe = "NODE a\nSQL >\n    SELECT kind FROM events JOIN evnts USING kind\n"
    _folder(tmp_path, {"read.pipe": pipe, "wrong.datasource": "ENGINE Log\n"})
    (tmp_path / "events.datasource").write_bytes(b"SCHEMA >\n    `a\xe9` String\n")
    result = _run("check", tmp_path)
    assert result.exit_code == 1
    assert "events.datasource is not UTF-8: line 2 has the byte 0xe9" in " ".join(result.stderr.split())
    assert "Node 'a' reads 'evnts', which does not exist" in result.stderr
    assert "wrong.datasource:1:1 SCHEMA is mandatory" in result.stderr
    assert "reads 'events'" not in result.stderr
    assert "4 problems in 3 files" in result.stderr


def test_render_prints_the_nodes_that_are_read_and_the_statement_of_all(tmp_path: Path) -> None:
    _folder(tmp_path, _FILES)
    result = _run("render", "top", "--project", tmp_path, "--param", "kinds=x", "--param", "kinds=y=z")
    assert result.exit_code == 0
    nodes, composed = result.stdout.split("-- composed: node best of top\n-- settings: max_threads = 1\n")
    assert nodes.startswith(
        "-- node filtered\nSELECT kind, n\nFROM events\nWHERE kind IN ['x','y=z']\n\n-- node best\n"
    )
    assert " ".join(composed.split()).startswith("WITH `filtered` AS ( SELECT kind, n FROM events WHERE kind IN ['x',")


def test_render_leaves_out_what_the_parameters_leave_out(tmp_path: Path) -> None:
    result = _run("render", "top", "--project", _folder(tmp_path, _FILES), "--param", "all=1")
    assert "filtered" not in result.stdout
    assert result.stdout.count("SELECT kind, sum(n) AS total FROM events GROUP BY kind") == 2


def test_render_prints_another_node(tmp_path: Path) -> None:
    result = _run("render", "top", "--node", "filtered", "--project", _folder(tmp_path, _FILES))
    assert "-- composed: node filtered of top" in result.stdout
    assert "sum(n)" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["tpo"], "There is no pipe 'tpo'", "Did you mean 'top'?"),
        (["top", "--node", "filter"], "There is no node 'filter'", "Did you mean 'filtered'?"),
    ],
)
def test_names_that_do_not_exist_are_refused(tmp_path: Path, arguments: list[str], message: str, hint: str) -> None:
    result = _run("render", *arguments, "--project", _folder(tmp_path, _FILES))
    assert isinstance(result.exception, StonechatError)
    assert (result.exception.message, result.exception.hint) == (message, hint)


def test_a_parameter_is_a_name_and_a_value(tmp_path: Path) -> None:
    result = _run("render", "top", "--project", _folder(tmp_path, _FILES), "--param", "x")
    assert isinstance(result.exception, InvalidParameter)
    assert str(result.exception) == "--param x is not NAME=VALUE"


def test_a_command_at_the_top_of_a_repository_finds_its_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tinybird").mkdir()
    (tmp_path / "tinybird" / "events.datasource").write_text(_EVENTS)
    (tmp_path / "draft.datasource").write_text("SCHEMA >\n    nothing\n")
    (tmp_path / "tinybird.config.json").write_text('{"folder": "tinybird"}')
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["check", "--no-engine"])
    assert "No problems in 1 data source" in result.output
