"""Faults against whole servers: disks that refuse, damaged logs, too little memory, odd clients, and many of them."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conftest import RunningServer, StartServer
from tests.forking import run

_SOURCE = {
    "rows.datasource": (
        "SCHEMA >\n    `id` UInt64 `json:$.id`,\n    `text` String `json:$.text` DEFAULT ''\n\nENGINE_SORTING_KEY id\n"
    )
}


def _row(identity: int, text: str = "") -> str:
    return json.dumps({"id": identity, "text": text})


def _ids(server: RunningServer) -> list[int]:
    return [int(row["id"]) for row in server.sql("SELECT id FROM rows ORDER BY id")]


def _until(server: RunningServer, statement: str, value: object) -> None:
    for _ in range(600):
        if server.value(statement) == value:
            return
        time.sleep(0.05)
    assert server.value(statement) == value


def _segment(home: Path) -> Path:
    return max((home / "log").glob("*.wal"), key=lambda path: path.stat().st_size)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server that was killed after twenty acknowledged requests."""
    home = tmp_path_factory.mktemp("killed") / "home"
    server = RunningServer(home, arguments=("serve",), environment={})
    try:
        assert server.deploy(_SOURCE).status_code == 200
        for number in range(20):
            assert server.send(_row(number), name="rows", wait=number % 2 == 0).status_code in {200, 202}
    finally:
        server.kill()
    return home


@pytest.fixture
def stopped(killed: Path, tmp_path: Path) -> Path:
    """The same for one test."""
    return Path(shutil.copytree(killed, tmp_path / "home", symlinks=True))


def _refusal(home: Path) -> str:
    """What a server says that does not start."""
    ended = run("stonechat", "serve", "--home", str(home), "--port", "0")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    return " ".join(ended.stderr.split())


def test_a_damaged_log_is_named_and_nothing_is_touched(start_server: StartServer, stopped: Path) -> None:
    path = _segment(stopped)
    sound = path.read_bytes()
    place = sound.index(b'"id": 3')
    flipped = sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :]
    for damaged in (flipped, sound[:30], None):  # of the second, not even its header is whole
        if damaged is None:
            path.unlink()
        else:
            path.write_bytes(damaged)
        refusal = _refusal(stopped)
        assert "SC610" in refusal or "corrupt" in refusal
        assert path.name in refusal
        path.write_bytes(sound)
    assert _ids(start_server(stopped)) == list(range(20))


def test_a_log_cut_in_its_last_group_loses_nothing_that_was_committed(start_server: StartServer, stopped: Path) -> None:
    path = _segment(stopped)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 5)
    server = start_server(stopped)
    assert set(range(0, 20, 2)) <= set(_ids(server))
    assert len(_ids(server)) == len(set(_ids(server)))
    assert server.send(_row(100), name="rows").status_code == 200
    assert _ids(server)[-1] == 100


def test_a_disk_that_takes_no_more_writes_refuses_events_and_loses_none(
    start_server: StartServer, tmp_path: Path
) -> None:
    """No file may grow, which is what a quota does, and what a disk does that was mounted read-only after an error."""
    server = start_server(tmp_path / "home")
    assert server.deploy(_SOURCE).status_code == 200
    assert server.send(_row(1), name="rows").status_code == 200
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, hard))
    refused = [server.send(_row(2), name="rows", wait=wait) for wait in (True, False, True)]
    assert [answer.status_code for answer in refused] == [503, 503, 503]
    codes = [answer.json()["code"] for answer in refused]
    assert set(codes) <= {"SC612", "SC620"}
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert _ids(server) == [1]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert server.send(_row(3), name="rows").status_code in {200, 503}
    server.kill()
    again = start_server(tmp_path / "home")
    assert again.send(_row(4), name="rows").status_code == 200
    ids = _ids(again)
    assert ids.count(2) == codes.count("SC620")  # kept in the log, the engine could not take it yet
    assert [each for each in ids if each not in {2, 3}] == [1, 4]


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A data folder on a file system that is mounted read-only; needs the right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=10m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield folder / "home"
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_read_only_disk_is_named_at_the_start(read_only: Path) -> None:
    assert str(read_only) in _refusal(read_only)


