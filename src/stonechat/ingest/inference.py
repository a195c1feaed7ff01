"""From a sample of rows to a SCHEMA: which columns a data source needs to take such rows in.

Objects become columns of their own (`$.author.name` -> `author_name`), arrays of objects one array for each key
(`$.items[:].price`). What has no path or no single type is kept as JSON text in a String.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stonechat.errors import Kind, StonechatError
from stonechat.ingest.codecs import UNREADABLE
from stonechat.ingest.infer_types import STRING, float_type, integer_type, text_type
from stonechat.ingest.jsonpaths import EACH

SAMPLED_BYTES = 4_000_000
SAMPLED_ROWS = 10_000
_MOST_COLUMNS = 500
_MOST_KEYS = 100
_DEEPEST = 16
_KEY = re.compile(r"\w(?:[\w $@:/-]*[\w$@:/-])?|@\w[\w-]*")
_RESERVED = frozenset(("_row_exists", "_block_number", "_block_offset"))
"""Names that no column of a table may have."""
_QUOTED_KEY = re.compile(r"[^'`\x00-\x1f\x7f]+")


class NothingToInfer(StonechatError):
    """The sample has no row that can be read, or none with anything in it."""

    code = "SC640"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class InferredColumn:
    """A column for a SCHEMA. `path` is its jsonpath, None for CSV; `present` the share of rows with a value, 0 to 1."""

    name: str
    path: str | None
    type: str
    present: float

    @property
    def definition(self) -> str:
        """The column as SCHEMA has it. Arrays cannot be Nullable: a row without one gets an empty one."""
        parts = [self.name, self.type]
        parts += [f"`json:{self.path}`"] if self.path else []
        parts += ["DEFAULT []"] if self.present < 1 and self.type.startswith("Array(") else []
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Inference:
    """The columns that a sample asks for, and its rows as lines of JSON that those columns take."""

    columns: tuple[InferredColumn, ...]
    rows: tuple[bytes, ...]

    @property
    def schema(self) -> str:
        """The text of SCHEMA, on one line."""
        return ", ".join(column.definition for column in self.columns)


def infer_ndjson(body: bytes) -> Inference:
    """The columns of events: JSON objects one a line, an array of them, or a single one. Raises `NothingToInfer`.

    The first 10,000 rows of the first 4 MB are looked at; lines that are no JSON objects are passed over.
    """
    lines: list[bytes] = []
    root = _Seen()
    for line in _documents(body):
        document = _document(line)
        if document is None:
            continue
        root.add(document, 0)
        lines.append(line)
    if not lines:
        raise NothingToInfer("No row can be read", hint="Send JSON objects, one a line.")
    columns = named_columns((path, kind, count / len(lines)) for path, kind, count in _columns(root, len(lines)))
    if not columns:
        raise NothingToInfer("The rows have no key that a column can be made of")
    return Inference(columns, tuple(lines))


def named_columns(found: Iterable[tuple[str, str, float]]) -> tuple[InferredColumn, ...]:
    """Columns of (jsonpath, type, share of rows), named after their paths: letters, digits and underscores, no twice.

    A type that not all rows have a value of becomes Nullable.
    """
    columns: dict[str, InferredColumn] = {}
    for path, kind, present in found:
        if len(columns) == _MOST_COLUMNS:
            break
        keys = path.replace("['", ".").replace("']", "").replace(EACH, "")
        name = column_name(keys.removeprefix("$."), columns)
        optional = present < 1 and not kind.startswith("Array(")
        columns[name] = InferredColumn(name, path, f"Nullable({kind})" if optional else kind, present)
    return tuple(columns.values())


def column_name(text: str, taken: Container[str], number: int = 1) -> str:
    """A plain column name for a key or a title, with a number behind it where the plain one is taken.

    All below `number` are known to be taken.
    """
    plain = _plain(text)
    while (name := plain if number == 1 else f"{plain}_{number}") in taken:
        number += 1
    return name


def column_names(titles: Iterable[str]) -> list[str]:
    """The names of columns with these titles, in their order."""
    names: dict[str, None] = {}
    alike: Counter[str] = Counter()
    for title in titles:
        plain = _plain(title)
        alike[plain] += 1
        names[column_name(plain, names, alike[plain])] = None
    return list(names)


def _plain(text: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", text) or "column"
    if plain in _RESERVED:
        return plain.removeprefix("_")
    return f"_{plain}" if plain[0].isdigit() else plain


def is_reachable(key: str) -> bool:
    """Whether a jsonpath can name the key."""
    return _QUOTED_KEY.fullmatch(key) is not None


def step_to(key: str) -> str:
    """The step of a jsonpath to a key that is reachable."""
    return f".{key}" if _KEY.fullmatch(key) else f"['{key}']"


@dataclass(slots=True)
class _Seen:
    """What a sample has at one path: how many values but null, and what they are."""

    count: int = 0
    booleans: bool = False
    integers: list[int] = field(default_factory=list)
    floats: list[float] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    objects: int = 0
    keys: dict[str, _Seen] = field(default_factory=dict)
    arrays: int = 0
    element_count: int = 0
    elements: _Seen | None = None

    def add(self, value: Any, depth: int) -> None:
        """Note one value of the path."""
        if value is None:
            return
        self.count += 1
        match value:
            case bool():
                self.booleans = True
            case int():
                self.integers.append(value)
            case float():
                self.floats.append(value)
            case str():
                self.texts.add(value)
            case dict():
                self.objects += 1
                self._add_object(value, depth)
            case list():
                self.arrays += 1
                self._add_array(value, depth)

    def _add_object(self, value: dict[str, Any], depth: int) -> None:
        if depth < _DEEPEST:
            for key, each in value.items():
                self.keys.setdefault(key, _Seen()).add(each, depth + 1)

    def _add_array(self, value: list[Any], depth: int) -> None:
        if depth < _DEEPEST:
            self.elements = self.elements or _Seen()
            self.element_count += len(value)
            for each in value:
                self.elements.add(each, depth + 1)

    @property
    def is_record(self) -> bool:
        """Whether each key can be a column: nothing but objects here, with few keys that paths can name."""
        few = 0 < len(self.keys) <= _MOST_KEYS
        return self.objects == self.count > 0 and few and all(map(is_reachable, self.keys))

    @property
    def scalar_type(self) -> str:
        """The type of values of one kind; String for more kinds than one."""
        kinds = [self.booleans, self.integers or self.floats, self.texts, self.objects, self.arrays]
        if sum(map(bool, kinds)) != 1:
            return STRING
        if self.booleans:
            return "Bool"
        if self.floats:
            return float_type([*self.floats, *self.integers])
        if self.integers:
            return integer_type(min(self.integers), max(self.integers))
        return text_type(self.texts)


def _columns(root: _Seen, rows: int) -> Iterator[tuple[str, str, int]]:
    """(jsonpath, type, rows with a value) of each leaf. Keys of the row itself that no path can name are left out."""
    for key, seen in root.keys.items():
        if is_reachable(key):
            for path, kind, count in _leaves(seen, rows):
                yield f"${step_to(key)}{path}", kind, count


def _leaves(seen: _Seen, total: int) -> Iterator[tuple[str, str, int]]:
    """The leaves below a path of which there are `total` values, null and missing ones included."""
    if seen.is_record:
        for key, child in seen.keys.items():
            for path, kind, count in _leaves(child, total):
                yield f"{step_to(key)}{path}", kind, count
    elif seen.elements is not None and seen.arrays == seen.count:
        for path, kind in _element_leaves(seen.elements, seen.element_count):
            yield f"{EACH}{path}", f"Array({kind})", seen.count
    else:
        yield "", seen.scalar_type, seen.count


def _element_leaves(elements: _Seen, total: int) -> Iterator[tuple[str, str]]:
    leaves = list(_leaves(elements, total))
    if not elements.is_record:
        # An array in an array has no path of its own, nor have the keys of objects in it.
        plain = leaves[0][0] in {"", EACH}
        leaves = [("", leaves[0][1] if plain else STRING, elements.count)]
    for path, kind, count in leaves:
        if count < total:
            yield path, f"Nullable({STRING if kind.startswith('Array(') else kind})"
        else:
            yield path, kind


def _document(line: bytes) -> dict[str, Any] | None:
    """The object that a line is, or None. A number too large for a float is infinite here, and JSON all the same."""
    try:
        return _OBJECT.decode(line)
    except msgspec.ValidationError:
        pass
    except UNREADABLE:
        return None
    try:
        document = json.loads(line.decode(), parse_constant=_refused)
    except (*UNREADABLE, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _refused(constant: str) -> None:
    raise ValueError(constant)


def _documents(body: bytes) -> Sequence[bytes]:
    """The rows of a body, as they are written."""
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if len(text) <= SAMPLED_BYTES:
        try:
            if text.startswith(b"["):
                return [bytes(document).strip() for document in _ARRAY.decode(text)][:SAMPLED_ROWS]
            if text.startswith(b"{"):
                return [msgspec.json.format(bytes(_RAW.decode(text)), indent=-1)]
        except UNREADABLE:
            pass
    return list(sampled_lines(text))


def sampled_lines(body: bytes) -> Iterator[bytes]:
    """The whole lines at the beginning of a body, without blank ones; a longer first line comes as far as the limit."""
    end = len(body) if len(body) <= SAMPLED_BYTES else body.rfind(b"\n", 0, SAMPLED_BYTES) + 1
    lines = (line.strip() for line in body[: end or SAMPLED_BYTES].split(b"\n"))
    for number, line in enumerate(line for line in lines if line):
        if number == SAMPLED_ROWS:
            return
        yield line


_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_RAW = msgspec.json.Decoder(msgspec.Raw)
