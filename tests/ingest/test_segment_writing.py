"""Large groups are written past the page cache, and nobody can tell: not from the file, not after any failure.

STONECHAT_CRASH_CYCLES sets the number of power losses; 4 by default.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import random
import shutil
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.disks import Ext4, lose_power, mounted
from tests.ingest.test_log import append, contents, rows, running, segments

from stonechat.ingest import segment_writing
from stonechat.ingest.log import Log, LogWriteFailed
from stonechat.ingest.records import Block, Plan, Rows, Taken
from stonechat.ingest.segment_writing import DIRECT_BYTES, GroupWriter

PAGE = mmap.PAGESIZE
LARGE = DIRECT_BYTES + 12_345
CYCLES = int(os.environ.get("STONECHAT_CRASH_CYCLES", "4"))


@pytest.fixture
def directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the direct writes of a test."""
    with (tmp_path / "tried").open("wb") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETFL, os.O_DIRECT)
        except (AttributeError, OSError):
            pytest.skip("files cannot be written directly here")
    sizes: list[int] = []
    real = segment_writing._write_directly

    def counting(descriptor: int, data: memoryview, offset: int) -> int:
        sizes.append(len(data))
        return real(descriptor, data, offset)

    monkeypatch.setattr(segment_writing, "_write_directly", counting)
    return sizes


@pytest.fixture
def small_window(monkeypatch: pytest.MonkeyPatch) -> int:
    """Every group large, and few pages to write them from."""
    monkeypatch.setattr(segment_writing, "DIRECT_BYTES", 1)
    monkeypatch.setattr(segment_writing, "_WINDOW_BYTES", 4 * PAGE)
    return 4 * PAGE


def text(seed: int, size: int) -> str:
    """A row that has no two pages alike."""
    return f"{seed} " + random.Random(seed).randbytes(size // 2).hex()


SIZES = st.integers(0, 9 * PAGE) | st.builds(
    lambda pages, more: pages * PAGE + more, st.integers(1, 9), st.integers(-2, 2)
)


@settings(max_examples=150)
@given(groups=st.lists(st.lists(SIZES, min_size=1, max_size=5), min_size=1, max_size=6), start=st.integers(0, 2 * PAGE))
@pytest.mark.usefixtures("small_window", "directly")
def test_a_file_has_the_same_bytes_whatever_way_they_were_written(groups: list[list[int]], start: int) -> None:
    with NamedTemporaryFile(buffering=0) as file:
        path, whole, writer = Path(file.name), bytes(start), GroupWriter()
        file.write(whole)
        for sizes in groups:
            pieces = [random.Random(size).randbytes(size) for size in sizes]
            writer.write(file.fileno(), pieces, len(whole), synced=True)
            whole += b"".join(pieces)
            assert path.read_bytes() == whole  # and its pages are in the cache when the next group comes
        assert writer.direct


def test_large_synced_groups_are_written_directly_and_no_others(folder: Path, directly: list[int]) -> None:
    with running(folder) as (log, _):
        append(log, rows("small")).result(60)
        assert directly == []
        append(log, rows(text(1, LARGE))).result(60)
        assert sum(directly) > LARGE - 2 * PAGE
    directly.clear()
    with running(folder, sync=False) as (log, _):
        append(log, rows(text(2, LARGE))).result(60)
    assert directly == []
    assert contents(folder) == ["small", text(1, LARGE), text(2, LARGE)]


def test_a_file_system_that_takes_no_direct_writes_gets_others(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "ramfs", "ramfs") as disk:
        texts = [text(number, LARGE) for number in range(3)]
        with running(disk / "log") as (log, _):
            for each in texts:
                append(log, rows(each)).result(60)
            assert not log._files._writer.direct
        assert contents(disk / "log") == texts


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_direct_write_that_is_refused_goes_the_other_way_from_then_on(
    folder: Path, directly: list[int], monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refused(_descriptor: int, data: memoryview, _offset: int) -> int:
        directly.append(len(data))
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(segment_writing, "_write_directly", refused)
    texts = [text(number, LARGE) for number in range(3)]
    with running(folder) as (log, _):
        for each in texts:
            append(log, rows(each)).result(60)
    assert len(directly) == 1
    assert contents(folder) == texts


def test_a_system_without_direct_writes_is_no_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_writing, "_DIRECT", 0)
    with running(folder) as (log, _):
        append(log, rows(text(1, LARGE))).result(60)
    assert contents(folder) == [text(1, LARGE)]


@pytest.mark.parametrize("written", [0, 512, PAGE, 3 * PAGE + 1024])
@pytest.mark.parametrize("full", [True, False])
def test_a_direct_write_that_is_cut_short_is_completed_or_leaves_no_trace(
    folder: Path, directly: list[int], monkeypatch: pytest.MonkeyPatch, written: int, full: bool
) -> None:
    real = os.pwrite

    def cut_short(descriptor: int, data: memoryview, offset: int) -> int:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
            return real(descriptor, data[:written], offset) if written else 0
        if full and directly and offset >= PAGE:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data, offset)

    with running(folder) as (log, delivered):
        append(log, rows("first")).result(60)
        monkeypatch.setattr(os, "pwrite", cut_short)
        attempt = append(log, rows(text(1, LARGE)))
        if full:
            with pytest.raises(LogWriteFailed, match="No space left on device"):
                attempt.result(60)
        else:
            attempt.result(60)
        monkeypatch.undo()
        append(log, rows("last")).result(60)
        assert len(delivered) == 3 - full
    assert contents(folder) == (["first", "last"] if full else ["first", text(1, LARGE), "last"])


