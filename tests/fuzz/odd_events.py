"""Events of the right shape with members that are missing, there twice, unknown, null, or written in an odd way."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

_KEYS = ("", "c", "c1", "c11", "C1", "new", "o", "p", "ü", "\u2028", "x" * 300)
_ANYTHING = (
    *("null", "true", "false", "-0", "1e400", "-1.5E-7", "9" * 90, '""', '"\\u0061\\n"', '"ü"', "[ ]", "{ }"),
    *("[1, [2]]", '{"c1":1,"c1":2,"":{}}', '["\\\\", "\\ud83d\\ude00"]'),
)
_BROKEN = ("01", "1.", "-", "nul", "NaN", '"\\x"', '"\\ud800"', "[1,]", "{,}", '{"a"}', "", '"')


def odd_event(event: Mapping[str, Any], chance: random.Random) -> str:
    """The text of an event, mostly one that is JSON still."""
    return _spaced(_object(event, chance), chance)


def _object(members: Mapping[str, Any], chance: random.Random) -> str:
    written = []
    for key, value in members.items():
        how = chance.random()
        if how < 0.04:
            continue
        written.append((_key(key, chance), _value(value, chance)))
        if how < 0.045:
            written.append((_key(key, chance), _value(value, chance)))
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        written.insert(chance.randrange(len(written) + 1), (_key(chance.choice(_KEYS), chance), _anything(chance)))
    return "{" + ",".join(f"{_spaced(key, chance)}:{_spaced(value, chance)}" for key, value in written) + "}"


def _key(key: str, chance: random.Random) -> str:
    how = chance.random()
    if how < 0.003:
        return '"' + "".join(f"\\u{ord(character):04x}" for character in key) + '"'
    if how < 0.006:
        key = key.upper() if how < 0.005 else key + "1"
    return json.dumps(key, ensure_ascii=False)


def _value(value: Any, chance: random.Random) -> str:
    how = chance.random()
    if how < 0.01:
        return "null" if how < 0.007 else _anything(chance)
    if how < 0.03:
        return _in_another_form(value, chance)
    if isinstance(value, dict):
        return _object(value, chance)
    return json.dumps(value, ensure_ascii=chance.random() < 0.3)


def _in_another_form(value: Any, chance: random.Random) -> str:
    """The same value, or nearly, in a form that some columns take as well."""
    match value:
        case bool():
            return chance.choice((str(int(value)), f'"{int(value)}"', f'"{str(value).lower()}"'))
        case int() | float():
            return chance.choice((f'"{value}"', "true", "false", f'"{value}e0"', f"{value}.0", f'" {value}"', '"-0"'))
        case str():
            return chance.choice(
                (json.dumps({"a\t": [value, {}]}), "1.50", "true", "[ ]", "-1e-7", '{ "a":\t"\\\\\\""}')
            )
        case _:
            return json.dumps([value, str(value)])


def _anything(chance: random.Random) -> str:
    """A value of JSON, rarely one that is nested far, and more rarely none."""
    how = chance.random()
    if how < 0.03:
        depth = chance.choice((3, 62, 63, 64, 65, 66, 300))
        return '{"a":[' * (depth // 2) + "[" * (depth % 2) + "]" * (depth % 2) + "]}" * (depth // 2)
    if how < 0.05:
        return chance.choice(_BROKEN)
    return chance.choice(_ANYTHING)


def _spaced(text: str, chance: random.Random) -> str:
    return text if chance.random() < 0.9 else chance.choice((" ", "\t", "\r", "  ")) + text + chance.choice(("", " "))
