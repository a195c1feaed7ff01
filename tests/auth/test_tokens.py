"""Static tokens are found by their value, kept sealed, and follow the deployments where TOKEN lines made them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from stonechat.auth.access import Scope
from stonechat.auth.secrets import SecretBox, WrongKey
from stonechat.auth.tokens import ADMIN_TOKEN_NAME, MIGRATIONS, InvalidToken, TokenRegistry
from stonechat.state import StateStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    store = StateStore(f"sqlite:///{tmp_path / 'state.sqlite'}", MIGRATIONS)
    yield store
    store.close()


@pytest.fixture
def registry(store: StateStore, tmp_path: Path) -> TokenRegistry:
    return TokenRegistry(store, SecretBox(tmp_path / "secret.key"))


def _grant(registry: TokenRegistry, store: StateStore, *grants: tuple[str, str]) -> None:
    with store.transaction() as connection:
        registry.replace_grants(connection, "w", [(name, Scope.parse(scope)) for name, scope in grants])
    registry.refresh()


def test_the_admin_token_is_made_once_and_found_again_after_a_restart(
    registry: TokenRegistry, store: StateStore, tmp_path: Path
) -> None:
    token = registry.admin("w")
    assert token.value.startswith("p.e")
    again = TokenRegistry(store, SecretBox(tmp_path / "secret.key"))
    assert again.admin("w") == token
    assert again.identify(token.value).is_admin


def test_each_workspace_has_an_admin_token_of_its_own(registry: TokenRegistry) -> None:
    first, second = registry.admin("w"), registry.admin("v")
    assert first.value != second.value
    assert registry.identify(second.value).workspace_id == "v"


@pytest.mark.parametrize("value", ["", "p.nonsense", "' OR 1=1 --", "\x00", "ü" * 1000, "\udcff"])
def test_any_other_value_is_refused(registry: TokenRegistry, value: str) -> None:
    registry.admin("w")
    with pytest.raises(InvalidToken, match="authentication token"):
        registry.identify(value)


def test_values_are_not_in_the_store(registry: TokenRegistry, tmp_path: Path) -> None:
    value = registry.admin("w").value
    dump = "\n".join(sqlite3.connect(tmp_path / "state.sqlite").iterdump())
    assert ADMIN_TOKEN_NAME in dump
    assert value not in dump
    assert value.rpartition(".")[2] not in dump


def test_the_key_is_for_the_servers_user_only(registry: TokenRegistry, tmp_path: Path) -> None:
    registry.admin("w")
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600


def test_another_key_does_not_open_the_tokens(registry: TokenRegistry, store: StateStore, tmp_path: Path) -> None:
    registry.admin("w")
    with pytest.raises(WrongKey, match="does not open the tokens"):
        TokenRegistry(store, SecretBox(tmp_path / "other.key")).tokens("w")


def test_token_lines_make_tokens_that_keep_their_value_over_deployments(
    registry: TokenRegistry, store: StateStore
) -> None:
    _grant(registry, store, ("app", "PIPES:READ:a"))
    before = registry.tokens("w")[0]
    _grant(registry, store, ("app", "PIPES:READ:b"), ("app", "DATASOURCES:APPEND:c"))
    after = registry.tokens("w")[0]
    assert after.value == before.value
    assert set(map(str, after.scopes)) == {"PIPES:READ:b", "DATASOURCES:APPEND:c"}


def test_a_token_without_lines_is_gone_but_the_admin_token_stays(registry: TokenRegistry, store: StateStore) -> None:
    admin = registry.admin("w")
    _grant(registry, store, ("app", "PIPES:READ:a"))
    value = next(token.value for token in registry.tokens("w") if token.name == "app")
    _grant(registry, store)
    assert registry.tokens("w") == [admin]
    with pytest.raises(InvalidToken):
        registry.identify(value)


def test_a_transaction_that_fails_grants_nothing(registry: TokenRegistry, store: StateStore) -> None:
    with pytest.raises(RuntimeError), store.transaction() as connection:
        registry.replace_grants(connection, "w", [("app", Scope.parse("ADMIN"))])
        raise RuntimeError
    registry.refresh()
    assert registry.tokens("w") == []
