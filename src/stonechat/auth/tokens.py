"""Static tokens: made, found and listed. Owns the table `tokens`.

A value is kept twice: as a SHA-256 digest, to find it, and sealed, because the contract lets an admin read it again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from stonechat.auth.access import Caller, Scope, ScopeType
from stonechat.auth.secrets import SecretBox
from stonechat.errors import Kind, StonechatError
from stonechat.state import StateStore, create_tables, now

_metadata = sa.MetaData()
_tokens = sa.Table(
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
    sa.UniqueConstraint("workspace_id", "name"),
)
MIGRATIONS = (create_tables("tokens-1", _metadata),)

ADMIN_TOKEN_NAME = "workspace admin token"  # noqa: S105 - the contract's name of that token, not its value
USER_TOKEN_NAME = "admin local_testing@tinybird.co"  # noqa: S105 - the name that local clients know


class InvalidToken(StonechatError):
    """No token was given, or none of that value exists."""

    code = "SC400"
    kind = Kind.FORBIDDEN


@dataclass(frozen=True, slots=True)
class Token:
    """A static token with its value in clear. `managed` ones come from TOKEN lines and follow the deployments."""

    id: str
    workspace_id: str
    name: str
    value: str
    scopes: tuple[Scope, ...]
    managed: bool


class TokenRegistry:
    """All static tokens of a data folder. Answers from memory; every change goes to the store first."""

    def __init__(self, store: StateStore, box: SecretBox) -> None:
        self._store = store
        self._box = box
        self._callers: dict[str, Caller] = {}
        self._load()

    def identify(self, value: str) -> Caller:
        """The caller that a token value stands for. Raises `InvalidToken` with the same words for every cause."""
        caller = self._callers.get(_digest(value)) if value else None
        if caller is None:
            raise InvalidToken(
                "invalid authentication token" if value else "authentication token required",
                hint="Send a token of this server as 'Authorization: Bearer <token>' or '?token=<token>'.",
            )
        return caller

    def tokens(self, workspace_id: str) -> Sequence[Token]:
        """The workspace's tokens, values included, in the order of their names."""
        query = sa.select(_tokens).where(_tokens.c.workspace_id == workspace_id).order_by(_tokens.c.name)
        with self._store.transaction() as connection:
            return [self._token(row) for row in connection.execute(query)]

    def admin(self, workspace_id: str) -> Token:
        """The workspace's admin token; made when there is none yet."""
        return self._standing(workspace_id, ADMIN_TOKEN_NAME, (Scope(ScopeType.ADMIN),))

    def user(self, workspace_id: str) -> Token:
        """The token of the server's owner, in the first workspace: an admin's that may also manage workspaces."""
        return self._standing(workspace_id, USER_TOKEN_NAME, (Scope(ScopeType.ADMIN), Scope(ScopeType.USER)))

    def forget(self, connection: sa.Connection, workspace_id: str) -> None:
        """Forget the tokens of a workspace, inside the transaction that deletes it. Call `refresh` afterwards."""
        connection.execute(_tokens.delete().where(_tokens.c.workspace_id == workspace_id))

    def replace_grants(self, connection: sa.Connection, workspace_id: str, grants: Iterable[tuple[str, Scope]]) -> None:
        """Make a workspace's managed tokens carry just these (name, scope) pairs, inside a deployment's transaction.

        Values of tokens that stay are kept. Call `refresh` after the transaction has committed.
        """
        wanted: dict[str, set[Scope]] = {}
        for name, scope in grants:
            wanted.setdefault(name, set()).add(scope)
        mine = _tokens.c.workspace_id == workspace_id
        known = {row.name: row for row in connection.execute(sa.select(_tokens).where(mine))}
        for name, scopes in wanted.items():
            if name not in known:
                self._insert(connection, workspace_id, name, sorted(scopes, key=str), managed=True)
            elif known[name].managed:
                text = _scopes_text(sorted(scopes, key=str))
                connection.execute(_tokens.update().where(mine, _tokens.c.name == name).values(scopes=text))
        gone = [name for name, row in known.items() if row.managed and name not in wanted]
        connection.execute(_tokens.delete().where(mine, _tokens.c.name.in_(gone)))

    def refresh(self) -> None:
        """Read the tokens again after a transaction that changed them."""
        self._load()

    def _standing(self, workspace_id: str, name: str, scopes: Sequence[Scope]) -> Token:
        for token in self.tokens(workspace_id):
            if token.name == name:
                return token
        with self._store.transaction() as connection:
            self._insert(connection, workspace_id, name, scopes, managed=False)
        self._load()
        return self._standing(workspace_id, name, scopes)

    def _load(self) -> None:
        with self._store.transaction() as connection:
            rows = connection.execute(sa.select(_tokens)).all()
        self._callers = {
            row.digest: Caller(row.workspace_id, row.id, row.name, frozenset(_scopes(row.scopes))) for row in rows
        }

    def _insert(
        self, connection: sa.Connection, workspace_id: str, name: str, scopes: Sequence[Scope], *, managed: bool
    ) -> None:
        identity = str(uuid.uuid4())
        value = _new_value(workspace_id, identity)
        row = {"id": identity, "workspace_id": workspace_id, "name": name, "digest": _digest(value)}
        row |= {"sealed": self._box.seal(value), "scopes": _scopes_text(scopes), "created_at": now()}
        connection.execute(_tokens.insert().values(**row, managed=managed))

    def _token(self, row: sa.Row[tuple[object, ...]]) -> Token:
        value = self._box.unseal(row.sealed)
        return Token(row.id, row.workspace_id, row.name, value, tuple(_scopes(row.scopes)), row.managed)


def _new_value(workspace_id: str, identity: str) -> str:
    """Clients take a token apart as `p.<base64 of JSON>.<signature>`; the second half carries 256 random bits."""
    body = json.dumps({"u": workspace_id, "id": identity, "host": "local"}, separators=(",", ":")).encode()
    return f"p.{base64.urlsafe_b64encode(body).decode().rstrip('=')}.{secrets.token_urlsafe(32)}"


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


def _scopes(text: str) -> list[Scope]:
    return [Scope.parse(line) for line in text.split("\n") if line]


def _scopes_text(scopes: Sequence[Scope]) -> str:
    return "\n".join(map(str, scopes))
