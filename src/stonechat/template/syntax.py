"""The tree of a template: what is printed, assigned, chosen and repeated, each node with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from stonechat.template.enclosure import Enclosure
from stonechat.template.errors import TemplateSyntaxError
from stonechat.template.python import (
    Assignment,
    Expression,
    Target,
    parse_assignment,
    parse_except,
    parse_expression,
    parse_for,
)
from stonechat.template.tokens import Token, TokenKind, scan

MAX_NESTING = 40


class Written(str):
    """SQL as a template has it, and where it begins there."""

    __slots__ = ("start",)
    start: int

    def __new__(cls, text: str, start: int) -> Self:
        """Bind the place to the text."""
        written = super().__new__(cls, text)
        written.start = start
        return written


@dataclass(frozen=True, slots=True)
class Text:
    """SQL to print as it is."""

    text: Written


@dataclass(frozen=True, slots=True)
class Output:
    """`{{ expression }}`. What it prints must not contain what is `forbidden`: it would end the text around it."""

    expression: Expression
    forbidden: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Set:
    """`{% set target = value %}`."""

    assignment: Assignment


@dataclass(frozen=True, slots=True)
class If:
    """`{% if %}` with its `{% elif %}`s as further branches, and the body of `{% else %}`."""

    branches: tuple[tuple[Expression, tuple[Node, ...]], ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class For:
    """`{% for target in iterable %}`; `otherwise` runs when no `{% break %}` ended it."""

    target: Target
    iterable: Expression
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class While:
    """`{% while test %}`; `otherwise` runs when no `{% break %}` ended it."""

    test: Expression
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Handler:
    """`{% except kind as name %}`."""

    kind: str
    name: str | None
    line: int
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Try:
    """`{% try %}` with its handlers; `otherwise` runs when nothing failed, `final` always."""

    body: tuple[Node, ...]
    handlers: tuple[Handler, ...]
    otherwise: tuple[Node, ...]
    final: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Break:
    """`{% break %}`."""


@dataclass(frozen=True, slots=True)
class Continue:
    """`{% continue %}`."""


Node = Text | Output | Set | If | For | While | Try | Break | Continue

_FORBIDDEN = frozenset(("extends", "include", "import", "from", "autoescape", "raw", "module", "apply", "block"))
_CLAUSES = {
    "elif": ("if",),
    "else": ("if", "for", "while", "try"),
    "except": ("try",),
    "finally": ("try",),
}
# Which clauses may follow a clause, where not all may.
_FOLLOWERS: Mapping[str, tuple[str, ...]] = {"try": ("except", "finally"), "else": ("finally",), "finally": ()}
_BARE = frozenset(("else", "finally"))
_WORD = re.compile(r"\w+")
_WHITESPACE = ("all", "single", "oneline")


def parse(source: str) -> tuple[Node, ...]:
    """Parse a template whose leading `%` is gone. Raises `TemplateSyntaxError` with the line that is at fault."""
    return _Parser(scan(source)).template()


@dataclass(frozen=True, slots=True)
class _Clause:
    """One part of a block: the word and the rest of its tag, and the nodes up to the next clause."""

    word: str
    rest: str
    line: int
    body: tuple[Node, ...]


class _Parser:
    """Reads tokens once, in order. `_blocks` are the words of the open blocks, the innermost last."""

    def __init__(self, tokens: Iterator[Token]) -> None:
        self._tokens = tokens
        self._blocks: list[str] = []
        self._whitespace = "all"
        self._enclosure = Enclosure()

    def template(self) -> tuple[Node, ...]:
        body, stop = self._body()
        if stop is None:
            return body
        word, _ = _words(stop)
        if word == "end":
            raise _refused("Extra {% end %} block", stop.line)
        raise _refused(f"{word} outside {_listed(_CLAUSES[word])} block", stop.line)

    def _body(self) -> tuple[tuple[Node, ...], Token | None]:
        """Nodes up to the tag that ends or divides the block that is open, and that tag."""
        nodes: list[Node] = []
        for token in self._tokens:
            match token.kind:
                case TokenKind.TEXT:
                    nodes.append(self._text(token))
                case TokenKind.EXPRESSION:
                    nodes.append(Output(parse_expression(token.text, token.line), self._enclosure.forbidden))
                case TokenKind.STATEMENT:
                    word, _ = _words(token)
                    if word == "end" or word in _CLAUSES:
                        return tuple(nodes), token
                    nodes += self._statement(token)
        return tuple(nodes), None

    def _text(self, token: Token) -> Text:
        text = token.text
        if self._whitespace == "single":
            text = re.sub(r"\s*\n\s*", "\n", re.sub(r"[\t ]+", " ", text))
        elif self._whitespace == "oneline":
            text = re.sub(r"\s+", " ", text)
        self._enclosure.feed(text)
        return Text(Written(text, token.start))

    def _statement(self, token: Token) -> list[Node]:
        word, rest = _words(token)
        match word:
            case "comment":
                return []
            case "whitespace":
                self._choose_whitespace(rest, token.line)
                return []
            case "set":
                return [Set(parse_assignment(_given(word, rest, token.line), token.line))]
            case "break" | "continue":
                return [self._jump(word, token.line)]
            case "if" | "for" | "while" | "try":
                return [self._block(word, rest, token.line)]
        if word in _FORBIDDEN:
            raise _refused(f"{word} is forbidden", token.line)
        raise _refused(f"unknown operator: '{word}'", token.line)

    def _choose_whitespace(self, mode: str, line: int) -> None:
        if mode not in _WHITESPACE:
            raise _refused(f"invalid whitespace mode '{mode}', one of {', '.join(_WHITESPACE)}", line)
        self._whitespace = mode

    def _jump(self, word: str, line: int) -> Break | Continue:
        if not {"for", "while"}.intersection(self._blocks):
            raise _refused(f"{word} outside for or while block", line)
        return Break() if word == "break" else Continue()

    def _block(self, word: str, rest: str, line: int) -> Node:
        if len(self._blocks) == MAX_NESTING:
            raise TemplateSyntaxError.because(f"blocks are nested more than {MAX_NESTING} deep, line {line}", line)
        self._blocks.append(word)
        clauses = self._clauses(word, rest, line)
        self._blocks.pop()
        return _BUILDERS[word](clauses)

    def _clauses(self, word: str, rest: str, line: int) -> list[_Clause]:
        """The parts of a block up to its end, the opening one first."""
        clauses: list[_Clause] = []
        opened, part = line, word
        while True:
            body, stop = self._body()
            clauses.append(_Clause(part, rest, line, body))
            if stop is None:
                raise TemplateSyntaxError.because(f"Missing {{% end %}} block for {word} at line {opened}", opened)
            previous = part
            (part, rest), line = _words(stop), stop.line
            if part == "end":
                return clauses
            if rest and part in _BARE:
                instead = "condition: write elif" if rest.startswith("if ") else f"'{rest}'"
                raise _refused(f"{part} takes no {instead}", line)
            if word not in _CLAUSES[part] or part not in _FOLLOWERS.get(previous, _CLAUSES):
                raise _refused(f"{part} block cannot be attached to {previous} block", line)


def _if(clauses: list[_Clause]) -> Node:
    branches = [
        (parse_expression(_given(clause.word, clause.rest, clause.line), clause.line), clause.body)
        for clause in clauses
        if clause.word != "else"
    ]
    return If(tuple(branches), _last(clauses, "else"))


def _for(clauses: list[_Clause]) -> Node:
    first = clauses[0]
    target, iterable = parse_for(_given("for", first.rest, first.line), first.line)
    return For(target, iterable, first.body, _last(clauses, "else"))


def _while(clauses: list[_Clause]) -> Node:
    first = clauses[0]
    test = parse_expression(_given("while", first.rest, first.line), first.line)
    return While(test, first.body, _last(clauses, "else"))


def _try(clauses: list[_Clause]) -> Node:
    handlers = [
        Handler(*parse_except(clause.rest, clause.line), clause.line, clause.body)
        for clause in clauses
        if clause.word == "except"
    ]
    if not handlers and clauses[-1].word != "finally":
        raise _refused("try without except or finally", clauses[0].line)
    return Try(clauses[0].body, tuple(handlers), _last(clauses, "else"), _last(clauses, "finally"))


_BUILDERS: Mapping[str, Callable[[list[_Clause]], Node]] = {"if": _if, "for": _for, "while": _while, "try": _try}


def _last(clauses: list[_Clause], word: str) -> tuple[Node, ...]:
    return next((clause.body for clause in clauses if clause.word == word), ())


def _words(token: Token) -> tuple[str, str]:
    """The first word of a tag and what follows it."""
    word = _WORD.match(token.text)
    return (word.group(), token.text[word.end() :].strip()) if word else (token.text, "")


def _given(word: str, rest: str, line: int) -> str:
    if not rest:
        raise _refused(f"{word} missing statement", line)
    return rest


def _listed(words: tuple[str, ...]) -> str:
    return " or ".join(words)


def _refused(reason: str, line: int) -> TemplateSyntaxError:
    return TemplateSyntaxError.because(f"{reason} at <string>:{line}", line)
