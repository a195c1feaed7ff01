"""Files from URLs: what may be fetched from, and what becomes of redirects."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stonechat.ingest.files import addresses
from stonechat.ingest.files.addresses import AddressRefused, is_public
from stonechat.ingest.files.batches import FileTooLarge
from stonechat.ingest.files.fetching import FetchFailed, FetchLimits, fetch, require_url


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"x" * 1000)
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/csv; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"a,1\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield site.server_port
        site.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
        ),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "192.0.2.1"),
    ],
)
def test_addresses_that_not_everybody_reaches_are_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_that_everybody_reaches_are_public(text: str) -> None:
    assert is_public(text)


def test_each_redirect_is_checked_as_the_first_address_is(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One loopback address stands for the public internet here, another for what is behind it."""
    monkeypatch.setattr(addresses, "is_public", lambda text: text == "127.0.0.1")
    public, private = f"http://127.0.0.1:{port}", f"http://127.0.0.2:{port}"
    limits = FetchLimits(1000, silence=2.0)
    file = io.BytesIO()
    fetched = fetch(f"{public}/to/{public}/rows.csv", file, limits)
    assert (fetched.name, fetched.media_type, file.getvalue()) == ("rows.csv", "text/csv", b"a,1\n")
    file = io.BytesIO()
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.2"):
        fetch(f"{public}/to/{private}/rows.csv", file, limits)
    assert file.getvalue() == b""


def test_what_never_ends_is_cut_or_refused(port: int) -> None:
    url = f"http://127.0.0.1:{port}/endless"
    with pytest.raises(FileTooLarge):
        fetch(url, io.BytesIO(), FetchLimits(10_000, silence=2.0, private_allowed=True))
    file = io.BytesIO()
    fetch(url, file, FetchLimits(10_000, silence=2.0, private_allowed=True, cut=True))
    assert len(file.getvalue()) == 10_000


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("ftp://ann:sesame@host/a/b?key=sesame#sesame", "ftp://host/a/b"),
        ("s3://ann:ses@ame@bucket/x@y", "s3://bucket/x@y"),
        ("http://ann:sesame@[::1/x", "http://[::1/x"),
        ("rows.csv", "rows.csv"),
    ],
)
def test_a_url_that_is_refused_is_told_as_it_was_given_without_its_secrets(url: str, shown: str) -> None:
    with pytest.raises(FetchFailed) as told:
        require_url(url)
    assert f"'{shown}'" in str(told.value)


def test_secrets_in_a_url_are_not_told(port: int) -> None:
    with pytest.raises(FetchFailed) as told:
        fetch(
            f"http://ann:sesame@127.0.0.1:{port}/to/ftp://x/?key=sesame",
            io.BytesIO(),
            FetchLimits(10, private_allowed=True),
        )
    assert "sesame" not in str(told.value)
