"""The table `tokens`, and what its rows mean.

A value is kept twice: as a SHA-256 digest, to find it, and sealed, because the contract lets an admin read it again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from stonechat.auth.access import Caller, Scope
from stonechat.auth.secrets import SecretBox
from stonechat.state import Migration, create_tables, now

_metadata = sa.MetaData()
TOKENS = sa.Table(
    "tokens",
    _metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("workspace_id", sa.String(36), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("managed", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.String(26), nullable=False),
    sa.Column("granted", sa.Text, nullable=False, server_default=""),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.UniqueConstraint("workspace_id", "name"),
)


def _part_scopes(connection: sa.Connection) -> None:
    """Before, managed tokens had what TOKEN lines grant them as their only scopes."""
    present = {column["name"] for column in sa.inspect(connection).get_columns("tokens")}
    for column in {"granted", "description"} - present:  # a store made by this version has them from the start
        connection.execute(sa.text(f"ALTER TABLE tokens ADD COLUMN {column} TEXT NOT NULL DEFAULT ''"))
    connection.execute(TOKENS.update().where(TOKENS.c.managed).values(granted=TOKENS.c.scopes, scopes=""))


MIGRATIONS = (create_tables("tokens-1", _metadata), Migration("tokens-2", _part_scopes))
_LONGEST_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Token:
    """A static token with its value in clear. `managed` ones come from TOKEN lines and follow the deployments.

    `scopes` are all that it has; `granted` those of them that TOKEN lines give it.
    """

    id: str
    workspace_id: str
    name: str
    value: str
    scopes: tuple[Scope, ...]
    granted: tuple[Scope, ...]
    managed: bool
    description: str

    @classmethod
    def of(cls, row: sa.Row[Any], box: SecretBox) -> Token:
        """The token of a row."""
        granted = scopes_of(row.granted)
        scopes = tuple(dict.fromkeys([*scopes_of(row.scopes), *granted]))
        value = box.unseal(row.sealed)
        return cls(row.id, row.workspace_id, row.name, value, scopes, tuple(granted), row.managed, row.description)


def insert_token(
    connection: sa.Connection,
    box: SecretBox,
    workspace_id: str,
    name: str,
    scopes: Sequence[Scope],
    *,
    granted: Sequence[Scope] = (),
    managed: bool = False,
    description: str = "",
) -> Mapping[str, Any]:
    """Write a token with a new value; its row. Raises `IntegrityError` where the workspace has one of that name."""
    identity = str(uuid.uuid4())
    row = {"id": identity, "workspace_id": workspace_id, "name": name, **value_columns(workspace_id, identity, box)}
    row |= {"created_at": now(), "description": description}
    row |= {"scopes": scopes_text(scopes), "granted": scopes_text(granted)}
    connection.execute(TOKENS.insert().values(**row, managed=managed))
    return row


def value_columns(workspace_id: str, identity: str, box: SecretBox) -> Mapping[str, str]:
    """What the row of a token has of a value, a new one."""
    value = _new_value(workspace_id, identity)
    return {"digest": digest_of(value), "sealed": box.seal(value)}


def caller_of(row: Mapping[Any, Any]) -> Caller:
    """Whom the token of a row stands for."""
    scopes = [*scopes_of(row["scopes"]), *scopes_of(row["granted"])]
    return Caller.of(row["workspace_id"], row["id"], row["name"], scopes)


def _new_value(workspace_id: str, identity: str) -> str:
    """Clients take a token apart as `p.<base64 of JSON>.<signature>`; the second half carries 256 random bits."""
    body = json.dumps({"u": workspace_id, "id": identity, "host": "local"}, separators=(",", ":")).encode()
    return f"p.{base64.urlsafe_b64encode(body).decode().rstrip('=')}.{secrets.token_urlsafe(32)}"


def digest_of(value: str) -> str:
    """How a value is kept."""
    # A digest is made of nothing but the value: whom that stands for, if anybody, is looked up each time.
    return _remembered(value) if len(value) <= _LONGEST_REMEMBERED else _digest(value)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


_remembered = lru_cache(1000)(_digest)


def scopes_of(text: str) -> list[Scope]:
    """The scopes that a column holds."""
    return [Scope.parse(line) for line in text.split("\n") if line]


def scopes_text(scopes: Iterable[Scope]) -> str:
    """Scopes as a column holds them."""
    return "\n".join(map(str, scopes))
