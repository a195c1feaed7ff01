"""What requests say of the tokens that they make or change: as parameters of the URL, a form, or a JSON document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from stonechat.auth.access import OF_NARROWED, InvalidScope, Scope, ScopeType
from stonechat.auth.tokens import InvalidTokenRequest
from stonechat.http.bodies import read_body
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.service_data_sources import SERVICE_DATA_SOURCES, qualified
from stonechat.project.snapshot import SharedIsReadOnly, Snapshot, UnknownDataSource, UnknownPipe

_MAX_BODY_BYTES = 1_000_000
_PIPE_SCOPES = {ScopeType.READ_PIPE, ScopeType.DROP_PIPE}


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A wanted token. `scopes` are objects with a `type` and mostly a `resource`, None where the request names none.

    `expires`, in Unix seconds, makes it a JSON Web Token.
    """

    name: str
    scopes: Sequence[Mapping[str, Any]] | None
    description: str | None
    expires: int | None
    requests_per_second: float

    def static_scopes(self, snapshot: Snapshot) -> list[Scope]:
        """The scopes of a static token, their resources by name, each once. Raises `InvalidScope` for a wrong one."""
        if not self.scopes:
            raise InvalidTokenRequest("The token has no scopes", hint="Give one or more, as scope=PIPES:READ:my_pipe.")
        scopes = list(dict.fromkeys(_static_scope(scope, snapshot) for scope in self.scopes))
        wide = [scope for scope in scopes if scope.type not in OF_NARROWED]
        if wide and any(scope.filter for scope in scopes):
            raise InvalidScope(f"A token with a filter may not have the scope {wide[0]}", hint="Make two tokens.")
        return scopes


async def token_request(request: Request) -> TokenRequest:
    """What a request says. Raises `InvalidTokenRequest` or `InvalidScope`."""
    parameters = dict(request.query_params)
    scopes: list[Any] = list(request.query_params.getlist("scope"))
    body = await read_body(request, _MAX_BODY_BYTES)
    document: Mapping[str, Any] = {}
    # What the content type says is not to be relied on: clients send JSON without one, and `curl -d` calls it a form.
    if body.lstrip().startswith(b"{"):
        document = _document(body)
        scopes += _listed(document.get("scopes"))
    elif body:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        parameters |= dict(pairs)
        scopes += [value for key, value in pairs if key == "scope"]
    limits = document.get("limits")
    return TokenRequest(
        _text(document.get("name", parameters.get("name", "")), "name"),
        [_scope_object(scope) for scope in scopes] or None,
        _optional_text(document.get("description", parameters.get("description")), "description"),
        _seconds(document.get("expiration_time", parameters.get("expiration_time"))),
        _rate(limits.get("rps") if isinstance(limits, dict) else limits),
    )


def scope_object(scope: Scope) -> dict[str, str]:
    """A scope as clients have it in JSON."""
    named = {"type": scope.type.value, "resource": scope.resource, "filter": scope.filter}
    return {key: value for key, value in named.items() if value}


def resource_name(scope: Scope, snapshot: Snapshot) -> str:
    """The name of a scope's resource, which the scope may have by its id. Raises `InvalidScope` if it is not there."""
    try:
        if scope.type in _PIPE_SCOPES:
            return snapshot.pipe(scope.resource).name
        if scope.type is ScopeType.READ_DATA_SOURCE and (shared := snapshot.shared_source(scope.resource)) is not None:
            return shared.name
        base = scope.resource.removesuffix(QUARANTINE_SUFFIX)
        if base != scope.resource and scope.type is ScopeType.READ_DATA_SOURCE:
            return snapshot.data_source(base).name + QUARANTINE_SUFFIX
        return snapshot.data_source(scope.resource).name
    except (UnknownPipe, UnknownDataSource, SharedIsReadOnly) as error:
        raise InvalidScope(f"Invalid scope '{scope}': {error.message}", hint=error.hint) from error


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document: Mapping[str, Any] = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidTokenRequest(f"The request body is not valid JSON: {error}") from error
    return document


def _listed(scopes: Any) -> Sequence[Any]:
    if scopes is None:
        return []
    if not isinstance(scopes, list):
        raise InvalidTokenRequest("'scopes' is not a list")
    return scopes


def _scope_object(scope: Any) -> Mapping[str, Any]:
    """A scope as an object, whether it came as one or as text such as `PIPES:READ:my_pipe`."""
    if isinstance(scope, dict):
        # Clients send what they have no value for as null.
        return {key: value for key, value in scope.items() if value is not None}
    if not isinstance(scope, str):
        raise InvalidScope(f"Invalid scope '{scope}'")
    parsed = Scope.parse(scope)
    return scope_object(parsed)


def _static_scope(scope: Mapping[str, Any], snapshot: Snapshot) -> Scope:
    if scope.get("fixed_params"):
        raise InvalidScope("Only a JWT may have a scope with fixed_params", hint="Make a JWT: give expiration_time.")
    parts = (scope.get("type", ""), scope.get("resource") or "", scope.get("filter") or "")
    parsed = Scope.parse(":".join(str(part) for part in parts if part))
    services = map(qualified, SERVICE_DATA_SOURCES)
    if not parsed.resource or (parsed.type is ScopeType.READ_DATA_SOURCE and parsed.resource in services):
        return parsed
    return replace(parsed, resource=resource_name(parsed, snapshot))


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidTokenRequest(f"'{name}' is not a text")
    return value


def _optional_text(value: Any, name: str) -> str | None:
    return None if value is None else _text(value, name)


def _seconds(value: Any) -> int | None:
    if value is None or not value:
        return None
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidTokenRequest("'expiration_time' is not a time", hint="It is in seconds since 1970.") from error


def _rate(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InvalidTokenRequest("'limits' has no number of requests per second", hint='For example {"rps": 10}.')
    return float(value)
