"""A project's example requests become curl commands."""

from __future__ import annotations

import shlex
from pathlib import Path

from stonechat.cli.requests import REQUESTS_FILE, example_requests

_TEXT = """# variables come from the editor
### Send it's message
POST {{base_url}}/v0/events?name=messages
Authorization: Bearer {{token}}

{"text": "it's \\"here\\""}

### Read
GET {{base_url}}/v0/pipes/top.json?token={{token}}&start=2023-01-01%2000:00:00
"""


def test_requests_become_commands_that_a_shell_reads_back(tmp_path: Path) -> None:
    (tmp_path / REQUESTS_FILE).write_text(_TEXT)
    send, read = example_requests(tmp_path, base_url="http://127.0.0.1:1", token="p.t")
    assert send.title == "Send it's message"
    assert shlex.split(send.curl()) == [
        "curl",
        "-sS",
        "http://127.0.0.1:1/v0/events?name=messages",
        "-H",
        "Authorization: Bearer p.t",
        "-d",
        '{"text": "it\'s \\"here\\""}',
    ]
    assert shlex.split(read.curl())[2].endswith("top.json?token=p.t&start=2023-01-01%2000:00:00")


def test_a_project_without_the_file_has_none(tmp_path: Path) -> None:
    assert example_requests(tmp_path, base_url="", token="") == []
