"""The metadata store: connection, migrations and transactions. It owns no table; each table has one owning module.

SQLite by default, through SQLAlchemy Core so that PostgreSQL can take its place. The store holds tokens, deployments
and the names of resources: small data, written rarely, always in a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from stonechat.errors import Kind, StonechatError


class StateTooNew(StonechatError):
    """The store was written by a newer version of the program."""

    code = "SC820"
    kind = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Migration:
    """One irreversible step of one owner's tables, applied once. Names never change after a release."""

    name: str
    apply: Callable[[sa.Connection], None]


_bookkeeping = sa.MetaData()
_migrations = sa.Table(
    "migrations",
    _bookkeeping,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("applied_at", sa.String(26), nullable=False),
)


def create_tables(name: str, tables: sa.MetaData) -> Migration:
    """The migration that creates an owner's tables as they are declared."""
    return Migration(name, tables.create_all)


def add_columns(name: str, *columns: sa.Column[Any]) -> Migration:
    """The migration that gives a table, which an earlier version may have made, columns that may be NULL."""

    def apply(connection: sa.Connection) -> None:
        table = columns[0].table
        there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
        quote = connection.dialect.identifier_preparer.quote
        for column in columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(column.name)} {kind}")

    return Migration(name, apply)


def now() -> str:
    """The present moment in UTC as clients read it: `YYYY-MM-DD HH:MM:SS.ffffff`."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


class StateStore:
    """Opens the store at a SQLAlchemy URL and brings its tables up to date."""

    def __init__(self, url: str, migrations: Sequence[Migration]) -> None:
        self._database = sa.create_engine(url)
        if self._database.dialect.name == "sqlite":
            event.listen(self._database, "connect", _prepare_sqlite)
        _bookkeeping.create_all(self._database)
        self._migrate(migrations)

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        with self.transaction() as connection:
            applied = set(connection.scalars(sa.select(_migrations.c.name)))
            if unknown := applied - {migration.name for migration in migrations}:
                raise StateTooNew(
                    f"The data folder was written by a newer version of stonechat ({', '.join(sorted(unknown))})",
                    hint="Upgrade stonechat, or start it on another data folder.",
                )
            for migration in migrations:
                if migration.name not in applied:
                    migration.apply(connection)
                    connection.execute(_migrations.insert().values(name=migration.name, applied_at=now()))

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A connection whose changes are committed together, or not at all when the block raises."""
        with self._database.begin() as connection:
            yield connection

    def close(self) -> None:
        """Release every connection."""
        self._database.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # FULL: a deployment or token that was acknowledged survives a power loss.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
