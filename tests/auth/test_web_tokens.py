"""A JSON Web Token holds if an admin signed it, until it expires, and says strictly what it may do."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest

from stonechat.auth.access import InvalidToken, ScopeType
from stonechat.auth.web_tokens import ExpiredToken, InvalidClaims, WebTokens

KEY = "p.eyJ1IjogIncifQ." + "0123456789abcdef" * 4
OTHER_KEY = "p.a-second-admin-token-of-each-workspace-0123456789"
NOW = 1_700_000_000
_CLAIMS: dict[str, Any] = {
    "workspace_id": "w",
    "name": "ann",
    "exp": NOW + 60,
    "scopes": [{"type": "PIPES:READ", "resource": "top"}],
}


class _World:
    """The keys of workspaces, and the time."""

    def __init__(self) -> None:
        self.keys = {"w": KEY, "v": "p.another-workspaces-admin-token-0123456789"}
        self.now = float(NOW)
        self.asked = 0

    def keys_of(self, workspace_id: str) -> list[str]:
        self.asked += 1
        return [self.keys[workspace_id], OTHER_KEY] if workspace_id in self.keys else []

    def tokens(self) -> WebTokens:
        return WebTokens(self.keys_of, lambda: self.now)


@pytest.fixture
def world() -> _World:
    return _World()


def _signed(key: str = KEY, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    return jwt.encode({**_CLAIMS, **claims}, key, algorithm, headers=headers)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_any_key_of_the_workspace_may_have_signed(world: _World) -> None:
    assert world.tokens().identify(_signed(OTHER_KEY)).token_name == "ann"
    with pytest.raises(InvalidToken):
        world.tokens().identify(_signed(world.keys["v"]))


def test_a_token_says_who_calls_and_what_it_may(world: _World) -> None:
    caller = world.tokens().identify(_signed(limits={"rps": 5}, iat=NOW + 1000, aud="my app", sub=7))
    assert (caller.workspace_id, caller.token_name, caller.requests_per_second) == ("w", "ann", 5)
    assert caller.may(ScopeType.READ_PIPE, "top")
    assert not caller.may(ScopeType.READ_PIPE, "bottom")
    assert not caller.is_admin


def test_what_narrows_a_token_is_kept_and_adds_up(world: _World) -> None:
    scopes = [
        {"type": "DATASOURCES:READ", "resource": "m", "filter": "a = 1"},
        {"type": "DATASOURCES:READ", "resource": "m", "filter": "b = 2 -- or not"},
        {"type": "DATASOURCES:READ", "resource": "n", "filter": None},
        {"type": "PIPES:READ", "resource": "p", "fixed_params": {"a": 1, "ok": True, "ids": [1, "x"]}},
        {"type": "PIPES:READ", "resource": "p", "fixed_params": {"b": "é"}},
    ]
    caller = world.tokens().identify(_signed(scopes=scopes))
    assert caller.filters == {"m": ("a = 1", "b = 2 -- or not")}
    assert caller.fixed == {"p": {"a": "1", "ok": "true", "ids": ["1", "x"], "b": "é"}}
    assert not caller.may(ScopeType.READ_DATA_SOURCE, "m_quarantine")
    assert caller.may(ScopeType.READ_DATA_SOURCE, "n_quarantine")


def test_ids_of_resources_become_their_names(world: _World) -> None:
    scopes = [
        {"type": "DATASOURCES:READ", "resource": "t_1", "filter": "a = 1"},
        {"type": "DATASOURCES:READ", "resource": "m", "filter": "b = 2"},
        {"type": "PIPES:READ", "resource": "t_2", "fixed_params": {"a": "1"}},
        {"type": "PIPES:READ", "resource": "p", "fixed_params": {"b": "2"}},
    ]
    caller = world.tokens().identify(_signed(scopes=scopes)).with_names({"t_1": "m", "t_2": "p"})
    assert sorted(caller.filters["m"]) == ["a = 1", "b = 2"]
    assert caller.fixed == {"p": {"a": "1", "b": "2"}}
    assert caller.may(ScopeType.READ_PIPE, "p")
    assert not caller.may(ScopeType.READ_PIPE, "t_2")


def test_the_clock_of_whoever_signs_may_be_a_little_ahead(world: _World) -> None:
    assert world.tokens().identify(_signed(nbf=int(time.time()) + 10)).token_name == "ann"
    with pytest.raises(InvalidClaims, match="does not hold yet, by its nbf"):
        world.tokens().identify(_signed(nbf=int(time.time()) + 1000))


def test_tokens_of_one_name_share_a_limit_and_are_different_callers(world: _World) -> None:
    tokens = world.tokens()
    one, other = (tokens.identify(_signed(exp=_CLAIMS["exp"] + more)) for more in (0, 1))
    assert one.counted_as == other.counted_as
    assert one.token_id != other.token_id
    assert tokens.identify(_signed()).token_id == one.token_id


def test_what_is_too_long_is_no_token_whoever_signed_it(world: _World) -> None:
    with pytest.raises(InvalidToken):
        world.tokens().identify(_signed(more="x" * 16_384))
    scopes = [{"type": "PIPES:READ", "resource": "x" * 16_384}]
    with pytest.raises(InvalidClaims, match="longer than 16384"):
        world.tokens().sign("w", "ann", scopes, expires=2**40)


def _forgeries() -> dict[str, str]:
    body = _part(_CLAIMS)
    return {
        "no algorithm": f"{_part({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "another hash": _signed(algorithm="HS512"),
        "another key": _signed("another-key-0123456789abcdef0123456789"),
        "the key of another workspace": _signed("p.another-workspaces-admin-token-0123456789"),
        "an unknown workspace": _signed(workspace_id="u"),
        "no workspace": _signed(workspace_id=None),
        "a list for a workspace": _signed(workspace_id=["w"]),
        "other claims under a signature": _signed().rpartition(".")[0].partition(".")[0]
        + f".{_part({**_CLAIMS, 'name': 'eve'})}."
        + _signed().rpartition(".")[2],
        "a critical extension": _signed(headers={"crit": ["exp2"], "exp2": 1}),
        "another key, and not yet": _signed("another-key-0123456789abcdef0123456789", nbf=NOW + 10**9),
        "no JSON": "e30.e30.e30",
        "no base64": "ä.ö.ü",
        "nothing": "..",
        "deep nesting": f"{_part({'alg': 'HS256'})}.{base64.urlsafe_b64encode(b'[' * 50_000).decode()}.AAAA",
        "a key from the header": _signed("k" * 40, headers={"jwk": {"kty": "oct", "k": "a2s"}}),
    }


@pytest.mark.parametrize("forgery", _forgeries().values(), ids=_forgeries())
def test_a_forgery_is_an_unknown_token(world: _World, forgery: str) -> None:
    with pytest.raises(InvalidToken, match="invalid authentication token"):
        world.tokens().identify(forgery)


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"scopes": [{"type": "ADMIN", "resource": "x"}]}, "ADMIN"),
        ({"scopes": [{"type": "TOKENS", "resource": "x"}]}, "TOKENS"),
        ({"scopes": [{"type": "DATASOURCES:DROP", "resource": "x"}]}, "DATASOURCES:DROP"),
        ({"scopes": [{"type": "PIPES:READ"}]}, "resource"),
        ({"scopes": [{"type": "PIPES:READ", "resource": ""}]}, "no resource"),
        ({"scopes": [{"type": "PIPES:READ", "resource": "p", "fixedParams": {"a": 1}}]}, "fixedParams"),
        ({"scopes": [{"type": "PIPES:READ", "resource": "p", "filter": "a = 1"}]}, "a filter belongs to"),
        ({"scopes": [{"type": "DATASOURCES:READ", "resource": "p", "filter": " \t"}]}, "is blank"),
        ({"scopes": [{"type": "DATASOURCES:READ", "resource": "p", "fixed_params": {"a": 1}}]}, "belong to PIPES:READ"),
        ({"scopes": [{"type": "PIPES:READ", "resource": "p", "fixed_params": {"a": None}}]}, "null"),
        ({"scopes": [{"type": "DATASOURCES:READ", "resource": "p", "filter": ["a"]}]}, "filter"),
        ({"scopes": []}, "no scopes"),
        ({"scopes": "PIPES:READ:p"}, "scopes"),
        ({"scopes": None}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
        ({"exp": "soon"}, "exp"),
        ({"exp": float("inf")}, "never expire"),
        ({"exp": float("nan")}, "never expire"),
        ({"limits": {"rps": -1}}, "rps"),
        ({"limits": {"rps": "many"}}, "rps"),
    ],
)
def test_a_signed_token_that_says_too_much_or_too_little_is_refused_with_the_reason(
    world: _World, claims: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidClaims, match=message):
        world.tokens().identify(_signed(**claims))


def test_a_token_needs_an_end(world: _World) -> None:
    endless = jwt.encode({key: value for key, value in _CLAIMS.items() if key != "exp"}, KEY, "HS256")
    with pytest.raises(InvalidClaims, match="never expire"):
        world.tokens().identify(endless)


def test_a_token_ends_when_it_says_also_when_it_was_verified_before(world: _World) -> None:
    tokens = world.tokens()
    value = _signed()
    tokens.identify(value)
    world.now += 60
    with pytest.raises(ExpiredToken, match="'ann' has expired"):
        tokens.identify(value)


def test_another_key_voids_what_was_verified_before(world: _World) -> None:
    tokens = world.tokens()
    value = _signed()
    tokens.identify(value)
    world.keys["w"] = "p.refreshed-0123456789abcdef0123456789abcdef"
    with pytest.raises(InvalidToken):
        tokens.identify(value)
    del world.keys["w"]
    with pytest.raises(InvalidToken):
        tokens.identify(value)


def test_a_token_is_verified_once(world: _World) -> None:
    tokens = world.tokens()
    value = _signed()
    assert tokens.identify(value) is tokens.identify(value)


def test_what_is_signed_here_is_what_is_verified(world: _World) -> None:
    tokens = world.tokens()
    grants = [{"type": "DATASOURCES:READ", "resource": "ü"}]
    value, caller = tokens.sign("w", "bob", grants, expires=NOW + 5, requests_per_second=2)
    assert tokens.identify(value) == caller
    assert jwt.decode(value, KEY, ["HS256"], options={"verify_exp": False}) == {
        "workspace_id": "w",
        "name": "bob",
        "exp": NOW + 5,
        "scopes": grants,
        "limits": {"rps": 2},
    }
    with pytest.raises(InvalidClaims, match="expired already"):
        tokens.sign("w", "bob", grants, expires=NOW)
