"""Static tokens are found by their value, kept sealed, and follow the deployments where TOKEN lines made them."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from stonechat.auth.access import InvalidToken, Scope
from stonechat.auth.known_tokens import ADMIN_TOKEN_NAME, SIGNERS
from stonechat.auth.secrets import SecretBox, WrongKey
from stonechat.auth.token_table import MIGRATIONS
from stonechat.auth.tokens import (
    InvalidTokenRequest,
    TokenExists,
    TokenIsKept,
    TokenRegistry,
    UnknownToken,
)
from stonechat.errors import StonechatError
from stonechat.state import StateStore, create_tables


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
    registry.refresh("w")


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
    registry.refresh("w")
    assert registry.tokens("w") == []


def _scopes(*texts: str) -> list[Scope]:
    return list(map(Scope.parse, texts))


def test_a_made_token_is_found_by_value_id_and_name_and_stays_over_deployments_and_restarts(
    registry: TokenRegistry, store: StateStore, tmp_path: Path
) -> None:
    made = registry.create("w", "für Ann", _scopes("PIPES:READ:a", "TOKENS"), description="hers")
    for reference in (made.value, made.id, made.name):
        assert registry.find("w", reference) == made
        with pytest.raises(UnknownToken):
            registry.find("v", reference)
    _grant(registry, store)
    again = TokenRegistry(store, SecretBox(tmp_path / "secret.key"))
    assert again.find("w", "für Ann") == made
    assert set(again.identify(made.value).scopes) == set(made.scopes)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201, "\x00", "\udcff"])
def test_a_name_that_no_token_may_have_is_refused_and_never_found(registry: TokenRegistry, name: str) -> None:
    with pytest.raises(InvalidTokenRequest, match="name is not valid"):
        registry.create("w", name, _scopes("ADMIN"))
    with pytest.raises(UnknownToken):
        registry.find("w", name)


def test_a_name_is_taken_once_in_each_workspace(registry: TokenRegistry) -> None:
    registry.create("w", "app", _scopes("ADMIN"))
    registry.create("v", "app", _scopes("ADMIN"))
    with pytest.raises(TokenExists, match="'app' already exists"):
        registry.create("w", "app", _scopes("TOKENS"))
    assert [scope.type.value for scope in registry.find("w", "app").scopes] == ["ADMIN"]


def test_a_token_line_adds_to_a_made_token_and_takes_back_what_it_added(
    registry: TokenRegistry, store: StateStore
) -> None:
    made = registry.create("w", "app", _scopes("PIPES:READ:a"))
    _grant(registry, store, ("app", "PIPES:READ:b"), ("app", "PIPES:READ:a"))
    assert set(registry.identify(made.value).scopes) == set(_scopes("PIPES:READ:a", "PIPES:READ:b"))
    with pytest.raises(TokenIsKept, match="TOKEN lines"):
        registry.remove(registry.find("w", "app"))
    _grant(registry, store)
    assert registry.find("w", "app") == made
    registry.remove(made)
    with pytest.raises(InvalidToken):
        registry.identify(made.value)


def test_other_scopes_take_the_place_of_a_tokens_own_and_leave_what_lines_grant(
    registry: TokenRegistry, store: StateStore
) -> None:
    _grant(registry, store, ("app", "PIPES:READ:a"))
    changed = registry.change(registry.find("w", "app"), scopes=_scopes("DATASOURCES:READ:d"), description="ours")
    assert set(registry.identify(changed.value).scopes) == set(_scopes("PIPES:READ:a", "DATASOURCES:READ:d"))
    _grant(registry, store)
    assert registry.find("w", "app").scopes == (Scope.parse("DATASOURCES:READ:d"),)
    assert registry.find("w", "app").description == "ours"


def test_a_renewed_token_keeps_all_but_its_value(registry: TokenRegistry) -> None:
    made = registry.create("w", "app", _scopes("PIPES:READ:a"))
    renewed = registry.renew(made)
    assert renewed == replace(made, value=renewed.value)
    assert registry.identify(renewed.value).token_id == made.id
    with pytest.raises(InvalidToken):
        registry.identify(made.value)


def test_the_servers_own_tokens_are_renewed_but_not_changed_or_removed(registry: TokenRegistry) -> None:
    for token in (registry.admin("w"), registry.user("w")):
        with pytest.raises(TokenIsKept):
            registry.remove(token)
        with pytest.raises(TokenIsKept):
            registry.change(token, scopes=_scopes("TOKENS"))
        assert registry.renew(token).value != token.value


def test_a_new_admin_token_voids_what_the_old_one_signed(registry: TokenRegistry) -> None:
    registry.admin("w")
    grants = [{"type": "PIPES:READ", "resource": "a"}]
    value, caller = registry.signed.sign("w", "ann", grants, expires=2_000_000_000)
    assert registry.identify(value) == caller
    registry.renew(registry.admin("w"))
    with pytest.raises(InvalidToken):
        registry.identify(value)


def test_a_token_that_is_gone_is_not_changed(registry: TokenRegistry) -> None:
    made = registry.create("w", "app", _scopes("PIPES:READ:a"))
    registry.remove(made)
    for change in (registry.renew, registry.remove, lambda token: registry.change(token, description="x")):
        with pytest.raises(UnknownToken):
            change(made)


class _Counting(SecretBox):
    """Counts what it decrypts."""

    unsealed = 0

    def unseal(self, sealed: str) -> str:
        self.unsealed += 1
        return super().unseal(sealed)


def test_a_change_decrypts_no_other_token(store: StateStore, tmp_path: Path) -> None:
    box = _Counting(tmp_path / "secret.key")
    registry = TokenRegistry(store, box)
    for number in range(10):
        registry.make_admins(f"w{number}")
    made = registry.create("w", "app", _scopes("PIPES:READ:a"))
    changes: list[Callable[[], object]] = [
        lambda: registry.change(made, scopes=_scopes("PIPES:READ:b")),
        lambda: registry.renew(made),
        lambda: registry.remove(made),
        lambda: registry.refresh("w1"),
        lambda: registry.make_admins("v"),
    ]
    before = box.unsealed
    for change in changes:
        change()
    assert box.unsealed - before <= len(changes) + len(SIGNERS)


_STEPS = st.tuples(
    st.sampled_from(["create", "change", "renew", "remove", "grant", "forget", "standing"]),
    st.sampled_from(["w", "v"]),
    st.sampled_from(["app", "other", "admin token"]),
    st.sampled_from(["PIPES:READ:a", "TOKENS", "ADMIN"]),
)


@given(st.lists(_STEPS, max_size=12))
@settings(max_examples=25)
def test_what_is_known_of_tokens_is_what_a_restart_would_know(steps: list[tuple[str, str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = StateStore(f"sqlite:///{folder}/state.sqlite", MIGRATIONS)
        box = SecretBox(Path(folder) / "secret.key")
        registry, values = TokenRegistry(store, box), set()
        for step in steps:
            with suppress(StonechatError):
                _take_step(registry, store, step)
            values |= {token.value for each in ("w", "v") for token in registry.tokens(each)}
        again = TokenRegistry(store, box)
        assert [_known_as(registry, value) for value in values] == [_known_as(again, value) for value in values]
        assert [registry._known.keys(each) for each in ("w", "v")] == [again._known.keys(each) for each in ("w", "v")]
        store.close()


def _take_step(registry: TokenRegistry, store: StateStore, step: tuple[str, str, str, str]) -> None:
    deed, workspace, name, scope = step
    match deed:
        case "create":
            registry.create(workspace, name, _scopes(scope))
        case "change":
            registry.change(registry.find(workspace, name), scopes=_scopes(scope))
        case "renew":
            registry.renew(registry.find(workspace, name))
        case "remove":
            registry.remove(registry.find(workspace, name))
        case "grant":
            with store.transaction() as connection:
                registry.replace_grants(connection, workspace, [(name, Scope.parse(scope))])
            registry.refresh(workspace)
        case "forget":
            with store.transaction() as connection:
                registry.forget(connection, workspace)
            registry.refresh(workspace)
        case "standing":
            registry.make_admins(workspace)


def _known_as(registry: TokenRegistry, value: str) -> object:
    try:
        return registry.identify(value)
    except InvalidToken:
        return None


def test_a_store_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    first = create_tables("tokens-1", _metadata_of_the_first_version())
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    old = StateStore(url, [first])
    box = SecretBox(tmp_path / "secret.key")
    with old.transaction() as connection:
        for name, scopes, managed in (("app", "PIPES:READ:a", 1), (ADMIN_TOKEN_NAME, "ADMIN", 0)):
            connection.execute(
                sa.text("INSERT INTO tokens VALUES (:name, 'w', :name, :name, :sealed, :scopes, :managed, '2026')"),
                {"name": name, "sealed": box.seal(name), "scopes": scopes, "managed": managed},
            )
    old.close()
    new = StateStore(url, MIGRATIONS)
    tokens = {token.name: token for token in TokenRegistry(new, box).tokens("w")}
    assert tokens["app"].granted == tokens["app"].scopes == tuple(_scopes("PIPES:READ:a"))
    assert (tokens[ADMIN_TOKEN_NAME].granted, tokens[ADMIN_TOKEN_NAME].scopes) == ((), tuple(_scopes("ADMIN")))
    new.close()


def _metadata_of_the_first_version() -> sa.MetaData:
    metadata = sa.MetaData()
    texts = [sa.Column(name, sa.Text) for name in ("id", "workspace_id", "name", "digest", "sealed", "scopes")]
    sa.Table("tokens", metadata, *texts, sa.Column("managed", sa.Boolean), sa.Column("created_at", sa.Text))
    return metadata
