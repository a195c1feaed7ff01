"""What a deployment changes about what tokens may do, by the TOKEN lines of both projects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stonechat.project.model import Project


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """What a TOKEN line gives: `resource_type` is `datasource` or `pipe`, `permission` READ or APPEND."""

    resource_name: str
    resource_type: str
    permission: str


@dataclass(frozen=True, slots=True)
class TokenChange:
    """What changes for one token; `change_type` is `new`, `changed` or `deleted`, as far as TOKEN lines name it."""

    token_name: str
    change_type: str
    added: tuple[Permission, ...]
    removed: tuple[Permission, ...]


def token_changes(live: Project, wanted: Project) -> Sequence[TokenChange]:
    """A change for each token whose lines are others, by name."""
    before, after = _permissions(live), _permissions(wanted)
    found = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, set()), after.get(name, set())
        if old != new:
            kind = "changed" if old and new else "new" if new else "deleted"
            found.append(TokenChange(name, kind, tuple(sorted(new - old)), tuple(sorted(old - new))))
    return found


def _permissions(project: Project) -> Mapping[str, set[Permission]]:
    found: dict[str, set[Permission]] = {}
    grants = [(source.name, "datasource", grant) for source in project.data_sources.values() for grant in source.tokens]
    grants += [(pipe.name, "pipe", grant) for pipe in project.pipes.values() for grant in pipe.tokens]
    for name, kind, grant in grants:
        found.setdefault(grant.token, set()).add(Permission(name, kind, grant.permission))
    return found
