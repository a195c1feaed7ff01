"""What a token may do: scopes, and the one place that decides on them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from stonechat.errors import Kind, StonechatError


class ScopeType(Enum):
    """The scopes of the contract that name a right; resource scopes also name a resource."""

    ADMIN = "ADMIN"
    #: Of the server's owner alone: workspaces are made, listed and deleted with it. No request may grant it.
    USER = "USER"
    TOKENS = "TOKENS"
    READ_ALL = "WORKSPACE:READ_ALL"
    DEPLOY = "WORKSPACE:DEPLOY"
    CREATE_DATA_SOURCE = "DATASOURCES:CREATE"
    READ_DATA_SOURCE = "DATASOURCES:READ"
    APPEND_DATA_SOURCE = "DATASOURCES:APPEND"
    DROP_DATA_SOURCE = "DATASOURCES:DROP"
    CREATE_PIPE = "PIPES:CREATE"
    READ_PIPE = "PIPES:READ"
    DROP_PIPE = "PIPES:DROP"

    # Each is one object: what it is by default, the hash of its name, is asked for several times a request.
    __hash__ = object.__hash__


_WITH_RESOURCE = {
    ScopeType.READ_DATA_SOURCE,
    ScopeType.APPEND_DATA_SOURCE,
    ScopeType.DROP_DATA_SOURCE,
    ScopeType.READ_PIPE,
    ScopeType.DROP_PIPE,
}
MAY_BE_FILTERED = frozenset({ScopeType.READ_DATA_SOURCE})
#: The rights that a token with filters or fixed parameters may have: any other would lead around these.
OF_NARROWED = frozenset({ScopeType.READ_DATA_SOURCE, ScopeType.APPEND_DATA_SOURCE, ScopeType.READ_PIPE})


class InvalidScope(StonechatError):
    """A scope's text is none of the contract's."""

    code = "SC401"
    kind = Kind.INVALID


class InvalidToken(StonechatError):
    """No token was given, or none of that value exists."""

    code = "SC400"
    kind = Kind.FORBIDDEN

    def __init__(self, message: str = "invalid authentication token") -> None:
        super().__init__(
            message, hint="Send a token of this server as 'Authorization: Bearer <token>' or '?token=<token>'."
        )


class AccessDenied(StonechatError):
    """The token is valid but does not carry the right that the operation needs."""

    code = "SC402"
    kind = Kind.FORBIDDEN


class BeyondScopes(AccessDenied):
    """What a JSON Web Token asks for is not in its scopes, or is not there: it cannot tell which."""

    def __init__(self) -> None:
        super().__init__(
            "The token has not enough permissions for this, or it does not exist",
            hint="Its scopes name the pipes and data sources that it may use.",
        )


class GrantRefused(StonechatError):
    """A caller would give or see a right through a token that it does not have itself."""

    code = "SC403"
    kind = Kind.FORBIDDEN


@dataclass(frozen=True, slots=True)
class Scope:
    """One right of a token: a type and, where the type asks for one, a resource.

    `filter` is a condition on the rows of a data source that the token may read; empty for all of them.
    """

    type: ScopeType
    resource: str = ""
    filter: str = ""

    @classmethod
    def parse(cls, text: str) -> Scope:
        """`PIPES:READ:name` and the like; `DATASOURCES:READ:name:filter` for some rows. Raises `InvalidScope`."""
        for kind in ScopeType:
            if text == kind.value and kind not in _WITH_RESOURCE:
                return cls(kind)
            if kind in _WITH_RESOURCE and text.startswith(kind.value + ":"):
                resource, colon, condition = text.removeprefix(kind.value + ":").partition(":")
                condition = condition.strip()
                # A filter that is empty or in two lines is a slip, and must not come to mean all rows.
                if resource and (not colon or (kind in MAY_BE_FILTERED and condition and condition.isprintable())):
                    return cls(kind, resource, condition)
        raise InvalidScope(f"Invalid scope '{text}'", hint="Scopes look like ADMIN or PIPES:READ:my_pipe.")

    def __str__(self) -> str:
        return ":".join(filter(None, (self.type.value, self.resource, self.filter)))

    @property
    def right(self) -> Scope:
        """The scope without its filter."""
        return replace(self, filter="") if self.filter else self


_ADMIN = Scope(ScopeType.ADMIN)
_READ_ALL = Scope(ScopeType.READ_ALL)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: a token of a workspace, with its scopes and what narrows them.

    `filters` holds the predicates of each data source of which the token shows only some rows, all of which must hold;
    `fixed` the parameters of pipes that the token sets, by pipe; `requests_per_second` its own limit, 0 for none. All
    tokens with one `counted_as` have that limit together.
    """

    workspace_id: str
    token_id: str
    token_name: str
    scopes: frozenset[Scope] = field(default_factory=frozenset)
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    fixed: Mapping[str, Mapping[str, str | Sequence[str]]] = field(default_factory=dict, hash=False)
    requests_per_second: float = 0.0
    counted_as: str = ""

    @classmethod
    def of(cls, workspace_id: str, token_id: str, token_name: str, scopes: Iterable[Scope]) -> Caller:
        """The caller that a token with these scopes stands for; their filters become its own."""
        filters: dict[str, tuple[str, ...]] = {}
        for scope in scopes:
            if scope.filter:
                filters[scope.resource] = (*filters.get(scope.resource, ()), scope.filter)
        return cls(workspace_id, token_id, token_name, frozenset(scope.right for scope in scopes), filters)

    @property
    def is_admin(self) -> bool:
        """Whether the caller may do everything in its workspace."""
        return _ADMIN in self.scopes and not self.is_narrowed

    @property
    def is_signed(self) -> bool:
        """Whether it is a JSON Web Token, for somebody outside, who is not told what there is beside its scopes."""
        return bool(self.counted_as)

    @property
    def is_narrowed(self) -> bool:
        """Whether there are rows behind what the caller may read that are not for it."""
        return bool(self.filters or self.fixed)

    @property
    def narrowing(self) -> Hashable:
        """All that narrows what the caller reads, to tell its answers from those of others; None if nothing does."""
        if not self.is_narrowed:
            return None
        fixed = [
            (pipe, name, value if isinstance(value, str) else tuple(value))
            for pipe, values in self.fixed.items()
            for name, value in values.items()
        ]
        return frozenset(self.filters.items()), frozenset(fixed)

    def may(self, right: ScopeType, resource: str = "") -> bool:
        """Whether the caller has a right, by that scope, or by one that includes it."""
        narrowed = self.is_narrowed
        if narrowed and right not in OF_NARROWED:
            return False
        if Scope(right, resource) in self.scopes:
            return True
        if not narrowed and _ADMIN in self.scopes:
            return right is not ScopeType.USER
        if right in {ScopeType.READ_DATA_SOURCE, ScopeType.READ_PIPE}:
            if not narrowed and _READ_ALL in self.scopes:
                return True
            base = resource.removesuffix("_quarantine")
            # What is in a quarantine did not fit the columns that a filter is about.
            covered = right is ScopeType.READ_DATA_SOURCE and base != resource and base not in self.filters
            return covered and Scope(right, base) in self.scopes
        return False

    def require(self, right: ScopeType, resource: str = "") -> None:
        """Raise `AccessDenied` unless the caller has the right."""
        if not self.may(right, resource):
            needed = Scope(right, resource)
            raise AccessDenied(
                f"The token has not enough permissions: it needs the scope {needed}",
                hint=f"Use a token with the scope {needed}, or the workspace admin token.",
            )

    def require_all_rows(self, data_source: str) -> None:
        """Raise `AccessDenied` unless the caller may read every row of a data source or quarantine."""
        self.require(ScopeType.READ_DATA_SOURCE, data_source)
        if data_source in self.filters:
            raise AccessDenied(
                f"The token has a filter for '{data_source}', and this is about all of its rows",
                hint="Use a token that may read all of them.",
            )

    def may_manage(self, scopes: Iterable[Scope]) -> bool:
        """Whether the caller may make, see and change tokens with these scopes.

        `TOKENS` is the right to give away single resources; rights on the whole workspace only as far as one has them.
        """
        return self.may(ScopeType.TOKENS) and all(scope.resource or self.may(scope.type) for scope in scopes)

    def with_names(self, names: Mapping[str, str]) -> Caller:
        """The same caller, with the names of resources that its scopes have by their ids."""
        if not any(scope.resource in names for scope in self.scopes):
            return self
        filters: dict[str, tuple[str, ...]] = {}
        for name, predicates in self.filters.items():
            known = names.get(name, name)
            filters[known] = (*filters.get(known, ()), *predicates)
        fixed: dict[str, Mapping[str, str | Sequence[str]]] = {}
        for name, values in self.fixed.items():
            known = names.get(name, name)
            fixed[known] = {**fixed.get(known, {}), **values}
        scopes = frozenset(replace(scope, resource=names.get(scope.resource, scope.resource)) for scope in self.scopes)
        return replace(self, scopes=scopes, filters=filters, fixed=fixed)
