"""The corpus of the describing routes: a project, requests, and their answers without what differs from run to run.

A new case is a new `.request`; STONECHAT_REWRITE_EXPECTED=1 has its answer written, to be read before it is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import RunningServer

CORPUS = Path(__file__).parent / "corpus_describe"
VISITS = [
    {"at": "2024-01-31 10:00:00.000", "page": "/a", "seconds": 1.5, "country": "DE", "tags": ["x"], "version": 1},
    {"at": "2024-01-31 10:00:01.000", "page": "/a", "seconds": None, "country": None, "tags": [], "version": 1},
    {"at": "2024-01-31 10:00:02.000", "page": "/b", "seconds": 3, "country": "FR", "tags": [], "version": 1},
    {"at": "never", "page": "/c", "seconds": 3, "country": "FR", "tags": [], "version": 1},
]
_ID = re.compile(r"\bt_[0-9a-f]{32}\b")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\b")


def project_files() -> Mapping[str, str]:
    """The corpus' project as it is deployed."""
    root = CORPUS / "project"
    return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.*"))}


def comparable(text: str, url: str) -> str:
    """An answer's text, JSON laid out, without what differs from run to run: ids are numbered as they appear."""
    with contextlib.suppress(ValueError):
        text = json.dumps(_without_bytes(json.loads(text)), indent=1, ensure_ascii=False)
    ids = {found: f"t_{number}" for number, found in enumerate(dict.fromkeys(_ID.findall(text)), 1)}
    text = _ID.sub(lambda match: ids[match[0]], text)
    return _TIME.sub("<time>", _UUID.sub("<uuid>", text)).replace(url, "<server>")


def _without_bytes(value: Any) -> Any:
    """How much a table takes on disk is the engine's business."""
    if isinstance(value, dict):
        return {key: "<bytes>" if key == "bytes" and item else _without_bytes(item) for key, item in value.items()}
    return [_without_bytes(item) for item in value] if isinstance(value, list) else value


def exchanges(family: str) -> list[Path]:
    """The requests of one family of routes: files of one line, `TOKEN METHOD PATH`."""
    return sorted((CORPUS / family).glob("*.request"))


def check_exchange(server: RunningServer, request: Path) -> None:
    """Send a request of the corpus; its answer must be the text of the `.expected` file beside it."""
    token, method, path = request.read_text().split()
    values = {item["name"]: item["token"] for item in server.request("GET", "/v0/tokens").json()["tokens"]}
    values |= {"admin": server.token, "unknown": "p.unknown"}
    response = server.request(method, path, token=values[token])
    answer = f"{response.status_code} {response.headers['content-type']}\n{comparable(response.text, server.url)}"
    expected = request.with_suffix(".expected")
    if os.environ.get("STONECHAT_REWRITE_EXPECTED"):
        expected.write_text(answer.rstrip("\n") + "\n", encoding="utf-8")
    assert answer.rstrip("\n") + "\n" == expected.read_text(encoding="utf-8")
