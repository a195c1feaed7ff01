"""Static tokens: made, found, listed, changed and revoked. Owns the table `tokens`.

A value is kept twice: as a SHA-256 digest, to find it, and sealed, because the contract lets an admin read it again.

A token has two kinds of scopes: its own, which requests give it, and those that TOKEN lines grant it, which follow the
deployments. One that a TOKEN line has made is gone with its last line; one that a request has made stays.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stonechat.auth.access import Caller, InvalidToken, Scope, ScopeType
from stonechat.auth.secrets import SecretBox
from stonechat.auth.web_tokens import WebTokens, looks_signed
from stonechat.errors import Kind, StonechatError
from stonechat.state import Migration, StateStore, create_tables, now

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
    sa.Column("granted", sa.Text, nullable=False, server_default=""),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.UniqueConstraint("workspace_id", "name"),
)


def _part_scopes(connection: sa.Connection) -> None:
    """Before, managed tokens had what TOKEN lines grant them as their only scopes."""
    present = {column["name"] for column in sa.inspect(connection).get_columns("tokens")}
    for column in {"granted", "description"} - present:  # a store made by this version has them from the start
        connection.execute(sa.text(f"ALTER TABLE tokens ADD COLUMN {column} TEXT NOT NULL DEFAULT ''"))
    connection.execute(_tokens.update().where(_tokens.c.managed).values(granted=_tokens.c.scopes, scopes=""))


MIGRATIONS = (create_tables("tokens-1", _metadata), Migration("tokens-2", _part_scopes))

ADMIN_TOKEN_NAME = "workspace admin token"  # noqa: S105 - the contract's name of that token, not its value
USER_TOKEN_NAME = "admin local_testing@tinybird.co"  # noqa: S105 - the name that local clients know
#: The admin tokens of a workspace that may sign JSON Web Tokens; scripts look for each of them by its name.
_SIGNERS = (ADMIN_TOKEN_NAME, "admin token", USER_TOKEN_NAME)
MOST_TOKENS = 100_000
LONGEST_NAME = 200


class UnknownToken(StonechatError):
    """The workspace has no token of that name, id or value, or none that the caller may see: it cannot tell which."""

    code = "SC406"
    kind = Kind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("Token has not enough permissions to get information about this token")


class TokenExists(StonechatError):
    """A token of that name is there already."""

    code = "SC407"
    kind = Kind.CONFLICT


class InvalidTokenRequest(StonechatError):
    """A request about a token has no proper name, scopes or time, or the token is one too many."""

    code = "SC408"
    kind = Kind.INVALID


class TokenIsKept(StonechatError):
    """A token that is not for requests to change or revoke: the server or the project needs it."""

    code = "SC409"
    kind = Kind.CONFLICT


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


class TokenRegistry:
    """All static tokens of a data folder. Answers from memory; every change goes to the store first."""

    def __init__(self, store: StateStore, box: SecretBox) -> None:
        self._store = store
        self._box = box
        self._changing = threading.Lock()
        self._callers: dict[str, Caller] = {}
        self._keys: dict[str, list[str]] = {}
        #: Tokens that the admin tokens sign.
        self.signed = WebTokens(self._signing_keys)
        self._load()

    def identify(self, value: str) -> Caller:
        """The caller that a token value stands for. Raises `InvalidToken` with the same words for every cause.

        Of a JSON Web Token that is signed rightly, it says why it does not hold.
        """
        if not value:
            raise InvalidToken("authentication token required")
        caller = self._callers.get(_remembered(value) if len(value) <= _LONGEST_REMEMBERED else _digest(value))
        if caller is not None:
            return caller
        if looks_signed(value):
            return self.signed.identify(value)
        raise InvalidToken

    def tokens(self, workspace_id: str) -> Sequence[Token]:
        """The workspace's tokens, values included, in the order of their names."""
        query = sa.select(_tokens).where(_tokens.c.workspace_id == workspace_id).order_by(_tokens.c.name)
        with self._store.transaction() as connection:
            return [self._token(row) for row in connection.execute(query)]

    def find(self, workspace_id: str, reference: str) -> Token:
        """The workspace's token of that value, id or name. Raises `UnknownToken`."""
        if not reference.isprintable():
            raise UnknownToken
        keys = (_tokens.c.digest == _digest(reference), _tokens.c.id == reference, _tokens.c.name == reference)
        with self._store.transaction() as connection:
            for key in keys:
                row = connection.execute(sa.select(_tokens).where(_tokens.c.workspace_id == workspace_id, key)).first()
                if row is not None:
                    return self._token(row)
        raise UnknownToken

    def create(self, workspace_id: str, name: str, scopes: Sequence[Scope], *, description: str = "") -> Token:
        """Make a token. Raises `TokenExists` or `InvalidTokenRequest`."""
        check_name(name)
        try:
            with self._changing:
                with self._store.transaction() as connection:
                    count = connection.scalar(sa.select(sa.func.count()).where(_tokens.c.workspace_id == workspace_id))
                    if count is not None and count >= MOST_TOKENS:
                        raise InvalidTokenRequest(f"A workspace has at most {MOST_TOKENS} tokens")
                    row = self._insert(connection, workspace_id, name, scopes, description=description)
                # This one alone: reading all of them again would make the making of many slow.
                self._callers[row["digest"]] = _caller(row)
        except IntegrityError as error:
            hint = "Choose another name, or change it with PUT /v0/tokens/NAME."
            raise TokenExists(f"The token '{name}' already exists", hint=hint) from error
        return self.find(workspace_id, row["id"])

    def change(self, token: Token, *, scopes: Sequence[Scope] | None = None, description: str | None = None) -> Token:
        """Give a token other scopes of its own, or another description. What TOKEN lines grant it stays.

        Raises `TokenIsKept` for scopes of a standing token, or `UnknownToken` for one that is gone.
        """
        if scopes is not None and _is_standing(token):
            raise TokenIsKept(f"The scopes of the token '{token.name}' do not change", hint="Make another token.")
        values: dict[str, Any] = {}
        if scopes is not None:
            values |= {"scopes": _scopes_text(scopes), "managed": False}
        if description is not None:
            values["description"] = description
        return self._update(token, values)

    def renew(self, token: Token) -> Token:
        """Give a token another value; the old one holds no more. Raises `UnknownToken` for one that is gone."""
        value = _new_value(token.workspace_id, token.id)
        return self._update(token, {"digest": _digest(value), "sealed": self._box.seal(value)})

    def remove(self, token: Token) -> None:
        """Revoke a token. Raises `TokenIsKept` or `UnknownToken`."""
        if _is_standing(token):
            hint = "Give it another value with POST /v0/tokens/NAME/refresh."
            raise TokenIsKept(f"The token '{token.name}' cannot be deleted", hint=hint)
        if token.granted:
            hint = "Remove these lines and deploy, or give it another value with POST /v0/tokens/NAME/refresh."
            raise TokenIsKept(f"The token '{token.name}' is named by TOKEN lines of the project", hint=hint)
        with self._changing, self._store.transaction() as connection:
            if not connection.execute(_tokens.delete().where(_tokens.c.id == token.id)).rowcount:
                raise UnknownToken
        self._load()

    def admin(self, workspace_id: str) -> Token:
        """The workspace's admin token; made when there is none yet."""
        return self._standing(workspace_id, ADMIN_TOKEN_NAME, (Scope(ScopeType.ADMIN),))

    def user(self, workspace_id: str) -> Token:
        """The token of the server's owner, in the first workspace: an admin's that may also manage workspaces."""
        return self._standing(workspace_id, USER_TOKEN_NAME, (Scope(ScopeType.ADMIN), Scope(ScopeType.USER)))

    def make_admins(self, workspace_id: str) -> None:
        """Make the admin tokens that scripts and local clients look for by their names."""
        for name in _SIGNERS:
            self._standing(workspace_id, name, (Scope(ScopeType.ADMIN),))

    def forget(self, connection: sa.Connection, workspace_id: str) -> None:
        """Forget the tokens of a workspace, inside the transaction that deletes it. Call `refresh` afterwards."""
        connection.execute(_tokens.delete().where(_tokens.c.workspace_id == workspace_id))

    def replace_grants(self, connection: sa.Connection, workspace_id: str, grants: Iterable[tuple[str, Scope]]) -> None:
        """Make TOKEN lines grant just these (name, scope) pairs in a workspace, inside a deployment's transaction.

        Values, and scopes that tokens have of their own, are kept. Call `refresh` after the transaction has committed.
        """
        wanted: dict[str, set[Scope]] = {}
        for name, scope in grants:
            wanted.setdefault(name, set()).add(scope)
        mine = _tokens.c.workspace_id == workspace_id
        known = {row.name: row for row in connection.execute(sa.select(_tokens).where(mine))}
        for name in wanted.keys() - known.keys():
            self._insert(connection, workspace_id, name, (), granted=_ordered(wanted[name]), managed=True)
        for name, row in known.items():
            if row.managed and name not in wanted:
                connection.execute(_tokens.delete().where(_tokens.c.id == row.id))
            else:
                text = _scopes_text(_ordered(wanted.get(name, ())))
                connection.execute(_tokens.update().where(_tokens.c.id == row.id).values(granted=text))

    def refresh(self) -> None:
        """Read the tokens again after a transaction that changed them."""
        self._load()

    def _standing(self, workspace_id: str, name: str, scopes: Sequence[Scope]) -> Token:
        mine = sa.select(_tokens).where(_tokens.c.workspace_id == workspace_id, _tokens.c.name == name)
        with self._store.transaction() as connection:
            row = connection.execute(mine).first()
            if row is None:
                self._insert(connection, workspace_id, name, scopes)
        if row is not None:
            return self._token(row)
        self._load()
        return self._standing(workspace_id, name, scopes)

    def _load(self) -> None:
        with self._changing:
            with self._store.transaction() as connection:
                rows = connection.execute(sa.select(_tokens)).mappings().all()
            self._callers = {row["digest"]: _caller(row) for row in rows}
            signers = [
                row for row in rows if row["name"] in _SIGNERS and Scope(ScopeType.ADMIN) in _scopes(row["scopes"])
            ]
            keys: dict[str, list[str]] = {}
            for row in sorted(signers, key=lambda row: _SIGNERS.index(row["name"])):
                keys.setdefault(row["workspace_id"], []).append(self._box.unseal(row["sealed"]))
            self._keys = keys

    def _signing_keys(self, workspace_id: str) -> Sequence[str]:
        return self._keys.get(workspace_id, ())

    def _update(self, token: Token, values: dict[str, Any]) -> Token:
        with self._changing, self._store.transaction() as connection:
            if not connection.execute(_tokens.update().where(_tokens.c.id == token.id).values(**values)).rowcount:
                raise UnknownToken
        self._load()
        return self.find(token.workspace_id, token.id)

    def _insert(
        self,
        connection: sa.Connection,
        workspace_id: str,
        name: str,
        scopes: Sequence[Scope],
        *,
        granted: Sequence[Scope] = (),
        managed: bool = False,
        description: str = "",
    ) -> dict[str, Any]:
        identity = str(uuid.uuid4())
        value = _new_value(workspace_id, identity)
        row = {"id": identity, "workspace_id": workspace_id, "name": name, "digest": _digest(value)}
        row |= {"sealed": self._box.seal(value), "created_at": now(), "description": description}
        row |= {"scopes": _scopes_text(scopes), "granted": _scopes_text(granted)}
        connection.execute(_tokens.insert().values(**row, managed=managed))
        return row

    def _token(self, row: sa.Row[Any]) -> Token:
        granted = _scopes(row.granted)
        scopes = tuple(dict.fromkeys([*_scopes(row.scopes), *granted]))
        value = self._box.unseal(row.sealed)
        return Token(row.id, row.workspace_id, row.name, value, scopes, tuple(granted), row.managed, row.description)


