"""The TOKEN lines of a project as scopes of tokens."""

from __future__ import annotations

from stonechat.auth.access import Scope, ScopeType
from stonechat.datafile.resources import TokenGrant
from stonechat.project.model import Project


def grants_of(project: Project) -> list[tuple[str, Scope]]:
    """What the TOKEN lines of a project give: names of tokens, each with a scope."""
    grants = [
        (grant.token, _scope(grant, source.name, ScopeType.READ_DATA_SOURCE))
        for source in project.data_sources.values()
        for grant in source.tokens
    ]
    grants += [
        (grant.token, _scope(grant, pipe.name, ScopeType.READ_PIPE))
        for pipe in project.pipes.values()
        for grant in pipe.tokens
    ]
    return grants


def _scope(grant: TokenGrant, resource: str, read: ScopeType) -> Scope:
    return Scope(read if grant.permission == "READ" else ScopeType.APPEND_DATA_SOURCE, resource)
