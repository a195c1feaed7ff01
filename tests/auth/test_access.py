"""A caller may do what its scopes say, and nothing else."""

from __future__ import annotations

import pytest

from stonechat.auth.access import AccessDenied, Caller, InvalidScope, Scope, ScopeType


def _caller(*scopes: str) -> Caller:
    return Caller("w", "t", "token", frozenset(map(Scope.parse, scopes)))


@pytest.mark.parametrize("text", ["ADMIN", "TOKENS", "WORKSPACE:READ_ALL", "PIPES:READ:top", "DATASOURCES:APPEND:m_1"])
def test_scopes_print_as_they_are_read(text: str) -> None:
    assert str(Scope.parse(text)) == text


@pytest.mark.parametrize("text", ["", "admin", "PIPES:READ", "PIPES:READ:", "PIPES:READ:a:b=1", "ADMIN:x", "SUDO"])
def test_other_texts_are_no_scopes(text: str) -> None:
    with pytest.raises(InvalidScope, match="Invalid scope"):
        Scope.parse(text)


def test_an_admin_may_do_everything_but_what_the_owner_may() -> None:
    refused = [right for right in ScopeType if not _caller("ADMIN").may(right, "anything")]
    assert refused == [ScopeType.USER]


def test_a_scope_reaches_its_own_resource_only() -> None:
    caller = _caller("PIPES:READ:top")
    assert caller.may(ScopeType.READ_PIPE, "top")
    assert not caller.may(ScopeType.READ_PIPE, "bottom")
    assert not caller.may(ScopeType.READ_DATA_SOURCE, "top")
    assert not caller.may(ScopeType.APPEND_DATA_SOURCE, "top")


def test_reading_a_data_source_includes_its_quarantine_but_appending_does_not() -> None:
    assert _caller("DATASOURCES:READ:m").may(ScopeType.READ_DATA_SOURCE, "m_quarantine")
    assert not _caller("DATASOURCES:APPEND:m").may(ScopeType.READ_DATA_SOURCE, "m")
    assert not _caller("DATASOURCES:READ:m").may(ScopeType.APPEND_DATA_SOURCE, "m_quarantine")


def test_read_all_reads_everything_and_writes_nothing() -> None:
    caller = _caller("WORKSPACE:READ_ALL")
    assert caller.may(ScopeType.READ_PIPE, "any")
    assert caller.may(ScopeType.READ_DATA_SOURCE, "any")
    assert not caller.may(ScopeType.APPEND_DATA_SOURCE, "any")
    assert not caller.is_admin


def test_a_refusal_names_the_scope_that_is_missing() -> None:
    with pytest.raises(AccessDenied, match="DATASOURCES:APPEND:messages"):
        _caller("PIPES:READ:top").require(ScopeType.APPEND_DATA_SOURCE, "messages")