class _Disk:
    """A disk of its own for a folder: a file with an ext4 file system, which becomes read-only at an error."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder = folder
        self._image = image
        with image.open("wb") as file:
            file.truncate(700_000_000)
        _run("mkfs.ext4", "-q", "-F", str(image))
        folder.mkdir()

    def mount(self) -> None:
        _run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.folder))

    def fail(self) -> None:
        """Have the kernel find an error, after which nothing can be written any more, whoever has files open."""
        (device,) = (line.split()[0] for line in _mounts() if line.split()[1] == str(self.folder))
        (Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error").write_text("tried")
        with pytest.raises(OSError, match="Read-only"):
            (self.folder / "anything").touch()

    def repair(self) -> None:
        """Check the file system, as a start of the machine does, and mount it again."""
        self.unmount()
        subprocess.run(["e2fsck", "-fy", str(self._image)], capture_output=True, check=False)
        self.mount()

    def unmount(self) -> None:
        if any(line.split()[1] == str(self.folder) for line in _mounts()):
            _run("umount", str(self.folder))


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True)


def _mounts() -> list[str]:
    return Path("/proc/mounts").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[_Disk]:
    """A disk that can fail; needs the right to mount one, and a kernel that can be told to find an error."""
    try:
        disk = _Disk(tmp_path / "home", tmp_path / "image")
        disk.mount()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system of its own")
    if not any(Path("/sys/fs/ext4").glob("loop*/trigger_fs_error")):
        disk.unmount()
        pytest.skip("needs a kernel that takes trigger_fs_error")
    try:
        yield disk
    finally:
        disk.unmount()


def test_a_disk_that_becomes_read_only_refuses_events_serves_reads_and_loses_none(
    disk: _Disk, start_server: StartServer
) -> None:
    server = start_server(disk.folder)
    assert server.deploy(_SOURCE).status_code == 200
    for number in range(20):
        assert server.send(_row(number), name="rows", wait=number % 2 == 0).status_code in {200, 202}
    _until(server, "SELECT count() FROM rows", 20)
    disk.fail()
    refused = [server.send(_row(100 + number), name="rows", wait=wait) for number, wait in enumerate((True, False))]
    assert [answer.status_code for answer in refused] == [503, 503]
    assert {answer.json()["code"] for answer in refused} <= {"SC612", "SC620"}
    assert _ids(server) == list(range(20))
    assert server.deploy({}).status_code >= 400
    assert server.client.get("/v0/health").status_code == 200
    server.kill()
    disk.repair()
    again = start_server(disk.folder)
    assert again.send(_row(200), name="rows").status_code == 200
    assert [each for each in _ids(again) if each not in {100, 101}] == [*range(20), 200]
    assert len(_ids(again)) == len(set(_ids(again)))


def test_an_engine_without_enough_memory_takes_the_rows_later(start_server: StartServer, tmp_path: Path) -> None:
    """The engine's limit is below what it holds at rest, so that it refuses every insert."""
    home = tmp_path / "home"
    server = start_server(home)
    assert server.deploy(_SOURCE).status_code == 200
    assert server.send(_row(1), name="rows").status_code == 200
    server.kill()
    starved = start_server(home, STONECHAT_SERVER_MEMORY_BYTES="450000000", STONECHAT_TELEMETRY="false")
    body = "\n".join(_row(number, "x" * 2000) for number in range(10, 20_010))
    answer = starved.send(body, name="rows", wait=True)
    assert answer.status_code in {200, 503}
    if answer.status_code == 503:
        assert answer.json()["code"] == "SC620"
    starved.kill()
    fed = start_server(home)
    assert fed.value("SELECT count() FROM rows") == 20_001
    assert fed.value("SELECT uniqExact(id) FROM rows") == 20_001


