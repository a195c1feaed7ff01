"""What the Pipes API says of pipes, and to whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import RunningServer
from tests.http.describing import check_exchange, exchanges, project_files


@pytest.mark.parametrize("request_file", exchanges("pipes"), ids=lambda path: path.stem)
def test_pipes_are_described_as_expected(visits_server: RunningServer, request_file: Path) -> None:
    check_exchange(visits_server, request_file)


def test_a_pipe_is_found_by_its_id(visits_server: RunningServer) -> None:
    by_name = visits_server.request("GET", "/v0/pipes/top_pages").json()
    assert visits_server.request("GET", f"/v0/pipes/{by_name['id']}").json() == by_name


def test_the_list_holds_what_each_pipe_says_alone(visits_server: RunningServer) -> None:
    listed = visits_server.request("GET", "/v0/pipes").json()["pipes"]
    assert [pipe["name"] for pipe in listed] == sorted(path.split("/")[1][:-5] for path in _pipe_files())
    for pipe in listed:
        assert visits_server.request("GET", f"/v0/pipes/{pipe['name']}").json() == pipe


def test_empty_lists_of_attributes_ask_for_everything(visits_server: RunningServer) -> None:
    whole = visits_server.request("GET", "/v0/pipes").json()
    assert visits_server.request("GET", "/v0/pipes?attrs=&node_attrs=").json() == whole
    assert visits_server.request("GET", "/v0/pipes?attrs&node_attrs").json() == whole


def test_the_url_of_a_pipe_answers(visits_server: RunningServer) -> None:
    for pipe in visits_server.request("GET", "/v0/pipes?attrs=name,endpoint").json()["pipes"]:
        response = visits_server.request("GET", pipe["url"], params={"start": "2024-01-01", "limit": "5"})
        assert response.status_code == 200, response.text
        assert ("data" in response.json()) == (pipe["endpoint"] is not None)


def test_the_datafile_is_the_one_that_was_deployed(visits_server: RunningServer) -> None:
    for path, text in _pipe_files().items():
        response = visits_server.request("GET", f"/v1/{path}")
        assert (response.status_code, response.text) == (200, text)


def test_describing_does_not_stand_in_the_way_of_rows(visits_server: RunningServer) -> None:
    rows = visits_server.rows("/v0/pipes/figures.json")
    assert rows == [{"name": "visits", "value": 3, "help": "All visits"}]
    assert visits_server.request("GET", "/v0/pipes/figures.nothing").json()["error"].startswith("The pipe 'figures.")
    assert visits_server.request("POST", "/v0/pipes/figures").status_code == 404


def test_a_deployment_is_seen_at_once_and_ids_stay(visits_server: RunningServer) -> None:
    server = visits_server.new_workspace()
    assert server.request("GET", "/v0/pipes").json() == {"pipes": []}
    files = dict(project_files())
    assert server.deploy(files).status_code == 200
    before = server.request("GET", "/v0/pipes/figures").json()
    files["pipes/figures.pipe"] = files["pipes/figures.pipe"].replace("All visits", "Visits so far")
    del files["pipes/unserved.pipe"]
    assert server.deploy(files, allow_destructive_operations="true").status_code == 200
    after = server.request("GET", "/v0/pipes/figures").json()
    assert "Visits so far" in after["content"]
    assert "Visits so far" in after["nodes"][0]["sql"]
    assert (after["id"], after["nodes"][0]["id"]) == (before["id"], before["nodes"][0]["id"])
    assert after["updated_at"] > before["updated_at"]
    assert server.request("GET", "/v0/pipes/unserved").status_code == 404


def _pipe_files() -> dict[str, str]:
    return {path: text for path, text in project_files().items() if path.endswith(".pipe")}
