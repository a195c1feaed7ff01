"""Running the tests of a project: each call, its answer, and whether that is what the file expects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

import httpx

from stonechat.client import Remote
from stonechat.requesting import RequestRefused, error_body
from stonechat.testing.cases import Case, CaseFile

_LONGEST_URL = 4000
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Verdict(Enum):
    """What became of a test."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """A test and its answer: `text` is the answer of the call, or the error of one that failed with `status`."""

    case: Case
    verdict: Verdict
    status: int = 0
    text: str = ""

    @property
    def is_error(self) -> bool:
        """Whether the call failed."""
        return self.status >= 400

    @property
    def has_other_status(self) -> bool:
        """Whether the call was made, and answered with another status than the test names."""
        return self.verdict is not Verdict.SKIPPED and self.status != (self.case.status or 200)


def run_cases(remote: Remote, file: CaseFile) -> Iterator[Result]:
    """Call the pipe of a file once for each case, in their order; a pipe that does not exist skips them all."""
    call = _call_of(remote, file.pipe)
    for case in file.cases:
        yield Result(case, Verdict.SKIPPED) if call is None else _judged(case, call.answer(case.parameters))


@dataclass(frozen=True, slots=True)
class _Call:
    """How the rows of a pipe are asked for: its endpoint, or as `tb` does the bare SQL of its output node."""

    remote: Remote
    path: str
    query: str = ""

    def answer(self, parameters: str) -> httpx.Response:
        values = "&".join(filter(None, (self.query, parameters.replace("#", "%23"))))
        if len(values) > _LONGEST_URL:
            return self.remote.exchange("POST", self.path, content=values, headers=_FORM)
        return self.remote.exchange("GET", f"{self.path}?{values}")


def _call_of(remote: Remote, pipe: str) -> _Call | None:
    response = remote.exchange("GET", f"/v0/pipes/{quote(pipe, safe='')}")
    if response.status_code == httpx.codes.NOT_FOUND:
        return None
    if response.is_error:
        raise RequestRefused(error_body(response))
    nodes = response.json()["nodes"]
    typed = [node for node in nodes if node["node_type"] not in {"default", "standard"}]
    if any(node["node_type"] == "endpoint" for node in typed):
        return _Call(remote, f"/v0/pipes/{quote(pipe, safe='')}.ndjson")
    statement = (typed or nodes)[-1]["sql"]
    return _Call(remote, "/v0/sql", f"q={quote(statement, safe='')}&pipeline={quote(pipe, safe='')}")


def _judged(case: Case, answer: httpx.Response) -> Result:
    """Whether it passes. A test that expects an error passes on rows that are its text, as it does with `tb`."""
    text = str(error_body(answer).get("error", answer.text)) if answer.is_error else answer.text
    passed = text == case.expected and not (answer.is_error and answer.status_code != case.status)
    return Result(case, Verdict.PASSED if passed else Verdict.FAILED, answer.status_code, text)
