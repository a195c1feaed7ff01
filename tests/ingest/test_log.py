"""The write-ahead log keeps what it has acknowledged, and says so when it cannot."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.disks import SyncedLog

from stonechat.errors import StonechatError
from stonechat.http.problems import STATUS_BY_KIND
from stonechat.ingest.log import Log, LogFull, LogOutcomeUnknown, LogWriteFailed
from stonechat.ingest.manifest import MANIFEST_FILE
from stonechat.ingest.records import Block, Done, Fate, Note, Plan, Refused, Rows
from stonechat.ingest.recovery import recover
from stonechat.ingest.segments import HEADER_SIZE, LogCorrupt, SegmentFile


def rows(text: str, data_source: str = "t_1") -> Rows:
    return Rows(data_source, text.encode(), 1, b"", 0)


def append(log: Log, each: Rows) -> Future[None]:
    """Append, and a future of the acknowledgement."""
    future: Future[None] = Future()

    def settled(failure: StonechatError | None) -> None:
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)

    log.append(each, settled)
    return future


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[tuple[Log, list[Rows]]]:
    """A log that delivers into a list."""
    log, _ = Log.open(folder, **options)
    delivered: list[Rows] = []
    log.start(delivered.append)
    try:
        yield log, delivered
    finally:
        log.close()


def write(folder: Path, texts: Sequence[str], **options: Any) -> None:
    """One group for each text."""
    with running(folder, **options) as (log, _):
        for text in texts:
            append(log, rows(text)).result(60)


def contents(folder: Path) -> list[str]:
    """What a restart finds undone."""
    return [each.good.decode() for each, _ in recover(folder).undone()]


def fails_to_sync(_descriptor: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.wal"))


def test_what_is_acknowledged_is_found_at_the_next_start(folder: Path) -> None:
    with running(folder) as (log, delivered):
        append(log, Rows("t_é", b"good\n", 1, b"bad\n", 2)).result(60)
        append(log, rows("second")).result(60)
        assert [each.sequence for each in delivered] == [1, 2]
    first, second = (each for each, _ in recover(folder).undone())
    assert (first.data_source, first.good, first.good_rows) == ("t_é", b"good\n", 1)
    assert (first.quarantined, first.quarantined_rows, first.sequence) == (b"bad\n", 2, 1)
    assert second.good == b"second"


def test_sequence_numbers_and_the_id_go_on_after_a_restart(folder: Path) -> None:
    with running(folder) as (log, _):
        append(log, rows("a")).result(60)
        identity = log.id
    with running(folder) as (log, delivered):
        append(log, rows("b")).result(60)
        assert log.id == identity
        assert delivered[0].sequence == 2
    assert contents(folder) == ["a", "b"]


def test_many_small_appends_share_a_sync(folder: Path) -> None:
    with running(folder) as (log, delivered):
        for future in [append(log, rows(str(number))) for number in range(2000)]:
            future.result(60)
        assert log.counters.syncs < 500
        assert [each.good for each in delivered] == [str(number).encode() for number in range(2000)]


def test_without_sync_nothing_is_synced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stonechat.ingest.segment_chain._sync_data", lambda _descriptor: pytest.fail("synced"))
    write(folder, ["a", "b"], sync=False)
    assert contents(folder) == ["a", "b"]


def test_a_tail_torn_at_any_byte_loses_only_what_is_torn(folder: Path, tmp_path: Path) -> None:
    write(folder, ["first", "second", "third"])
    (path,) = segments(folder)
    whole = path.read_bytes()
    with SegmentFile(path) as file:
        ends = [record.end for record in file.records()]
    for size in range(len(whole) + 1):
        torn = tmp_path / "torn"
        torn.mkdir()
        (torn / path.name).write_bytes(whole[:size])
        survivors = sum(end <= size for end in ends)
        assert contents(torn) == ["first", "second", "third"][:survivors]
        write(torn, ["later"])
        assert contents(torn) == [*["first", "second", "third"][:survivors], "later"]
        shutil.rmtree(torn)


def test_a_flipped_bit_before_the_last_group_is_refused_loudly(folder: Path) -> None:
    write(folder, ["first", "second", "third"])
    (path,) = segments(folder)
    whole = path.read_bytes()
    with SegmentFile(path) as file:
        *_, last_but_one, _ = (record.end for record in file.records())
    for offset in range(last_but_one):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 8
        path.write_bytes(damaged)
        with pytest.raises(LogCorrupt) as caught:
            recover(folder)
        assert caught.value.path == path
        assert caught.value.offset <= offset
        assert str(path) in str(caught.value)
        assert path.read_bytes() == damaged, "a refused log must stay as it is"


def test_a_flipped_bit_in_the_last_group_is_a_torn_tail(folder: Path) -> None:
    write(folder, ["first", "second"])
    (path,) = segments(folder)
    whole = path.read_bytes()
    with SegmentFile(path) as file:
        start, end = (record.end for record in file.records())
    for offset in range(start, end):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 8
        path.write_bytes(damaged)
        assert contents(folder) == ["first"]


def test_any_damage_in_a_segment_that_is_not_the_last_is_refused(folder: Path) -> None:
    write(folder, ["a" * 100, "b" * 100, "c" * 100], segment_bytes=150)
    first, second, _third = segments(folder)
    whole = second.read_bytes()
    for offset in range(len(whole)):
        second.write_bytes(whole[:offset] + bytes([whole[offset] ^ 255]) + whole[offset + 1 :])
        with pytest.raises(LogCorrupt):
            recover(folder)
    second.write_bytes(whole[:-1])
    with pytest.raises(LogCorrupt, match="record 2 is damaged"):
        recover(folder)
    second.unlink()
    with pytest.raises(LogCorrupt, match="the segment of record 2 is missing"):
        recover(folder)
    second.write_bytes(first.read_bytes())
    with pytest.raises(LogCorrupt, match="which is not its name"):
        recover(folder)


def test_an_oldest_segment_without_its_records_is_refused(folder: Path) -> None:
    write(folder, ["a" * 100, "b" * 100], segment_bytes=150)
    first, _second = segments(folder)
    first.write_bytes(first.read_bytes()[:HEADER_SIZE])
    with pytest.raises(LogCorrupt, match="record 1 is missing"):
        recover(folder)
    assert first.exists()


def test_a_first_or_last_segment_that_was_deleted_is_missed(folder: Path) -> None:
    write(folder, ["a" * 100, "b" * 100, "c" * 100], segment_bytes=150)
    first, _second, third = segments(folder)
    for path in (first, third):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(LogCorrupt, match="the file is missing") as caught:
            recover(folder)
        assert caught.value.path == path
        path.write_bytes(content)
    for path in segments(folder):
        path.unlink()
    with pytest.raises(LogCorrupt, match="the file is missing"):
        recover(folder)


def test_nothing_is_touched_where_the_start_is_refused(folder: Path) -> None:
    write(folder, ["a" * 100, "b" * 100, "c" * 100], segment_bytes=150)
    third = segments(folder)[-1]
    third.write_bytes(bytes(third.stat().st_size))  # as a file system may leave it
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for _ in range(2):
        with pytest.raises(LogCorrupt, match="the file is missing"):
            recover(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_log_whose_first_segments_were_released_is_whole(folder: Path) -> None:
    with running(folder, segment_bytes=HEADER_SIZE + 1) as (log, delivered):
        for number, text in enumerate("abc", 1):
            append(log, rows(text)).result(60)
            log.report(Done(Block("t_1", number, number)), [delivered[-1]])
    assert contents(folder) == []
    write(folder, ["d", "e"], segment_bytes=HEADER_SIZE + 1)
    write(folder, ["f"], sync=False, segment_bytes=HEADER_SIZE + 1)
    assert contents(folder) == ["d", "e", "f"]


def test_a_damaged_list_of_segments_is_refused(folder: Path) -> None:
    write(folder, ["a"])
    path = folder / MANIFEST_FILE
    sound = path.read_bytes()
    for damaged in (b"", sound[:-1], bytes([sound[0] ^ 1]) + sound[1:], sound[:12] + b"\1" + sound[13:]):
        path.write_bytes(damaged)
        with pytest.raises(LogCorrupt, match="list of segments is damaged"):
            recover(folder)
    path.unlink()  # as a person does who has read the hint
    assert contents(folder) == ["a"]


def test_segments_of_two_logs_do_not_mix(folder: Path, tmp_path: Path) -> None:
    write(folder, ["a" * 100, "b" * 100], segment_bytes=150)
    write(tmp_path / "other", ["a" * 100, "b" * 100], segment_bytes=150)
    shutil.copy(segments(tmp_path / "other")[1], segments(folder)[1])
    with pytest.raises(LogCorrupt, match="belongs to another log"):
        recover(folder)


def test_a_later_version_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stonechat.ingest.segments.VERSION", 2)
    write(folder, ["a"])
    monkeypatch.undo()
    with pytest.raises(LogCorrupt, match="version 2, this program reads version 1"):
        recover(folder)


def test_segments_go_when_all_their_rows_are_done(folder: Path) -> None:
    with running(folder, segment_bytes=HEADER_SIZE + 1) as (log, delivered):
        for text in "abc":
            append(log, rows(text)).result(60)
        assert len(segments(folder)) == 3
        log.report(Done(Block("t_1", 2, 2)), [delivered[1]])
        append(log, rows("d")).result(60)
        assert len(segments(folder)) >= 4, "the oldest segment still has rows that are not done"
        log.report(Done(Block("t_1", 1, 1)), [delivered[0]])
        append(log, rows("e")).result(60)
        assert segments(folder)[0].name == f"{3:016x}.wal"
    assert contents(folder) == ["c", "d", "e"]


def test_a_start_continues_with_the_plans_and_refusals_of_the_log(folder: Path) -> None:
    one, two = Block("t_1", 1, 3), Block("t_1", 4, 4)
    with running(folder) as (log, delivered):
        for each in (rows("a"), rows("other", "t_2"), rows("b"), rows("c"), rows("d")):
            append(log, each).result(60)
        log.note(Plan(one))
        log.note(Refused(one, "", Fate.SPLIT, "why"))
        log.note(Plan(two))
        log.report(Done(two), [delivered[3]])
    found = [(each.good, planned) for each, planned in recover(folder).undone()]
    assert [good for good, _ in found] == [b"a", b"other", b"b", b"d"]
    planned = found[0][1]
    assert planned is not None
    assert planned is found[2][1]
    assert planned.block == one
    assert planned.refusals == {"": Refused(one, "", Fate.SPLIT, "why")}
    assert found[1][1] is None
    assert found[3][1] is None


def test_a_decision_is_on_the_disk_before_anything_follows_from_it(folder: Path, tmp_path: Path) -> None:
    block = Block("t_1", 1, 1)
    split, quarantined = Refused(block, "", Fate.SPLIT, "why"), Refused(block, "0", Fate.QUARANTINE, "why")
    notes: list[Note] = [Plan(block), split, quarantined]
    with SyncedLog(folder) as disk, running(folder) as (log, _):
        append(log, rows("row")).result(60)
        for number, note in enumerate(notes):
            log.note(note)
            disk.copy_to(tmp_path / f"{number}")
    for number in range(3):
        ((_, planned),) = recover(tmp_path / f"{number}").undone()
        assert planned is not None
        assert list(planned.refusals) == ["", "0"][:number]


def test_what_a_start_finds_is_on_the_disk_before_anything_follows_from_it(folder: Path, tmp_path: Path) -> None:
    """A kill may have come between the write and its sync."""
    write(folder, ["row"], sync=False)
    with SyncedLog(folder) as disk, running(folder):
        disk.copy_to(tmp_path / "power lost")
    assert contents(tmp_path / "power lost") == ["row"]


def test_a_full_log_refuses_rows_and_takes_them_again_later(folder: Path) -> None:
    with running(folder, limit_bytes=1000, segment_bytes=400) as (log, delivered):
        append(log, rows("x" * 500)).result(60)
        with pytest.raises(LogFull, match="limit of 1000 bytes"):
            log.append(rows("y" * 500), lambda _failure: None)
        log.report(Done(Block("t_1", 1, 1)), delivered)
        append(log, rows("z" * 300)).result(60)  # its sync lets the first segment go
        append(log, rows("y" * 500)).result(60)
    assert contents(folder) == ["z" * 300, "y" * 500]


@pytest.mark.parametrize("sync", [True, False])
def test_a_full_log_takes_rows_again_once_all_is_done_although_nothing_came_between(
    folder: Path,
    sync: bool,
) -> None:
    with running(folder, limit_bytes=1000, sync=sync) as (log, delivered):
        append(log, rows("x" * 800)).result(60)
        with pytest.raises(LogFull):
            log.append(rows("y" * 800), lambda _failure: None)
        log.report(Done(Block("t_1", 1, 1)), delivered)
        for _ in range(200):  # each attempt lets go of what was done before it
            try:
                append(log, rows("y" * 800)).result(60)
                break
            except LogFull:
                time.sleep(0.01)
    assert contents(folder) == ["y" * 800]


def test_a_log_that_is_emptied_because_it_was_full_is_opened_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its one segment has no record. Its numbers, and its id, go on: tables remember both."""
    first = folder / "0000000000000001.wal"
    with running(folder, limit_bytes=1000) as (log, delivered):
        append(log, rows("x" * 800)).result(60)
        log.report(Done(Block("t_1", 1, 1)), delivered)
        while first.exists():
            with suppress(LogFull):
                log.append(rows("y" * 999), lambda _failure: None)
            time.sleep(0.005)
        shutil.copytree(folder, tmp_path / "killed")
    for each in (folder, tmp_path / "killed"):
        for _ in range(2):
            with running(each) as (again, _):
                assert again.id == log.id
        with running(each) as (again, _):
            with monkeypatch.context() as patched, pytest.raises(LogWriteFailed):
                patched.setattr("stonechat.ingest.segment_chain._sync_data", fails_to_sync)
                append(again, rows("fails")).result(60)
            shutil.copytree(each, failed := tmp_path / f"{each.name} failed")
            append(again, rows("kept")).result(60)
        write(failed, ["kept"])
        for folder_ in (each, failed):
            assert contents(folder_) == ["kept"]
            (segment,) = recover(folder_).segments
            assert (segment.first, segment.log_id.hex()) == (3, log.id)


