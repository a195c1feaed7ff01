"""Files from URLs that callers name, streamed to the disk within limits."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from stonechat.errors import Kind, StonechatError
from stonechat.ingest.files.addresses import address_of
from stonechat.ingest.files.batches import FileTooLarge

if TYPE_CHECKING:  # imported by the functions that use it: most servers never fetch a file
    import httpx

_MOST_REDIRECTS: Final = 5
_PORTS: Final = {"http": 80, "https": 443}
_CHUNK: Final = 1 << 18
_USER: Final = re.compile(r"^([^/]*//)[^/]*@")
_LONGEST_SHOWN: Final = 200


class FetchFailed(StonechatError):
    """The file behind a URL cannot be had: no such URL, no answer in time, or an answer that is an error."""

    code = "SC654"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much and how long. `seconds` bounds the whole, `silence` each wait for the next bytes.

    With `cut` a file of more bytes is no error: its beginning is enough. `going_on` hears of the bytes so far, and may
    raise to end it.
    """

    bytes: int
    seconds: float = 3600.0
    silence: float = 30.0
    private_allowed: bool = False
    cut: bool = False
    going_on: Callable[[int], None] = lambda _size: None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is known of a file: its name in the URL it came from in the end, and its media type."""

    name: str
    media_type: str
    size: int


def fetch(url: str, into: BinaryIO, limits: FetchLimits) -> Fetched:
    """Write the body behind a URL to a file, as it is sent. Blocks.

    Redirects are followed, each checked like the first address. Raises `FetchFailed`, `AddressRefused` and
    `FileTooLarge`.
    """
    import httpx  # noqa: PLC0415

    end = time.monotonic() + limits.seconds
    timeout = httpx.Timeout(limits.silence, connect=min(10.0, limits.silence))
    try:
        with httpx.Client(timeout=timeout, trust_env=False, follow_redirects=False) as client:
            target = _checked(url)
            for _ in range(_MOST_REDIRECTS + 1):
                with _opened(client, target, limits) as response:
                    if response.has_redirect_location:
                        target = _checked(str(target.join(response.headers["location"])))
                        continue
                    return _saved(response, target, into, limits, end)
    except httpx.TimeoutException as error:
        raise FetchFailed(f"{_shown(url)} did not answer in time") from error
    except httpx.HTTPError as error:
        raise FetchFailed(f"{_shown(url)} cannot be fetched: {error}") from error
    raise FetchFailed(f"{_shown(url)} redirects more than {_MOST_REDIRECTS} times")


def require_url(text: str) -> None:
    """Raise `FetchFailed` for what is no URL of a file, whatever is behind it."""
    _checked(text)


@contextmanager
def _opened(client: httpx.Client, url: httpx.URL, limits: FetchLimits) -> Iterator[httpx.Response]:
    """The response of a URL, over a connection to the very address that was checked."""
    port = url.port or _PORTS[url.scheme]
    address = address_of(url.host, port, private_allowed=limits.private_allowed)
    request = client.build_request(
        "GET",
        url.copy_with(host=address),
        headers={"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity", "User-Agent": "stonechat"},
        extensions={"sni_hostname": url.host},
    )
    response = client.send(request, stream=True)
    try:
        yield response
    finally:
        response.close()


def _saved(response: httpx.Response, url: httpx.URL, into: BinaryIO, limits: FetchLimits, end: float) -> Fetched:
    if response.status_code != 200:
        raise FetchFailed(f"{_shown(url)} answered with the status {response.status_code}")
    length = response.headers.get("content-length", "")
    size = int(length) if length.isdecimal() else 0
    _require_size(size, limits)
    size = 0
    for chunk in response.iter_raw(_CHUNK):
        size += len(chunk)
        if limits.cut and size > limits.bytes:
            into.write(chunk[: limits.bytes - size])
            break
        _require_size(size, limits)
        if time.monotonic() > end:
            raise FetchFailed(f"{_shown(url)} did not send its file within {limits.seconds:g} seconds")
        into.write(chunk)
        limits.going_on(size)
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Fetched(url.path.rpartition("/")[2], media_type, size)


def _require_size(size: int, limits: FetchLimits) -> None:
    if size > limits.bytes and not limits.cut:
        raise FileTooLarge(f"The file has more than {limits.bytes} bytes", hint="Split it, or raise max_file_bytes.")


def _checked(text: str) -> httpx.URL:
    import httpx  # noqa: PLC0415

    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchFailed(f"'{_shown(text)}' is no URL") from error
    if url.scheme not in _PORTS or not url.host:
        raise FetchFailed(f"'{_shown(text)}' is no URL of a file", hint="URLs begin with http:// or https://.")
    return url


def _shown(url: str | httpx.URL) -> str:
    """A URL as it was given, but for what may be secret in it: the user and the query."""
    return _USER.sub(r"\1", str(url).partition("#")[0].partition("?")[0])[:_LONGEST_SHOWN]
