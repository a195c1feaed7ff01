"""`stonechat token`: the tokens of a running server."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from stonechat.cli.connection import DEFAULT_URL, AccessToken, Url
from stonechat.cli.console import out
from stonechat.client import Remote
from stonechat.errors import Kind, StonechatError

app = typer.Typer(help="Make tokens, look at them, change and revoke them.", no_args_is_help=True)
TokenName = Annotated[str, typer.Argument(help="The token's name.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="Such as PIPES:READ:NAME or DATASOURCES:READ:NAME:FILTER; several times for several."),
]
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class UnknownToken(StonechatError):
    """The server has no token of that name."""

    code = "SC966"
    kind = Kind.MISSING


class InvalidTokenOption(StonechatError):
    """A lifetime or a fixed parameter does not have the form that its help gives."""

    code = "SC971"
    kind = Kind.INVALID


@app.command("ls")
def list_tokens(
    as_json: Annotated[bool, typer.Option("--json", help="An object of values by name.")] = False,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """List the tokens of a running server with their values and scopes."""
    with Remote(url, token) as remote:
        listed = remote.tokens()
    if as_json:
        sys.stdout.write(json.dumps({item["name"]: item["token"] for item in listed}, indent=2) + "\n")
        return
    for item in listed:
        scopes = ", ".join(":".join(scope.values()) for scope in item["scopes"])
        out.print(f"{item['name']}  ({scopes})\n  {item['token']}", markup=False)


@app.command("show")
def show(name: TokenName, url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """Print the value of one token, for scripts."""
    with Remote(url, token) as remote:
        values = {item["name"]: item["token"] for item in remote.tokens()}
    if name not in values:
        raise UnknownToken(f"There is no token '{name}'", hint=f"Tokens are: {', '.join(values)}.")
    _print_value(values[name])


@app.command("create")
def create(
    name: TokenName,
    scopes: Scopes = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Make a token that holds until it is revoked, and print its value."""
    with Remote(url, token) as remote:
        made = remote.create_token({"name": name, "scopes": scopes or [], "description": description})
    _print_value(made)


@app.command("refresh")
def refresh(name: TokenName, url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """Give a token another value, and print it; the old one holds no more."""
    with Remote(url, token) as remote:
        value = remote.refresh_token(name)
    _print_value(value)


@app.command("rm")
def remove(name: TokenName, url: Url = DEFAULT_URL, token: AccessToken = None) -> None:
    """Revoke a token."""
    with Remote(url, token) as remote:
        remote.remove_token(name)
    out.print(f"{name} is revoked.", markup=False)


@app.command("jwt")
def sign(  # noqa: PLR0917 - the parameters are the command's options
    name: TokenName,
    scopes: Scopes = None,
    fixed: Annotated[
        list[str] | None, typer.Option("--fix", help="PIPE:PARAMETER=VALUE: read the pipe with just this value.")
    ] = None,
    ttl: Annotated[str, typer.Option(help="How long it holds: 30s, 15m, 1h, 7d.")] = "1h",
    rps: Annotated[float | None, typer.Option(help="Requests per second, of all tokens of that name.")] = None,
    url: Url = DEFAULT_URL,
    token: AccessToken = None,
) -> None:
    """Have the server sign a JSON Web Token, and print it."""
    wanted: dict[str, Any] = {"name": name, "scopes": [*(scopes or []), *_fixing(fixed or [])]}
    wanted["expiration_time"] = int(time.time()) + _seconds(ttl)
    if rps is not None:
        wanted["limits"] = {"rps": rps}
    with Remote(url, token) as remote:
        value = remote.create_token(wanted)
    _print_value(value)


def _print_value(value: str) -> None:
    sys.stdout.write(value + "\n")


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if match is None:
        raise InvalidTokenOption(f"--ttl {text} is no lifetime", hint="Write it as 30s, 15m, 1h or 7d.")
    return int(match[1]) * _SECONDS[match[2]]


def _fixing(texts: Sequence[str]) -> list[Mapping[str, Any]]:
    """A scope for each pipe with the values that are fixed; a parameter that is given several times is a list."""
    found: dict[str, dict[str, list[str]]] = {}
    for text in texts:
        match = re.fullmatch(r"([^:=]+):([^=]+)=(.*)", text, re.DOTALL)
        if match is None:
            raise InvalidTokenOption(f"--fix {text} is not PIPE:PARAMETER=VALUE", hint="For example --fix top:limit=5.")
        found.setdefault(match[1], {}).setdefault(match[2], []).append(match[3])
    return [
        {
            "type": "PIPES:READ",
            "resource": pipe,
            "fixed_params": {key: value if len(value) > 1 else value[0] for key, value in values.items()},
        }
        for pipe, values in found.items()
    ]
