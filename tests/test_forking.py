"""What tests start as a fork does as if it had been started whole."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.forking import ForkedProcess, run

_ONCE = ("-n1", "-r1")
"""What the module `timeit` is told, so that it does what the last argument says."""


def test_what_it_prints_and_how_it_ends_is_told() -> None:
    ended = run("timeit", *_ONCE, "import os, sys; print(os.getcwd()); print('an error', file=sys.stderr)")
    assert (ended.returncode, ended.stdout.splitlines()[0], ended.stderr) == (0, str(Path.cwd()), "an error\n")
    assert run("timeit", "--no-such-option").returncode == 2


def test_a_signal_ends_it_and_is_told(tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        process = ForkedProcess("timeit", [*_ONCE, "import signal; signal.pause()"], output=output.fileno())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.0)
    assert process.poll() is None
    process.kill()
    assert process.wait(60) == process.poll() == -signal.SIGKILL
    process.kill()


def test_it_has_the_variables_that_it_is_given_and_no_others(tmp_path: Path) -> None:
    assert "PATH" in os.environ
    with (tmp_path / "output").open("wb") as output:
        arguments = [*_ONCE, "import os; print(*os.environ.items())"]
        process = ForkedProcess("timeit", arguments, output=output.fileno(), environment={"A": "1"})
    assert process.wait(60) == 0
    assert (tmp_path / "output").read_text().splitlines()[0] == "('A', '1')"