def test_a_failed_sync_behind_direct_writes_leaves_no_trace(
    folder: Path, directly: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with running(folder) as (log, _):
        append(log, rows("first")).result(60)
        monkeypatch.setattr("stonechat.ingest.segment_chain._sync_data", failing)
        with pytest.raises(LogWriteFailed, match="Input/output error"):
            append(log, rows(text(1, LARGE))).result(60)
        assert directly
        monkeypatch.undo()
        append(log, rows("second")).result(60)
    assert contents(folder) == ["first", "second"]


@pytest.mark.usefixtures("directly")
def test_a_disk_that_is_full_in_the_middle_of_large_groups_loses_nothing_acknowledged(tmp_path: Path) -> None:
    with Ext4(tmp_path / "image", megabytes=24).mounted(tmp_path / "disk") as disk:
        kept, refused = [], 0
        with running(disk / "log", segment_bytes=5_000_000) as (log, _):
            for number in range(60):
                each = text(number, 700_000 if number % 3 else 20_000)
                try:
                    append(log, rows(each)).result(60)
                    kept.append(each)
                except LogWriteFailed as failure:
                    assert "No space left on device" in failure.message  # noqa: PT017 - some appends succeed
                    refused += 1
        assert len(kept) > 15
        assert refused > 5
        assert contents(disk / "log") == kept


@settings(max_examples=100)
@given(
    lost=st.sets(st.integers(0, 11), max_size=3),
    size=st.integers(0, 12 * PAGE) | st.just(12 * PAGE),
    note=st.booleans(),
)
@pytest.mark.usefixtures("small_window", "directly")
def test_whatever_a_power_loss_leaves_of_the_last_group_is_a_torn_tail(lost: set[int], size: int, note: bool) -> None:
    """Direct writes come to the disk before what the cache has of the group, and of notes that nobody waits for."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with running(folder) as (log, _):
            append(log, rows(text(0, 1000))).result(60)
            log.note(Plan(Block("t_1", 1, 1)))
            (path,) = segments(folder)
            synced = path.stat().st_size
            if note:
                log.report(Taken(Block("t_1", 1, 1), "0"))
                _passed(log)
            group = [rows(text(number, 3 * PAGE)) for number in (1, 2, 3)]
            _append_as_one(log, group)
        data = bytearray(path.read_bytes())
        for page in lost:  # of the page that the group shares with others, an older state is on the disk
            start = max(synced, page * PAGE)
            data[start : max(start, (page + 1) * PAGE)] = bytes(max(0, min(len(data), (page + 1) * PAGE) - start))
        path.write_bytes(data[: max(synced, size)])
        found = contents(folder)
        assert found == [text(0, 1000), *(each.good.decode() for each in group)][: len(found)]
        assert found


def _passed(log: Log) -> None:
    """Wait until what was handed in is written, without having it synced."""
    passed = threading.Event()
    log.barrier(lambda _failure: passed.set())
    assert passed.wait(60)


def _append_as_one(log: Log, group: list[Rows]) -> None:
    """Append rows while the log's thread is held up, so that they are written together."""
    held, go_on = threading.Event(), threading.Event()

    def hold(_failure: object) -> None:
        held.set()
        go_on.wait(60)

    log.barrier(hold)
    assert held.wait(60)
    groups = log.counters.groups
    futures = [append(log, each) for each in group]
    go_on.set()
    for future in futures:
        future.result(60)
    assert log.counters.groups == groups + 1


@pytest.fixture
def disk(tmp_path: Path, directly: list[int]) -> Iterator[Ext4]:
    yield Ext4(tmp_path / "image", megabytes=200)
    assert directly


@pytest.mark.timeout(60 + 2 * CYCLES)
def test_a_power_loss_at_any_moment_loses_nothing_acknowledged(disk: Ext4, tmp_path: Path) -> None:
    chance, numbers = random.Random(3), count()
    kept: list[str] = []
    most = 0
    for _ in range(CYCLES):
        with disk.mounted(tmp_path / "disk") as mount:
            folder = mount / "log"
            kept = _found_with(kept, folder)
            if shutil.disk_usage(mount).free < 100_000_000:
                shutil.rmtree(folder)
                kept = []
            kept += _until_power_is_lost(folder, chance, numbers)
            most = max(most, len(kept))
    with disk.mounted(tmp_path / "disk") as mount:
        _found_with(kept, mount / "log")
    assert most


def _found_with(kept: Sequence[str], folder: Path) -> list[str]:
    """What a log holds, and that all that was kept is there, once and in order."""
    found = contents(folder)
    expected = set(kept)
    assert [each for each in found if each in expected] == kept
    return found


def _until_power_is_lost(folder: Path, chance: random.Random, numbers: Iterator[int]) -> list[str]:
    """Append rows of many sizes; what had been acknowledged a moment before."""
    appended: list[tuple[str, Future[None]]] = []
    kept: list[str] = []

    def lose() -> None:
        # The kernel may tell in the very moment that something is synced which is not.
        kept.extend(each for each, future in tuple(appended) if future.done() and not future.exception())
        lose_power(folder)

    with running(folder, segment_bytes=20_000_000) as (log, _):
        power = threading.Timer(chance.uniform(0.0, 0.3), lose)
        power.start()
        while power.is_alive():
            each = text(next(numbers), chance.choice((10, 3000, LARGE, 3 * LARGE)))
            appended.append((each, append(log, rows(each))))
            log.report(Taken(Block("t_1", 1, 1), "0"))
            if chance.random() < 0.5:
                appended[-1][1].exception(10)
    return kept
