"""`attrs=a,b`: the keys of an answer that a caller wants, and no others."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from starlette.requests import Request

from stonechat.project.description import Json


def asked_for(request: Request, parameter: str) -> frozenset[str]:
    """The names in a comma list; none when the parameter is absent or empty, which asks for everything."""
    lists = request.query_params.getlist(parameter)
    return frozenset(name for text in lists for name in map(str.strip, text.split(",")) if name)


def only(answer: Json, names: AbstractSet[str]) -> Json:
    """The answer with just the named keys; all of it when no name is given. Names that it lacks are ignored."""
    return {key: value for key, value in answer.items() if key in names} if names else answer
