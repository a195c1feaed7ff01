"""One process owns a data folder, and the next one finds what it acknowledged. Each engine here has its own process."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.forking import run

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import DataFolderLocked, EngineFailure
from stonechat.engine.folder import LOCK_FILE, FolderLock
from stonechat.errors import Kind


def child(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.engine.child", *map(str, arguments)]


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def replayed(folder: Path, tokens: int) -> str:
    """What the child counts; a warning about tokens that were struck may stand in front of it."""
    ended = run("tests.engine.child", "replay", str(folder), str(tokens))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()[-1]


def test_a_token_holds_after_the_folder_is_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        assert replayed(tmp_path, 3) == "3000 3000"


def test_nothing_acknowledged_is_lost_or_counted_twice_after_a_kill(tmp_path: Path) -> None:
    for pause in (1, 4, 9):
        with subprocess.Popen(child("insert-until-killed", tmp_path), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(pause):
                process.stdout.readline()
            process.kill()
            acknowledged = len(process.stdout.readlines()) + pause
        # The killed insert may have been committed in some partitions, in the view or nowhere: its replay completes it.
        rows = (acknowledged + 1) * 1000
        assert replayed(tmp_path, acknowledged + 1) == f"{rows} {rows}"
        for path in (tmp_path / "data", tmp_path / "store", tmp_path / "metadata"):
            assert path.exists()
        subprocess.run(["rm", "-r", str(tmp_path)], check=True)


def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    held = FolderLock(tmp_path)
    answer = python(
        """
        import sys
        from pathlib import Path
        from stonechat.engine.contract import DataFolderLocked
        from stonechat.engine.folder import FolderLock
        try:
            FolderLock(Path(sys.argv[1]))
        except DataFolderLocked as error:
            print(error.message)
        """,
        tmp_path,
    )
    owner = (tmp_path / LOCK_FILE).read_text()
    assert answer.stdout == f"The data folder {tmp_path} is in use by the process {owner}.\n"
    held.release()


def test_a_locked_folder_is_refused_before_the_engine_starts(tmp_path: Path) -> None:
    held = FolderLock(tmp_path)
    with pytest.raises(DataFolderLocked) as caught:
        ChdbEngine(tmp_path, server_memory_bytes=1_000_000_000)
    assert (caught.value.kind, caught.value.code) == (Kind.CONFLICT, "SC806")
    held.release()
    held.release()
    FolderLock(tmp_path).release()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = """
        import os, signal, sys
        from pathlib import Path
        from stonechat.engine.folder import FolderLock
        lock = FolderLock(Path(sys.argv[1]))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert python(code, tmp_path).returncode == -9
    FolderLock(tmp_path).release()


def test_a_failed_start_lets_the_folder_go(engine: ChdbEngine, tmp_path: Path) -> None:
    """chDB refuses a second folder in a process, which the shared engine makes sure of."""
    with pytest.raises(EngineFailure):
        ChdbEngine(tmp_path, server_memory_bytes=1_000_000_000)
    FolderLock(tmp_path).release()
    assert engine.fetch("SELECT 1 AS a") == [{"a": 1}]


def test_a_folder_name_that_would_end_the_connection_string_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineFailure, match="question mark"):
        ChdbEngine(tmp_path / "a?readonly=0", server_memory_bytes=1_000_000_000)


def test_importing_the_engine_opens_none_and_keeps_no_one_from_the_package() -> None:
    code = """
        from pathlib import Path
        import stonechat.engine.chdb
        tasks = Path("/proc/self/task")
        assert not tasks.exists() or len(list(tasks.iterdir())) == 1
        import chdb
        print(chdb.query("SELECT 1", "CSV"), end="")
    """
    answer = python(code)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "1\n", "")


def test_closing_ends_running_queries_and_the_process_leaves_in_peace(tmp_path: Path) -> None:
    code = """
        import sys, threading, time
        from pathlib import Path
        from stonechat.engine.chdb import ChdbEngine
        from stonechat.engine.contract import EngineBusy, EngineFailure, Query, QueryCancelled, QueryLimits
        from stonechat.engine.folder import FolderLock
        folder = Path(sys.argv[1])
        engine = ChdbEngine(folder, server_memory_bytes=1_000_000_000)
        query = Query("SELECT count() FROM numbers(1000000000000)", "default", limits=QueryLimits(60))
        ended = []
        def run(call):
            try:
                call()
            except EngineFailure as error:
                ended.append(type(error).__name__)
        calls = [lambda: engine.query(query)] * 6  # four run, two wait
        calls.append(lambda: engine.command("CREATE TABLE x ENGINE = Null AS SELECT * FROM numbers(1000000000000)"))
        threads = [threading.Thread(target=run, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        engine.close()
        engine.close()
        for thread in threads:
            thread.join()
        run(lambda: engine.query(query))
        print(*sorted(ended))
        FolderLock(folder).release()
    """
    answer = python(code, tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.split() == ["EngineBusy", *["QueryCancelled"] * 7]


def test_memory_caps_hold_from_the_first_connection_on(engine: ChdbEngine) -> None:
    names = "('max_server_memory_usage', 'mark_cache_size', 'background_pool_size')"
    found = engine.fetch(f"SELECT name, value FROM system.server_settings WHERE name IN {names} ORDER BY name")
    assert [row["value"] for row in found] == ["2", "256000000", "2000000000"]
