"""JSON Web Tokens: signed by anyone who has an admin token of the workspace, kept by nobody, valid until they expire.

HS256 is the only algorithm, and the values of the workspace's own admin tokens are the keys, so refreshing the one that
has signed voids what it has signed.
What is inside was written by an admin, and is still read strictly: a misspelt restriction must not be none.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from stonechat.auth.access import Caller, InvalidToken, Scope, ScopeType
from stonechat.errors import Kind, StonechatError

if TYPE_CHECKING:  # imported with the first token: it takes a tenth of a server's start, and many never see one
    from jwt.types import Options

_ALGORITHM = "HS256"
_MOST_KEPT = 10_000
_LONGEST = 16_384
_IDENTIFYING = 32
#: Seconds that the clock of whoever signs may be ahead, for `nbf`. No token holds beyond its `exp`.
_CLOCKS_DIFFER = 30
_MAY_BE_SIGNED = {
    scope.value: scope for scope in (ScopeType.READ_PIPE, ScopeType.READ_DATA_SOURCE, ScopeType.APPEND_DATA_SOURCE)
}
# Only `exp` and `nbf` say when a token holds; `iat`, `aud`, `sub` and others are the signer's own business.
_CHECKS: Options = {
    "require": ["exp"],
    "verify_exp": False,  # checked with this class's clock, and the token's name in the refusal
    "verify_iat": False,
    "verify_aud": False,
    "verify_sub": False,
    "verify_jti": False,
    "verify_iss": False,
}


class ExpiredToken(StonechatError):
    """A JSON Web Token was valid once."""

    code = "SC404"
    kind = Kind.FORBIDDEN

    def __init__(self, name: str) -> None:
        super().__init__(f"The token '{name}' has expired", hint="Sign a new one.")


class InvalidClaims(StonechatError):
    """A JSON Web Token that is signed rightly, or is to be signed, does not say what one must say."""

    code = "SC405"
    kind = Kind.FORBIDDEN

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"Invalid JWT: {problem}",
            hint="It needs workspace_id, name, exp and scopes; each scope has a type and a resource.",
        )


class _Grant(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    resource: str = ""
    fixed_params: dict[str, Any] | None = None
    filter: str | None = None


class _Limits(msgspec.Struct):
    rps: float | None = None


class _Claims(msgspec.Struct):
    workspace_id: str
    name: str
    exp: float
    scopes: list[_Grant]
    limits: _Limits | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    caller: Caller
    key: str
    expires: float


class WebTokens:
    """Signs tokens and tells who they stand for. `keys_of` gives the keys of a workspace; the first one signs."""

    def __init__(self, keys_of: Callable[[str], Sequence[str]], clock: Callable[[], float] = time.time) -> None:
        self._keys_of = keys_of
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def identify(self, value: str) -> Caller:
        """The caller that a token stands for. Raises `InvalidToken`, `ExpiredToken` or `InvalidClaims`.

        A token is verified once, and remembered until it expires or its key changes.
        """
        if len(value) > _LONGEST:
            raise InvalidToken
        digest = _digest(value)
        kept = self._kept.get(digest)
        if kept is not None and kept.expires > self._clock() and kept.key in self._keys_of(kept.caller.workspace_id):
            return kept.caller
        claims, key = self._verified(value)
        caller = _caller(claims, digest)
        with self._lock:
            self._kept[digest] = _Kept(caller, key, claims.exp)
            if len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return caller

    def sign(
        self,
        workspace_id: str,
        name: str,
        grants: Sequence[Mapping[str, Any]],
        *,
        expires: int,
        requests_per_second: float = 0,
    ) -> tuple[str, Caller]:
        """A new token, and the caller that it stands for. Raises `InvalidClaims`."""
        import jwt  # noqa: PLC0415

        limits = {"limits": {"rps": requests_per_second}} if requests_per_second else {}
        claims = {"workspace_id": workspace_id, "name": name, "exp": expires, "scopes": list(grants), **limits}
        read = _read(claims)
        _caller(read, "")
        if expires <= self._clock():
            raise InvalidClaims("it would have expired already")
        value = jwt.encode(claims, self._keys_of(workspace_id)[0], _ALGORITHM)
        if len(value) > _LONGEST:
            raise InvalidClaims(f"it is longer than {_LONGEST} characters")
        return value, _caller(read, _digest(value))

    def _verified(self, value: str) -> tuple[_Claims, str]:
        """The claims of a token, and the key that has signed it."""
        import jwt  # noqa: PLC0415

        try:
            unverified = jwt.decode(value, options={"verify_signature": False})
            workspace_id = unverified.get("workspace_id")
            keys = self._keys_of(workspace_id) if isinstance(workspace_id, str) else ()
            for key in keys:
                with suppress(jwt.InvalidSignatureError):
                    claims = jwt.decode(value, key, algorithms=[_ALGORITHM], options=_CHECKS, leeway=_CLOCKS_DIFFER)
                    break
            else:
                raise InvalidToken
        except jwt.MissingRequiredClaimError as error:
            raise InvalidClaims("it has no exp, so it would never expire") from error
        except jwt.ImmatureSignatureError as error:
            raise InvalidClaims("it does not hold yet, by its nbf") from error
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise InvalidToken from error
        read = _read(claims)
        if read.exp <= self._clock():
            raise ExpiredToken(read.name)
        return read, key


def looks_signed(value: str) -> bool:
    """Whether a value has the three parts of a JSON Web Token; static tokens begin with `p.`."""
    return value.count(".") == 2 and not value.startswith("p.")


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()


def _read(claims: Mapping[str, Any]) -> _Claims:
    try:
        read = msgspec.convert(claims, _Claims)
    except msgspec.ValidationError as error:
        raise InvalidClaims(str(error)) from error
    if not read.name:
        raise InvalidClaims("its name is empty")
    if not math.isfinite(read.exp):
        raise InvalidClaims("its exp is no moment, so it would never expire")
    if not read.scopes:
        raise InvalidClaims("it has no scopes")
    return read


def _caller(claims: _Claims, digest: str) -> Caller:
    scopes: set[Scope] = set()
    filters: dict[str, tuple[str, ...]] = {}
    fixed: dict[str, Mapping[str, str | Sequence[str]]] = {}
    for grant in claims.scopes:
        scope = _scope(grant)
        scopes.add(scope)
        if grant.filter:
            if scope.type is not ScopeType.READ_DATA_SOURCE:
                raise InvalidClaims(f"a filter belongs to {ScopeType.READ_DATA_SOURCE.value}, not to {scope}")
            if not grant.filter.strip():  # a slip, which must not come to mean all rows
                raise InvalidClaims(f"the filter of {scope} is blank")
            filters[scope.resource] = (*filters.get(scope.resource, ()), grant.filter)
        if grant.fixed_params:
            if scope.type is not ScopeType.READ_PIPE:
                raise InvalidClaims(f"fixed_params belong to {ScopeType.READ_PIPE.value}, not to {scope}")
            fixed[scope.resource] = {**fixed.get(scope.resource, {}), **_values(grant.fixed_params)}
    rate = claims.limits.rps if claims.limits and claims.limits.rps is not None else 0.0
    if not 0 <= rate < float("inf"):
        raise InvalidClaims("limits.rps is not a number of requests per second")
    # Many people may have tokens of one name: these share a limit, and nothing else.
    counted_as = f"jwt {claims.workspace_id} {claims.name}"
    token_id = f"jwt {digest[:_IDENTIFYING]}"
    return Caller(claims.workspace_id, token_id, claims.name, frozenset(scopes), filters, fixed, rate, counted_as)


def _scope(grant: _Grant) -> Scope:
    if grant.type not in _MAY_BE_SIGNED:
        raise InvalidClaims(f"the scope '{grant.type}' is none of {', '.join(_MAY_BE_SIGNED)}")
    if not grant.resource:
        raise InvalidClaims(f"the scope {grant.type} has no resource")
    return Scope(_MAY_BE_SIGNED[grant.type], grant.resource)


def _values(parameters: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
    """Fixed parameters as a request would have them: texts, and lists of texts."""
    return {
        name: list(map(_text, value)) if isinstance(value, list) else _text(value) for name, value in parameters.items()
    }


def _text(value: Any) -> str:
    if value is None:
        raise InvalidClaims("a fixed parameter is null")
    return value if isinstance(value, str) else json.dumps(value)