def test_a_small_log_pushes_back_and_takes_everything_in_the_end(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(tmp_path / "home", STONECHAT_MAX_LOG_BYTES="3000000", STONECHAT_MAX_PENDING_BYTES="1000000")
    assert server.deploy(_SOURCE).status_code == 200
    codes: set[str] = set()

    def send(number: int) -> None:
        body = "\n".join(_row(number * 100 + index, "x" * 8000) for index in range(100))
        while (answer := server.send(body, name="rows", wait=False)).status_code == 503:
            codes.add(answer.json()["code"])
            assert answer.headers["retry-after"] == "1"
            time.sleep(0.1)
        assert answer.json() == {"successful_rows": 100, "quarantined_rows": 0}

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(send, range(40)))
    assert server.send(_row(10**6), name="rows").status_code == 200
    assert server.value("SELECT count() FROM rows") == 4001
    assert server.value("SELECT uniqExact(id) FROM rows") == 4001
    assert codes
    assert codes <= {"SC611", "SC630"}
    assert sum(path.stat().st_size for path in (tmp_path / "home" / "log").iterdir()) < 4_000_000


def _connect(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 30)


def _head(server: RunningServer, length: int) -> bytes:
    head = f"POST /v0/events?name=rows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
    return f"{head}Content-Length: {length}\r\n\r\n".encode()


def test_clients_that_are_slow_or_vanish_harm_nobody(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(tmp_path / "home")
    assert server.deploy(_SOURCE).status_code == 200
    body = _row(1).encode()
    slow = [_connect(server) for _ in range(50)]
    for connection in slow:  # a head and half a body, and then nothing
        connection.sendall(_head(server, len(body)) + body[:5])
    gone = [_connect(server) for _ in range(50)]
    for number, connection in enumerate(gone):
        connection.sendall(_head(server, len(body)) + (body[:8] if number % 2 else body))
        if number % 3:  # a reset, not an end
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert server.send(_row(2), name="rows").status_code == 200
    for connection in slow:  # slow, but it comes
        for start in range(5, len(body), 7):
            connection.sendall(body[start : start + 7])
        assert connection.recv(4096).startswith(b"HTTP/1.1 202")
        connection.close()
    whole = 25  # of those that have gone, half had sent everything
    _until(server, "SELECT count() >= 51 FROM rows", 1)
    assert server.send(_row(3), name="rows").status_code == 200
    assert 52 <= server.value("SELECT count() FROM rows") <= 52 + whole
    assert "unexpected error" not in server.log.read_text()
    assert server.stop() == 0


def test_a_thousand_connections_at_once_are_all_served(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(tmp_path / "home")
    assert server.deploy(_SOURCE).status_code == 200

    async def send(number: int, everybody: asyncio.Barrier) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        body = _row(number).encode()
        await everybody.wait()
        writer.write(_head(server, len(body)) + body)
        await writer.drain()
        answer = await reader.readuntil(b"}")
        writer.close()
        return answer

    async def send_all() -> list[bytes]:
        everybody = asyncio.Barrier(1000)
        return await asyncio.gather(*(send(number, everybody) for number in range(1000)))

    answers = asyncio.run(send_all())
    assert sum(answer.startswith(b"HTTP/1.1 202") for answer in answers) == 1000
    assert server.send(_row(1000), name="rows").status_code == 200
    assert _ids(server) == list(range(1001))
    assert server.stop(signal.SIGTERM) == 0


def test_a_clock_that_is_set_back_loses_and_doubles_nothing(start_server: StartServer, tmp_path: Path) -> None:
    """Files as a server leaves them that ran with its clock a year ahead: everything it wrote lies in the future."""
    home = tmp_path / "home"
    server = start_server(home)
    assert server.deploy(_SOURCE).status_code == 200
    for number in range(5):
        assert server.send(_row(number), name="rows", headers={"Idempotency-Key": f"k{number}"}).status_code == 200
    assert server.send(_row(5), name="rows", wait=False, headers={"Idempotency-Key": "k5"}).status_code == 202
    server.kill()
    ahead = time.time() + 365 * 86_400
    for path in home.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (ahead, ahead))
    again = start_server(home)
    for number in range(6):
        answer = again.send(_row(number), name="rows", headers={"Idempotency-Key": f"k{number}"})
        assert answer.headers["idempotency-replayed"] == "true"
    assert again.send(_row(6), name="rows").status_code == 200
    assert _ids(again) == list(range(7))
