"""What the program offers to its users, read from the program itself."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from starlette.routing import Route

import stonechat
import stonechat.http
from stonechat.cli.main import app
from stonechat.errors import StonechatError

SOURCE = Path(stonechat.__file__).parent


@dataclass(frozen=True)
class Command:
    """A command of the command line: its help, its arguments' names, and its options with their variables."""

    help: str
    arguments: tuple[str, ...]
    options: Mapping[str, str | None] = field(default_factory=dict)


def modules() -> list[ModuleType]:
    """Every module of the package, imported; `__main__` would run."""
    walked = pkgutil.walk_packages(stonechat.__path__, "stonechat.")
    return [importlib.import_module(item.name) for item in walked if item.name != "stonechat.__main__"]


def error_classes() -> list[type[StonechatError]]:
    """Every class of error, the base classes included."""
    modules()
    found: list[type[StonechatError]] = [StonechatError]
    for known in found:
        found += [child for child in known.__subclasses__() if child not in found]
    return [known for known in found if known.__module__.startswith("stonechat.")]


def routes() -> set[tuple[str, str]]:
    """Method and path of every route. Handlers are only made here, never called, so they need nothing real."""
    found: set[tuple[str, str]] = set()
    for item in pkgutil.iter_modules(stonechat.http.__path__, "stonechat.http."):
        make = getattr(importlib.import_module(item.name), "routes", None)
        if make is not None:
            nothing: dict[str, Any] = dict.fromkeys(inspect.signature(make).parameters)
            found |= {(method, path) for route in make(**nothing) for method, path in _methods(route)}
    return found


def commands() -> dict[str, Command]:
    """Every command by its full name, such as `stonechat token ls`."""
    return dict(_commands("stonechat", typer.main.get_command(app)))


def _methods(route: Route) -> Iterator[tuple[str, str]]:
    for method in route.methods or ():
        if method != "HEAD":
            yield method, route.path


def _commands(name: str, command: Any) -> Iterator[tuple[str, Command]]:
    children: Mapping[str, Any] = getattr(command, "commands", {})
    for child, inner in children.items():
        yield from _commands(f"{name} {child}", inner)
    if not children:
        arguments = tuple(item.name for item in command.params if item.param_type_name == "argument")
        options = {item.opts[0]: item.envvar for item in command.params if item.param_type_name == "option"}
        yield name, Command(command.help or "", arguments, options)
