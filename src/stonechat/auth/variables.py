"""The secrets of workspaces, which the API calls variables. Owns the table `variables`.

A value is kept sealed and is handed to the program alone: whoever sets a variable cannot read it again.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stonechat.auth.secrets import SecretBox
from stonechat.errors import Kind, StonechatError
from stonechat.state import StateStore, create_tables, now

_metadata = sa.MetaData()
_variables = sa.Table(
    "variables",
    _metadata,
    sa.Column("workspace_id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("created_at", sa.String(26), nullable=False),
    sa.Column("updated_at", sa.String(26), nullable=False),
    sa.Column("edited_by", sa.String(200), nullable=False),
)
MIGRATIONS = (create_tables("variables-1", _metadata),)

MOST_VARIABLES = 100
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}")


class UnknownVariable(StonechatError):
    """The workspace has no variable of that name. The contract has one text for reading it, another for changing it."""

    code = "SC420"
    kind = Kind.MISSING


class VariableExists(StonechatError):
    """A variable of that name is there already."""

    code = "SC421"
    kind = Kind.CONFLICT


class InvalidVariable(StonechatError):
    """A variable has no proper name, value or type, or is one too many."""

    code = "SC422"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable without its value. Times are in UTC as `state.now` gives them; `edited_by` names a token or a file."""

    name: str
    created_at: str
    updated_at: str
    edited_by: str


class Variables:
    """All variables of a data folder. Values are answered from memory; every change goes to the store first."""

    def __init__(self, store: StateStore, box: SecretBox) -> None:
        self._store = store
        self._box = box
        self._loading = threading.Lock()
        self._values: Mapping[str, Mapping[str, str]] = {}
        self._load()

    def secrets(self, workspace_id: str) -> Mapping[str, str]:
        """A view of a workspace's values by name, always as they are at the moment of asking."""
        return _PresentValues(lambda: self._values.get(workspace_id, {}))

    def all(self, workspace_id: str) -> Sequence[Variable]:
        """A workspace's variables in the order of their names."""
        query = sa.select(_variables).where(_variables.c.workspace_id == workspace_id).order_by(_variables.c.name)
        with self._store.transaction() as connection:
            return [_variable(row) for row in connection.execute(query)]

    def get(self, workspace_id: str, name: str) -> Variable:
        """One variable. Raises `UnknownVariable`."""
        for variable in self.all(workspace_id):
            if variable.name == name:
                return variable
        raise UnknownVariable("Not found")

    def create(self, workspace_id: str, name: str, value: str, *, edited_by: str) -> Variable:
        """Keep a new variable. Raises `VariableExists` or `InvalidVariable`."""
        if not _NAME.fullmatch(name):
            hint = "Names have letters, digits, underscores, dots and hyphens, 200 at most"
            raise InvalidVariable("The variable's name is not valid", hint=hint)
        mine = _variables.c.workspace_id == workspace_id
        row = {"workspace_id": workspace_id, "name": name, "created_at": now()}
        row |= {"sealed": self._box.seal(value), "updated_at": row["created_at"], "edited_by": edited_by}
        try:
            with self._store.transaction() as connection:
                connection.execute(_variables.insert().values(**row))
                count = connection.scalar(sa.select(sa.func.count()).where(mine))
                if count is not None and count > MOST_VARIABLES:
                    raise InvalidVariable(f"A workspace has at most {MOST_VARIABLES} variables")
        except IntegrityError as error:
            hint = f"Change it with PUT /v0/variables/{name}"
            raise VariableExists(f"The variable '{name}' already exists", hint=hint) from error
        self._load()
        return self.get(workspace_id, name)

    def change(self, workspace_id: str, name: str, value: str, *, edited_by: str) -> Variable:
        """Give a variable another value. Raises `UnknownVariable`."""
        values = {"sealed": self._box.seal(value), "updated_at": now(), "edited_by": edited_by}
        with self._store.transaction() as connection:
            if not connection.execute(_variables.update().where(*_is(workspace_id, name)).values(**values)).rowcount:
                raise UnknownVariable("Variable not found")
        self._load()
        return self.get(workspace_id, name)

    def remove(self, workspace_id: str, name: str) -> None:
        """Forget a variable. Raises `UnknownVariable`."""
        with self._store.transaction() as connection:
            if not connection.execute(_variables.delete().where(*_is(workspace_id, name))).rowcount:
                raise UnknownVariable("Variable not found")
        self._load()

    def remove_all(self, workspace_id: str) -> None:
        """Forget the variables of a workspace."""
        with self._store.transaction() as connection:
            self.forget(connection, workspace_id)
        self._load()

    def put_all(self, workspace_id: str, values: Mapping[str, str], *, edited_by: str) -> None:
        """Create or change variables; those that have the value already, and all others, stay as they are."""
        present = self.secrets(workspace_id)
        for name, value in values.items():
            if name not in present:
                self.create(workspace_id, name, value, edited_by=edited_by)
            elif present[name] != value:
                self.change(workspace_id, name, value, edited_by=edited_by)

    def forget(self, connection: sa.Connection, workspace_id: str) -> None:
        """Forget the variables of a workspace, inside the transaction that deletes it."""
        connection.execute(_variables.delete().where(_variables.c.workspace_id == workspace_id))

    def _load(self) -> None:
        # One at a time: of two changes at once, the one that ends first must not bring its older reading back.
        with self._loading:
            with self._store.transaction() as connection:
                rows = connection.execute(sa.select(_variables)).all()
            values: dict[str, dict[str, str]] = {}
            for row in rows:
                values.setdefault(row.workspace_id, {})[row.name] = self._box.unseal(row.sealed)
            self._values = values


class _PresentValues(Mapping[str, str]):
    """A mapping that looks its content up each time. It shows no value when it is printed."""

    def __init__(self, content: Callable[[], Mapping[str, str]]) -> None:
        self._content = content

    def __getitem__(self, name: str) -> str:
        return self._content()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content())

    def __len__(self) -> int:
        return len(self._content())


def _is(workspace_id: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _variables.c.workspace_id == workspace_id, _variables.c.name == name


def _variable(row: sa.Row[tuple[object, ...]]) -> Variable:
    return Variable(row.name, row.created_at, row.updated_at, row.edited_by)
