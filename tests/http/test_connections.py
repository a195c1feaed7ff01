"""What the Connectors API says of connections, and that it keeps what they hold to itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import RunningServer
from tests.http.describing import check_exchange, exchanges


@pytest.mark.parametrize("request_file", exchanges("connections"), ids=lambda path: path.stem)
def test_connections_are_described_as_expected(visits_server: RunningServer, request_file: Path) -> None:
    check_exchange(visits_server, request_file)


def test_a_connection_is_found_by_its_id(visits_server: RunningServer) -> None:
    (listed,) = visits_server.request("GET", "/v0/connectors").json()["connectors"]
    assert visits_server.request("GET", f"/v0/connectors/{listed['id']}").json() == listed


def test_a_deployment_names_new_connections_and_data_sources_that_lose_theirs(module_server: RunningServer) -> None:
    server = module_server.new_workspace()
    columns = "SCHEMA >\n    `n` UInt32 `json:$.n`\n\nENGINE_SORTING_KEY n\n"
    kafka = 'KAFKA_CONNECTION_NAME "stream"\nKAFKA_TOPIC "t"\nKAFKA_GROUP_ID "g"\n'
    connection = "TYPE kafka\nKAFKA_BOOTSTRAP_SERVERS broker:9092\nKAFKA_SECURITY_PROTOCOL PLAINTEXT\n"
    project = {"stream.connection": connection, "numbers.datasource": columns + kafka}
    made = server.deploy(project).json()["deployment"]
    (listed,) = server.request("GET", "/v0/connectors").json()["connectors"]
    assert (made["new_data_connector_names"], made["new_data_connector_ids"]) == (["stream"], [listed["id"]])
    assert made["disconnected_data_source_names"] == []
    without = {**project, "numbers.datasource": columns}
    assert "__offset" in server.deploy(without).text
    changed = server.deploy(without, allow_destructive_operations="true").json()["deployment"]
    assert (changed["new_data_connector_ids"], changed["disconnected_data_source_names"]) == ([], ["numbers"])


def test_a_data_source_of_kafka_has_the_columns_of_its_messages(module_server: RunningServer) -> None:
    server = module_server.new_workspace()
    keys = "ENGINE ReplacingMergeTree\nENGINE_PARTITION_KEY toYYYYMM(__timestamp)\n"
    keys += "ENGINE_SORTING_KEY n\nENGINE_VER __offset\n"
    columns = "SCHEMA >\n    `n` UInt32 `json:$.n`,\n    `__value` String `json:#.__value` DEFAULT ''\n\n"
    kafka = 'KAFKA_CONNECTION_NAME "stream"\nKAFKA_TOPIC "t"\nKAFKA_GROUP_ID "g"\nKAFKA_STORE_HEADERS True\n'
    project = {
        "stream.connection": "TYPE kafka\nKAFKA_BOOTSTRAP_SERVERS broker:9092\n",
        "numbers.datasource": columns + keys + kafka,
        "last.pipe": "NODE one\nSQL >\n    SELECT n, __offset, __headers, __value FROM numbers FINAL\nTYPE endpoint\n",
    }
    assert server.deploy(project).status_code == 200
    for offset in (2, 1):
        assert server.send(f'{{"n":7,"__offset":{offset},"__value":"v{offset}"}}', name="numbers").status_code == 200
    assert server.rows("/v0/pipes/last.json") == [{"n": 7, "__offset": 2, "__headers": {}, "__value": "v2"}]
