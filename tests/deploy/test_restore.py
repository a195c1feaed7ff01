"""A deployment that a stop interrupted goes on with the project as its files say, whatever it had made by then."""

from __future__ import annotations

from pathlib import Path

from tests.engine.shared import shared_engine

from stonechat.deploy import history
from stonechat.deploy.history import Status, record_begun, record_status
from stonechat.deploy.restore import restore
from stonechat.project import places, workspaces
from stonechat.project.workspaces import default_workspace
from stonechat.state import StateStore

_KAFKA = "KAFKA_CONNECTION_NAME broker\nKAFKA_TOPIC topic\nKAFKA_GROUP_ID group\n"
_FILES = {
    "broker.connection": "TYPE kafka\nKAFKA_BOOTSTRAP_SERVERS localhost:9092\n",
    "messages.datasource": "SCHEMA >\n    id {{ tb_secret('TYPE') }}\nENGINE_SORTING_KEY id\n" + _KAFKA,
}


def test_tables_that_are_not_made_yet_get_the_columns_of_their_connector_and_types_of_secrets(tmp_path: Path) -> None:
    migrations = [*workspaces.MIGRATIONS, *places.MIGRATIONS, *history.MIGRATIONS]
    store = StateStore(f"sqlite:///{tmp_path / 'state.sqlite'}", migrations)
    workspace = default_workspace(store)
    with store.transaction() as connection:
        begun = record_begun(connection, workspace.id, _FILES, auto_promote=False)
        record_status(connection, begun, Status.CREATING_SCHEMA)
    restored = restore(workspace, store, shared_engine(), {"TYPE": "UInt8"})
    store.close()
    assert restored.candidate is not None
    source = restored.candidate.snapshot.project.data_sources["messages"]
    assert (str(source.columns[0].type), source.connector_columns) == ("UInt8", 6)
