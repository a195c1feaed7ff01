"""What can be wrong with a datafile: one problem with its place and an excerpt, and all problems of one file."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import ClassVar

from stonechat.datafile.resources import Notice, Pipe
from stonechat.errors import Kind, Position, StonechatError

MAXIMUM_PROBLEMS = 50
"""Problems, and notices, that one file reports at most: whoever has more is not reading them one by one."""

_EXCERPT_WIDTH = 160


class DatafileProblem(StonechatError):
    """One thing wrong in a datafile. Each cause is a subclass beside the code that finds it.

    Its excerpt is set when the problem is reported.
    """

    code: ClassVar[str] = "SC101"
    kind: ClassVar[Kind] = Kind.INVALID

    def __init__(self, message: str, position: Position, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, position=position)
        self.place = position

    def explanation(self) -> str:
        """The problem for a reader: place, message, excerpt and hint on lines of their own."""
        hint = f"hint: {self.hint}" if self.hint else ""
        return "\n".join(filter(None, (str(self), self.excerpt, hint)))


class MissingInstruction(DatafileProblem):
    """An instruction or setting that the file needs is absent."""

    code = "SC102"


class InvalidValue(DatafileProblem):
    """An instruction has a value that it does not take."""

    code = "SC103"


class MissingSettings(DatafileProblem):
    """Of settings that belong together, only some are given."""

    code = "SC104"

    def __init__(self, subject: str, missing: Sequence[str], position: Position) -> None:
        super().__init__(
            f"Some {subject} params have been provided, but the following required ones are missing: {list(missing)}",
            position,
        )


class InvalidDatafile(StonechatError):
    """A file that is no resource. `problems` holds all that were found, in the order of the file.

    `pipe` is what a file of a pipe was read as all the same: a node whose SQL could not be read has none.
    """

    code: ClassVar[str] = "SC100"
    kind: ClassVar[Kind] = Kind.INVALID

    def __init__(self, problems: Sequence[DatafileProblem], pipe: Pipe | None = None) -> None:
        self.pipe = pipe
        self.problems: Sequence[DatafileProblem] = tuple(problems)
        first, more = self.problems[0], len(self.problems) - 1
        text = first.message if not more else f"{first.message} (and {more} more problem{'s' if more > 1 else ''})"
        super().__init__(text, hint=first.hint, position=first.position)


class Findings:
    """Collects what is found while one file is read, so that reading goes on behind a problem."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._problems: list[DatafileProblem] = []
        self._notices: list[Notice] = []

    def report(self, problem: DatafileProblem) -> None:
        """Keep a problem, once. Raises `InvalidDatafile` when there are as many as one file reports."""
        if all((problem.place, problem.message) != (known.place, known.message) for known in self._problems):
            problem.excerpt = excerpt_at(self._lines, problem.place)
            self._problems.append(problem)
        if len(self._problems) >= MAXIMUM_PROBLEMS:
            self.raise_if_any()

    def notice(self, message: str, position: Position) -> None:
        """Keep something to tell that is no reason to refuse the file."""
        if len(self._notices) < MAXIMUM_PROBLEMS:
            self._notices.append(Notice(message, position))

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was worth telling, in the order found."""
        return tuple(self._notices)

    def collecting(self) -> _Collecting:
        """A `with` block: a problem raised inside is reported, and reading goes on behind it."""
        return _Collecting(self)

    def raise_if_any(self, pipe: Pipe | None = None) -> None:
        """Raise `InvalidDatafile` with every problem so far, in the order of the file."""
        if self._problems:
            raise InvalidDatafile(sorted(self._problems, key=lambda problem: problem.place), pipe)


class _Collecting:
    """Turns a raised problem into a reported one. No generator, so that type checkers know it swallows exceptions."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, DatafileProblem):
            self._findings.report(error)
        return isinstance(error, DatafileProblem)


def excerpt_at(lines: Sequence[str], position: Position) -> str:
    """The line of a position under the one before it, numbered, and a caret; a long line is shown around the caret."""
    if not position.line <= len(lines) or not lines[position.line - 1].strip():
        return ""
    start = max(0, position.column - _EXCERPT_WIDTH)
    shown = [
        f"{number:>5} | {lines[number - 1][start : start + _EXCERPT_WIDTH + 40]}".rstrip()
        for number in (position.line - 1, position.line)
        if number > 0
    ]
    before = lines[position.line - 1][start : position.column - 1]
    padding = "".join("\t" if character == "\t" else " " for character in before)
    return "\n".join([*shown, f"      | {padding}^"])