def check_name(name: str) -> None:
    """Raise `InvalidTokenRequest` unless a token may have that name."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        hint = f"Names have 1 to {LONGEST_NAME} printable characters."
        raise InvalidTokenRequest("The token's name is not valid", hint=hint)


def _is_standing(token: Token) -> bool:
    return token.name == ADMIN_TOKEN_NAME or Scope(ScopeType.USER) in token.scopes


def _caller(row: Mapping[Any, Any]) -> Caller:
    scopes = [*_scopes(row["scopes"]), *_scopes(row["granted"])]
    return Caller.of(row["workspace_id"], row["id"], row["name"], scopes)


def _new_value(workspace_id: str, identity: str) -> str:
    """Clients take a token apart as `p.<base64 of JSON>.<signature>`; the second half carries 256 random bits."""
    body = json.dumps({"u": workspace_id, "id": identity, "host": "local"}, separators=(",", ":")).encode()
    return f"p.{base64.urlsafe_b64encode(body).decode().rstrip('=')}.{secrets.token_urlsafe(32)}"


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


# A digest is made of nothing but the value: whom that stands for, if anybody, is looked up each time.
_LONGEST_REMEMBERED = 1000
_remembered = lru_cache(1000)(_digest)


def _scopes(text: str) -> list[Scope]:
    return [Scope.parse(line) for line in text.split("\n") if line]


def _scopes_text(scopes: Iterable[Scope]) -> str:
    return "\n".join(map(str, scopes))


def _ordered(scopes: Iterable[Scope]) -> list[Scope]:
    return sorted(scopes, key=str)