@pytest.mark.parametrize("written", [0, 1, 20, 60])
def test_a_failed_write_is_not_acknowledged_and_leaves_no_trace(
    folder: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    real = os.pwrite

    def failing(descriptor: int, data: memoryview, offset: int) -> int:
        if offset == HEADER_SIZE or b"fails" not in bytes(data):
            return real(descriptor, data, offset)
        real(descriptor, data[:written], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with running(folder) as (log, delivered):
        append(log, rows("first")).result(60)
        monkeypatch.setattr(os, "pwrite", failing)
        with pytest.raises(LogWriteFailed, match="No space left on device"):
            append(log, rows("fails")).result(60)
        monkeypatch.undo()
        append(log, rows("second")).result(60)
        assert [each.good for each in delivered] == [b"first", b"second"]
    assert contents(folder) == ["first", "second"]


def test_a_failed_sync_is_not_acknowledged_and_leaves_no_trace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(folder) as (log, _):
        append(log, rows("first")).result(60)
        monkeypatch.setattr("stonechat.ingest.segment_chain._sync_data", fails_to_sync)
        with pytest.raises(LogWriteFailed, match="Input/output error"):
            append(log, rows("fails")).result(60)
        monkeypatch.undo()
        append(log, rows("second")).result(60)
    assert contents(folder) == ["first", "second"]


@pytest.mark.parametrize("taken_back", [True, False], ids=["truncated", "as it was"])
def test_whether_a_group_that_cannot_be_taken_back_was_kept_is_told_as_unknown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, taken_back: bool
) -> None:
    def fails_to_truncate(_descriptor: int, _size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with running(folder) as (log, _):
        append(log, rows("first")).result(60)
        monkeypatch.setattr("stonechat.ingest.segment_chain._sync_data", fails_to_sync)
        if taken_back:
            monkeypatch.setattr(os, "fsync", fails_to_sync)
        else:
            monkeypatch.setattr(os, "ftruncate", fails_to_truncate)
        with pytest.raises(LogOutcomeUnknown, match="is not known") as raised:
            append(log, rows("perhaps")).result(60)
        assert STATUS_BY_KIND[raised.value.kind] == 500, "a 503 says that nothing was kept"
        monkeypatch.undo()
        with pytest.raises(LogWriteFailed, match="until the server is started again") as refused:
            append(log, rows("never")).result(60)
        assert STATUS_BY_KIND[refused.value.kind] == 503
    assert contents(folder) == ["first", *([] if taken_back else ["perhaps"])]


def test_a_group_of_which_nothing_was_written_is_known_not_to_be_kept_on_a_disk_that_takes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_read_only(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    with running(folder) as (log, _):
        append(log, rows("first")).result(60)
        for name in ("pwrite", "ftruncate", "fsync"):
            monkeypatch.setattr(os, name, is_read_only)
        with pytest.raises(LogWriteFailed, match="Read-only") as raised:
            append(log, rows("never")).result(60)
        assert raised.value.code == "SC612"
        monkeypatch.undo()
    assert contents(folder) == ["first"]


def test_a_note_that_nobody_waits_for_is_written_later_if_it_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_descriptor: int, _data: memoryview, _offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with running(folder) as (log, delivered):
        append(log, rows("first")).result(60)
        log.note(Plan(Block("t_1", 1, 1)))
        monkeypatch.setattr(os, "pwrite", failing)
        log.report(Done(Block("t_1", 1, 1)), delivered)
        with pytest.raises(LogWriteFailed):
            append(log, rows("fails")).result(60)
        monkeypatch.undo()
        append(log, rows("second")).result(60)
    assert contents(folder) == ["second"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system, which only root may")
def test_a_disk_that_is_full_loses_nothing_acknowledged(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=False).returncode:
        pytest.skip("may not mount here")
    try:
        kept = []
        with running(disk / "log", segment_bytes=32_768) as (log, _):
            for number in range(100):
                text = f"{number} " + "x" * 5000
                try:
                    append(log, rows(text)).result(60)
                    kept.append(text)
                except LogWriteFailed as failure:
                    assert "No space left on device" in failure.message  # noqa: PT017 - some appends succeed
            assert 30 < len(kept) < 100
        assert contents(disk / "log") == kept
    finally:
        subprocess.run(["umount", disk], check=True)


def test_closing_writes_what_was_handed_in(folder: Path) -> None:
    log, _ = Log.open(folder)
    log.start(lambda _rows: None)
    futures = [append(log, rows(str(number))) for number in range(100)]
    log.close()
    for future in futures:
        assert future.done()
    assert len(contents(folder)) == 100


def test_a_barrier_is_told_after_what_was_handed_in_before(folder: Path) -> None:
    with running(folder) as (log, delivered):
        passed = threading.Event()
        seen: list[int] = []
        for number in range(50):
            log.append(rows(str(number)), lambda _failure: None)

        def passing(_failure: StonechatError | None) -> None:
            seen.append(len(delivered))
            passed.set()

        log.barrier(passing)
        assert passed.wait(60)
        assert seen == [50]
