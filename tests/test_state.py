"""The metadata store applies each migration once and commits all or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from stonechat.state import Migration, StateStore, StateTooNew, add_columns, create_tables, now

_tables = sa.MetaData()
_birds = sa.Table("birds", _tables, sa.Column("name", sa.String(20), primary_key=True))
_MIGRATIONS = (create_tables("birds-1", _tables),)


def _open(folder: Path, migrations: tuple[Migration, ...] = _MIGRATIONS) -> StateStore:
    return StateStore(f"sqlite:///{folder / 'state.sqlite'}", migrations)


def test_what_is_committed_is_there_after_reopening(tmp_path: Path) -> None:
    store = _open(tmp_path)
    with store.transaction() as connection:
        connection.execute(_birds.insert().values(name="stonechat"))
    store.close()
    store = _open(tmp_path)
    with store.transaction() as connection:
        assert connection.scalars(sa.select(_birds.c.name)).all() == ["stonechat"]
    store.close()


def test_a_transaction_that_raises_changes_nothing(tmp_path: Path) -> None:
    store = _open(tmp_path)
    with pytest.raises(RuntimeError), store.transaction() as connection:
        connection.execute(_birds.insert().values(name="stonechat"))
        raise RuntimeError
    with store.transaction() as connection:
        assert connection.scalars(sa.select(_birds.c.name)).all() == []
    store.close()


def test_each_migration_is_applied_once(tmp_path: Path) -> None:
    applied: list[str] = []
    second = Migration("birds-2", lambda _: applied.append("birds-2"))
    _open(tmp_path).close()
    for _ in range(2):
        _open(tmp_path, (*_MIGRATIONS, second)).close()
    assert applied == ["birds-2"]


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    _open(tmp_path, (*_MIGRATIONS, Migration("birds-2", lambda _: None))).close()
    with pytest.raises(StateTooNew, match=r"newer version of stonechat \(birds-2\)"):
        _open(tmp_path)


def test_times_have_six_digits_after_the_second() -> None:
    assert len(now()) == len("2024-01-01 00:00:00.000000")


def test_a_table_of_an_earlier_version_gets_its_new_columns(tmp_path: Path) -> None:
    store = _open(tmp_path)
    with store.transaction() as connection:
        connection.execute(_birds.insert().values(name="stonechat"))
    store.close()
    later = sa.MetaData()
    birds = sa.Table("birds", later, sa.Column("name", sa.String(20), primary_key=True), sa.Column("song", sa.Text))
    migrations = (create_tables("birds-1", later), add_columns("birds-2", birds.c.song))
    for folder, rows in ((tmp_path, [("stonechat", None)]), (tmp_path / "new", [])):
        folder.mkdir(exist_ok=True)
        store = _open(folder, migrations)
        with store.transaction() as connection:
            assert connection.execute(sa.select(birds)).all() == rows
        store.close()
