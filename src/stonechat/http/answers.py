"""The headers of answers from the read path."""

from __future__ import annotations

from collections.abc import Mapping

from stonechat.engine.contract import QueryResult
from stonechat.engine.formats import JSON
from stonechat.http.headers import Headers
from stonechat.query.answers import Answer


def answer_headers(answer: Answer, *, narrowed: bool) -> dict[str, str]:
    """What an answer says of itself, whatever its body.

    `narrowed` ones are for callers from whom rows are hidden.
    """
    headers = {"server-timing": answer.timing, "x-cache": answer.cache.value, "vary": "Accept-Encoding"}
    if answer.media_type != JSON.media_type and isinstance(result := answer.result, QueryResult):
        # JSON has them in the body.
        scanned = (0, 0) if narrowed else (result.rows_read, result.bytes_read)
        cost = f'"elapsed":{result.elapsed:.9f},"rows_read":{scanned[0]},"bytes_read":{scanned[1]}'
        headers["x-db-statistics"] = f"{{{cost}}}"
    if answer.etag is not None:
        headers |= {"etag": answer.etag, "cache-control": "no-cache"}
    return headers


def body_headers(headers: Mapping[str, str], media_type: str, encoding: str | None = None) -> Headers:
    """The headers of an answer with those that are about its body, but for its length."""
    listed = header_list(headers)
    listed.append((b"content-type", media_type.encode()))
    if encoding is not None:
        listed.append((b"content-encoding", encoding.encode()))
    return listed


def header_list(headers: Mapping[str, str]) -> Headers:
    """Headers as the server takes them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
