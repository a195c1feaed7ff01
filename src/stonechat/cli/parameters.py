"""`--param NAME=VALUE`: the parameters of a pipe on the command line."""

from __future__ import annotations

from stonechat.errors import Kind, StonechatError


class InvalidParameter(StonechatError):
    """A parameter of a pipe does not have the form `NAME=VALUE`."""

    code = "SC968"
    kind = Kind.INVALID


def parameter(text: str) -> tuple[str, str]:
    """The name and the value. Raises `InvalidParameter`."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidParameter(f"--param {text} is not NAME=VALUE", hint="For example --param day=2026-01-31.")
    return name, value
