"""The requests that a project brings along in `requests.http`, printed as curl commands that work by copy and paste.

The file is in the form that editors' REST clients read: requests parted by `### title` lines, with `{{base_url}}` and
`{{token}}` as variables.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REQUESTS_FILE = "requests.http"


@dataclass(frozen=True, slots=True)
class ExampleRequest:
    """One request: what it is for, its method and URL, headers and body."""

    title: str
    method: str
    url: str
    headers: tuple[str, ...]
    body: str

    def curl(self) -> str:
        """The request as a shell command."""
        words = ["curl", "-sS"]
        if self.method != "GET" and not (self.method == "POST" and self.body):
            words += ["-X", self.method]
        words.append(shlex.quote(self.url))
        for header in self.headers:
            words += ["-H", shlex.quote(header)]
        if self.body:
            words += ["-d", shlex.quote(self.body)]
        return " ".join(words)


def example_requests(folder: Path, *, base_url: str, token: str) -> list[ExampleRequest]:
    """The requests of a project folder with its variables filled in; none when it has no such file."""
    try:
        text = (folder / REQUESTS_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    filled = text.replace("{{base_url}}", base_url).replace("{{token}}", token)
    return list(_requests(filled))


def _requests(text: str) -> Iterator[ExampleRequest]:
    for block in ("\n" + text).split("\n###")[1:]:
        title, _, rest = block.partition("\n")
        head, _, body = rest.strip().partition("\n\n")
        lines = [line.strip() for line in head.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if lines:
            method, _, url = lines[0].partition(" ")
            yield ExampleRequest(title.strip(), method, url.strip(), tuple(lines[1:]), body.strip())
