"""Which modules a command imports: most of the time that a short one takes goes into that."""

from __future__ import annotations

import subprocess
import sys

import pytest

_HEAVY = {"chdb", "sqlalchemy", "starlette", "uvicorn", "structlog", "cryptography", "pydantic"}
_REMOTE = ("deploy", "append", "sql", "deployment", "datasource", "quarantine", "copy", "job", "token")


def _imported(statements: str) -> set[str]:
    """The packages that are there after some statements, in a Python of their own."""
    code = f"import sys\nfrom stonechat.cli.main import app\n{statements}\nprint(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in ended.stdout.split()}


@pytest.mark.parametrize("commands", [_REMOTE, ("init", "fmt", "render", "mock", "test")], ids=["remote", "local"])
def test_commands_that_are_no_server_import_none(commands: tuple[str, ...]) -> None:
    assert not _HEAVY & _imported(f"import typer\nfor name in {commands}: typer.main.get_command(app).commands[name]")


def test_a_command_is_imported_when_it_is_asked_for() -> None:
    assert not {"httpx", "rich", "yaml"} & _imported("")


def test_a_server_imports_nothing_of_the_command_lines_output_and_client() -> None:
    server = "from stonechat.importing import quick_imports\nwith quick_imports(): import stonechat.cli.running"
    assert not {"httpx", "rich", "pydantic"} & _imported(server)
