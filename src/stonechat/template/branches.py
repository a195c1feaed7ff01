"""The SQL that a template holds in any of its branches, whatever decides between them."""

from __future__ import annotations

from collections.abc import Sequence

from stonechat.template.render import MARK, Template
from stonechat.template.syntax import For, If, Node, Text, Try, While, parse

MOST_TEXTS = 50
"""How many texts are made at most: a template with more branches is not written by people."""


def branch_texts(template: Template) -> Sequence[str]:
    """Texts that together hold every branch: one with the first of each choice, one with the second, and so on.

    Loops are gone through once; what tags print is left out.
    """
    if "{%" not in template.sql or not template.sql.lstrip().startswith(MARK):
        return ()
    return _texts(parse(template.sql.replace(MARK, "", 1)))


def _texts(nodes: Sequence[Node]) -> list[str]:
    parts = [_texts_of(node) for node in nodes]
    most = max([1, *map(len, parts)])
    return ["".join(part[min(number, len(part) - 1)] for part in parts) for number in range(most)]


def _texts_of(node: Node) -> list[str]:
    match node:
        case Text(text=text):
            return [text]
        case If(branches=branches, otherwise=otherwise):
            return _choice(*(body for _, body in branches), otherwise)
        case For(body=body, otherwise=otherwise) | While(body=body, otherwise=otherwise):
            return _texts((*body, *otherwise))
        case Try(body=body, handlers=handlers, otherwise=otherwise, final=final):
            return _choice((*body, *otherwise, *final), *((*handler.body, *final) for handler in handlers))
    return [" "]


def _choice(*bodies: Sequence[Node]) -> list[str]:
    return [text for body in bodies[:MOST_TEXTS] for text in _texts(body)][:MOST_TEXTS]
