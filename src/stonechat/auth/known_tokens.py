"""What is known of the tokens in memory: whom their values stand for, and which of them sign JSON Web Tokens.

Kept by workspace and by token: a change of one decrypts and reads anew no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from stonechat.auth.access import Caller, Scope, ScopeType
from stonechat.auth.secrets import SecretBox
from stonechat.auth.token_table import caller_of, digest_of, scopes_of

ADMIN_TOKEN_NAME: Final = "workspace admin token"  # noqa: S105 - the contract's name of that token, not its value
USER_TOKEN_NAME: Final = "admin local_testing@tinybird.co"  # noqa: S105 - the name that local clients know
SIGNERS: Final = (ADMIN_TOKEN_NAME, "admin token", USER_TOKEN_NAME)
"""The admin tokens of a workspace that may sign JSON Web Tokens; scripts look for each of them by its name."""
_ADMIN = Scope(ScopeType.ADMIN)


class _Key(NamedTuple):
    sealed: str
    value: str


class KnownTokens:
    """Tokens in memory. Any thread may look, and one at a time may change them."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box
        self._callers: dict[str, Caller] = {}
        #: By workspace, and within it by token.
        self._digests: dict[str, dict[str, str]] = {}
        self._signers: dict[str, dict[str, _Key]] = {}
        self._keys: dict[str, Sequence[str]] = {}

    def caller(self, value: str) -> Caller | None:
        """Whom a value stands for, if anybody."""
        return self._callers.get(digest_of(value))

    def keys(self, workspace_id: str) -> Sequence[str]:
        """Values that sign for a workspace, the one that does first."""
        return self._keys.get(workspace_id, ())

    def put(self, row: Mapping[Any, Any]) -> None:
        """Know a token as its row has it now."""
        digests = self._digests.setdefault(row["workspace_id"], {})
        before, digest = digests.get(row["id"]), row["digest"]
        self._callers[digest] = caller_of(row)
        digests[row["id"]] = digest
        if before is not None and before != digest:
            del self._callers[before]
        if row["name"] in SIGNERS:
            self._put_signer(row)

    def drop(self, row: Mapping[Any, Any]) -> None:
        """Know a token no more."""
        digest = self._digests.get(row["workspace_id"], {}).pop(row["id"], None)
        if digest is not None:
            del self._callers[digest]
        self._drop_signer(row["workspace_id"], row["name"])

    def put_all(self, workspace_id: str, rows: Iterable[Mapping[Any, Any]]) -> None:
        """Know just these tokens of a workspace."""
        rows = list(rows)
        digests = self._digests.pop(workspace_id, {})
        for identity in digests.keys() - {row["id"] for row in rows}:
            del self._callers[digests.pop(identity)]
        if digests:
            self._digests[workspace_id] = digests
        for name in self._signers.get(workspace_id, {}).keys() - {row["name"] for row in rows}:
            self._drop_signer(workspace_id, name)
        for row in rows:
            self.put(row)

    def _put_signer(self, row: Mapping[Any, Any]) -> None:
        workspace_id, name, sealed = row["workspace_id"], row["name"], row["sealed"]
        if _ADMIN not in scopes_of(row["scopes"]):
            self._drop_signer(workspace_id, name)
            return
        signers = self._signers.get(workspace_id, {})
        if name not in signers or signers[name].sealed != sealed:
            self._set_signers(workspace_id, {**signers, name: _Key(sealed, self._box.unseal(sealed))})

    def _drop_signer(self, workspace_id: str, name: str) -> None:
        signers = self._signers.get(workspace_id, {})
        if name in signers:
            self._set_signers(workspace_id, {each: key for each, key in signers.items() if each != name})

    def _set_signers(self, workspace_id: str, signers: dict[str, _Key]) -> None:
        self._signers[workspace_id] = signers
        self._keys[workspace_id] = [signers[name].value for name in SIGNERS if name in signers]
        if not signers:
            del self._signers[workspace_id], self._keys[workspace_id]
