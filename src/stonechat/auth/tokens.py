"""Static tokens: made, found, listed, changed and revoked. Owns the table `tokens`.

A token has two kinds of scopes: its own, which requests give it, and those that TOKEN lines grant it, which follow the
deployments. One that a TOKEN line has made is gone with its last line; one that a request has made stays.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stonechat.auth.access import Caller, InvalidToken, Scope, ScopeType
from stonechat.auth.known_tokens import ADMIN_TOKEN_NAME, SIGNERS, USER_TOKEN_NAME, KnownTokens
from stonechat.auth.secrets import SecretBox
from stonechat.auth.token_table import TOKENS, Token, digest_of, insert_token, scopes_text, value_columns
from stonechat.auth.web_tokens import WebTokens, looks_signed
from stonechat.errors import Kind, StonechatError
from stonechat.state import StateStore

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


class TokenRegistry:
    """All static tokens of a data folder. Answers from memory; every change goes to the store first."""

    def __init__(self, store: StateStore, box: SecretBox) -> None:
        self._store = store
        self._box = box
        self._changing = threading.Lock()
        self._known = KnownTokens(box)
        #: Tokens that the admin tokens sign.
        self.signed = WebTokens(self._known.keys)
        with store.transaction() as connection:
            for row in connection.execute(sa.select(TOKENS)).mappings():
                self._known.put(row)

    def identify(self, value: str) -> Caller:
        """The caller that a token value stands for. Raises `InvalidToken` with the same words for every cause.

        Of a JSON Web Token that is signed rightly, it says why it does not hold.
        """
        if not value:
            raise InvalidToken("authentication token required")
        caller = self._known.caller(value)
        if caller is not None:
            return caller
        if looks_signed(value):
            return self.signed.identify(value)
        raise InvalidToken

    def tokens(self, workspace_id: str) -> Sequence[Token]:
        """The workspace's tokens, values included, in the order of their names."""
        query = sa.select(TOKENS).where(TOKENS.c.workspace_id == workspace_id).order_by(TOKENS.c.name)
        with self._store.transaction() as connection:
            return [Token.of(row, self._box) for row in connection.execute(query)]

    def find(self, workspace_id: str, reference: str) -> Token:
        """The workspace's token of that value, id or name. Raises `UnknownToken`."""
        if not reference.isprintable():
            raise UnknownToken
        keys = (TOKENS.c.digest == digest_of(reference), TOKENS.c.id == reference, TOKENS.c.name == reference)
        with self._store.transaction() as connection:
            for key in keys:
                row = connection.execute(sa.select(TOKENS).where(TOKENS.c.workspace_id == workspace_id, key)).first()
                if row is not None:
                    return Token.of(row, self._box)
        raise UnknownToken

    def create(self, workspace_id: str, name: str, scopes: Sequence[Scope], *, description: str = "") -> Token:
        """Make a token. Raises `TokenExists` or `InvalidTokenRequest`."""
        check_name(name)
        try:
            with self._changing:
                with self._store.transaction() as connection:
                    count = connection.scalar(sa.select(sa.func.count()).where(TOKENS.c.workspace_id == workspace_id))
                    if count is not None and count >= MOST_TOKENS:
                        raise InvalidTokenRequest(f"A workspace has at most {MOST_TOKENS} tokens")
                    row = insert_token(connection, self._box, workspace_id, name, scopes, description=description)
                self._known.put(row)
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
            values |= {"scopes": scopes_text(scopes), "managed": False}
        if description is not None:
            values["description"] = description
        return self._update(token, values)

    def renew(self, token: Token) -> Token:
        """Give a token another value; the old one holds no more. Raises `UnknownToken` for one that is gone."""
        return self._update(token, value_columns(token.workspace_id, token.id, self._box))

    def remove(self, token: Token) -> None:
        """Revoke a token. Raises `TokenIsKept` or `UnknownToken`."""
        if _is_standing(token):
            hint = "Give it another value with POST /v0/tokens/NAME/refresh."
            raise TokenIsKept(f"The token '{token.name}' cannot be deleted", hint=hint)
        if token.granted:
            hint = "Remove these lines and deploy, or give it another value with POST /v0/tokens/NAME/refresh."
            raise TokenIsKept(f"The token '{token.name}' is named by TOKEN lines of the project", hint=hint)
        with self._changing:
            with self._store.transaction() as connection:
                row = _row_of(connection, token)
                connection.execute(TOKENS.delete().where(TOKENS.c.id == token.id))
            self._known.drop(row)

    def admin(self, workspace_id: str) -> Token:
        """The workspace's admin token; made when there is none yet."""
        return self._standing(workspace_id, ADMIN_TOKEN_NAME, (Scope(ScopeType.ADMIN),))

    def user(self, workspace_id: str) -> Token:
        """The token of the server's owner, in the first workspace: an admin's that may also manage workspaces."""
        return self._standing(workspace_id, USER_TOKEN_NAME, (Scope(ScopeType.ADMIN), Scope(ScopeType.USER)))

    def make_admins(self, workspace_id: str) -> None:
        """Make the admin tokens that scripts and local clients look for by their names."""
        for name in SIGNERS:
            self._standing(workspace_id, name, (Scope(ScopeType.ADMIN),))

    def forget(self, connection: sa.Connection, workspace_id: str) -> None:
        """Forget the tokens of a workspace, inside the transaction that deletes it. Call `refresh` afterwards."""
        connection.execute(TOKENS.delete().where(TOKENS.c.workspace_id == workspace_id))

    def replace_grants(self, connection: sa.Connection, workspace_id: str, grants: Iterable[tuple[str, Scope]]) -> None:
        """Make TOKEN lines grant just these (name, scope) pairs in a workspace, inside a deployment's transaction.

        Values, and scopes that tokens have of their own, are kept. Call `refresh` after the transaction has committed.
        """
        wanted: dict[str, set[Scope]] = {}
        for name, scope in grants:
            wanted.setdefault(name, set()).add(scope)
        mine = TOKENS.c.workspace_id == workspace_id
        known = {row.name: row for row in connection.execute(sa.select(TOKENS).where(mine))}
        for name in wanted.keys() - known.keys():
            granted = sorted(wanted[name], key=str)
            insert_token(connection, self._box, workspace_id, name, (), granted=granted, managed=True)
        for name, row in known.items():
            if row.managed and name not in wanted:
                connection.execute(TOKENS.delete().where(TOKENS.c.id == row.id))
            elif (text := scopes_text(sorted(wanted.get(name, ()), key=str))) != row.granted:
                connection.execute(TOKENS.update().where(TOKENS.c.id == row.id).values(granted=text))

    def refresh(self, workspace_id: str) -> None:
        """Read the tokens of a workspace again after a transaction that changed them."""
        with self._changing:
            with self._store.transaction() as connection:
                mine = sa.select(TOKENS).where(TOKENS.c.workspace_id == workspace_id)
                rows = connection.execute(mine).mappings().all()
            self._known.put_all(workspace_id, rows)

    def _standing(self, workspace_id: str, name: str, scopes: Sequence[Scope]) -> Token:
        mine = sa.select(TOKENS).where(TOKENS.c.workspace_id == workspace_id, TOKENS.c.name == name)
        with self._changing:
            with self._store.transaction() as connection:
                row = connection.execute(mine).first()
                made = None if row else insert_token(connection, self._box, workspace_id, name, scopes)
            if made is not None:
                self._known.put(made)
        return Token.of(row, self._box) if row else self.find(workspace_id, name)

    def _update(self, token: Token, values: Mapping[str, Any]) -> Token:
        with self._changing:
            with self._store.transaction() as connection:
                connection.execute(TOKENS.update().where(TOKENS.c.id == token.id).values(**values))
                row = _row_of(connection, token)
            self._known.put(row)
        return self.find(token.workspace_id, token.id)


def _row_of(connection: sa.Connection, token: Token) -> sa.RowMapping:
    row = connection.execute(sa.select(TOKENS).where(TOKENS.c.id == token.id)).mappings().first()
    if row is None:
        raise UnknownToken
    return row


def check_name(name: str) -> None:
    """Raise `InvalidTokenRequest` unless a token may have that name."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        hint = f"Names have 1 to {LONGEST_NAME} printable characters."
        raise InvalidTokenRequest("The token's name is not valid", hint=hint)


def _is_standing(token: Token) -> bool:
    return token.name == ADMIN_TOKEN_NAME or Scope(ScopeType.USER) in token.scopes
