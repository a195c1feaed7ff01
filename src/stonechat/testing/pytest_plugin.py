"""The pytest plugin: `stonechat`, a fixture with the project live on a server of the test run's own.

pytest loads this module in every run of an environment that has Stonechat, so it imports the rest when a test asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stonechat.errors import StonechatError
    from stonechat.testing.application import TestedProject

_PROJECT = "stonechat_project"
_FIXTURES = "stonechat_fixtures"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The plugin's settings."""
    parser.addini(_PROJECT, "Folder of the Stonechat project, from pytest's root. Default: the root itself.")
    parser.addini(_FIXTURES, "Load the project's fixtures before each test.", type="bool", default=False)
    group = parser.getgroup("stonechat")
    group.addoption(
        "--stonechat-url",
        help="Server that lends a workspace for the run; without, a server is started for it.",
    )
    group.addoption("--stonechat-token", help="User token of that server; one on this machine is asked for its own.")


@pytest.fixture(scope="session")
def stonechat_session(pytestconfig: pytest.Config) -> Iterator[TestedProject]:
    """The project, live on a server that starts with the first test that needs it and is gone after the last."""
    from stonechat.errors import StonechatError  # noqa: PLC0415 - see the module's docstring
    from stonechat.project.loader import load_folder  # noqa: PLC0415
    from stonechat.testing.application import TestedProject  # noqa: PLC0415
    from stonechat.testing.places import build, throwaway_place  # noqa: PLC0415

    folder = _folder(pytestconfig)
    url, token = pytestconfig.getoption("--stonechat-url"), pytestconfig.getoption("--stonechat-token")
    try:
        files = load_folder(folder)
        place = throwaway_place(url, token)
        remote = place.__enter__()
    except StonechatError as error:
        pytest.fail(_told(error), pytrace=False)
    try:
        try:
            build(remote, folder, files)
        except StonechatError as error:
            pytest.fail(_told(error), pytrace=False)
        yield TestedProject(remote, folder, files)
    finally:
        place.__exit__(None, None, None)


@pytest.fixture
def stonechat(stonechat_session: TestedProject, pytestconfig: pytest.Config) -> TestedProject:
    """The project without any rows, or with those of its fixtures where `stonechat_fixtures` is set."""
    stonechat_session.reset()
    if pytestconfig.getini(_FIXTURES):
        stonechat_session.load_fixtures()
    return stonechat_session


def _folder(config: pytest.Config) -> Path:
    named = str(config.getini(_PROJECT) or "")
    folder = config.rootpath / named
    if not named and not any(folder.rglob("*.datasource")):
        pytest.fail(f"There is no project in {folder}: set {_PROJECT} in pytest's configuration", pytrace=False)
    return folder


def _told(error: StonechatError) -> str:
    """Every problem with its place, excerpt and hint."""
    lines = []
    for problem in getattr(error, "errors", None) or getattr(error, "problems", None) or [error]:
        hint = f"hint: {problem.hint}" if problem.hint else None
        lines += [str(problem), *filter(None, (problem.excerpt, hint))]
    return "\n".join(lines)
