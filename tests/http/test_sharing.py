"""Data sources that one workspace shares with another, over HTTP: who reads them, when, and who does not."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from itertools import count

import httpx
import jwt
import pytest
from tests.conftest import RunningServer, StartServer

_NUMBERS = count(1)


NARROW = "tenant String `json:$.tenant`"
COLUMNS = f"{NARROW}, n UInt32 `json:$.n`"
WIDER = f"{NARROW}, n UInt64 `json:$.n`"
MORE = "more String `json:$.more` DEFAULT 'x'"


def source(columns: str = COLUMNS, *names: str) -> str:
    listed = ", ".join(names)
    shared = f"SHARED_WITH >\n    {listed}\n\n" if names else ""
    lines = ",\n    ".join(columns.split(", "))
    return f'{shared}SCHEMA >\n    {lines}\n\nENGINE "MergeTree"\nENGINE_SORTING_KEY tenant\n'


def endpoint(sql: str) -> str:
    lines = "\n".join(f"    {line}" for line in sql.split("\n"))
    return f"NODE rows\nSQL >\n{lines}\nTYPE endpoint\n"


SUM = "SELECT sum(n) AS total FROM {origin}.visits"


@dataclass
class Workspaces:
    """`origin` shares `visits` with `reader`, and not with `stranger`."""

    server: RunningServer
    number: int = field(default_factory=lambda: next(_NUMBERS))

    def __post_init__(self) -> None:
        self.names = {name: f"{name}_{self.number}" for name in ("origin", "reader", "stranger")}
        self.origin, self.reader, self.stranger = (self.server.new_workspace(name) for name in self.names.values())
        assert self.share().status_code == 200

    @property
    def visits(self) -> str:
        return f"{self.names['origin']}.visits"

    def share(self, columns: str = COLUMNS, **params: str) -> httpx.Response:
        """Deploy the origin's workspace, with these columns in `visits`."""
        files = {"visits.datasource": source(columns, self.names["reader"]), "own.datasource": source()}
        return self.origin.deploy(files, **params)

    def read(self, sql: str = SUM, **params: str) -> httpx.Response:
        """Deploy an endpoint into the reader's workspace."""
        return self.reader.deploy({"totals.pipe": endpoint(sql.format(**self.names))}, **params)

    def write(self, *numbers: int, tenant: str = "a") -> None:
        rows = "\n".join(json.dumps({"tenant": tenant, "n": number}) for number in numbers)
        assert self.origin.send(rows, name="visits").status_code == 200

    def total(self) -> int:
        ((row),) = self.reader.rows("/v0/pipes/totals.json")
        return int(row["total"])


@pytest.fixture
def spaces(module_server: RunningServer) -> Workspaces:
    return Workspaces(module_server)


def test_a_shared_data_source_is_read_by_statements_and_endpoints(spaces: Workspaces) -> None:
    spaces.write(1, 2)
    assert spaces.reader.value(f"SELECT sum(n) FROM {spaces.visits}") == 3
    assert spaces.read().status_code == 200
    assert spaces.total() == 3
    joined = f"SELECT count() FROM {spaces.visits} AS a, `{spaces.names['origin']}`.`visits` AS b WHERE a.n IN (1)"
    assert spaces.reader.value(joined) == 2
    within = (
        f"WITH v AS (SELECT n FROM {spaces.visits}) SELECT sum(n) FROM v WHERE n IN (SELECT n FROM {spaces.visits})"
    )
    assert spaces.reader.value(within) == 3
    underscore = spaces.reader.rows("/v0/pipes/totals.json", q="SELECT total + 1 AS more FROM _")
    assert underscore == [{"more": 4}]


def test_nobody_else_reads_it(spaces: Workspaces) -> None:
    spaces.write(1)
    refused = spaces.stranger.request("GET", "/v0/sql", params={"q": f"SELECT * FROM {spaces.visits}"})
    assert refused.status_code == 403
    deployed = spaces.stranger.deploy({"totals.pipe": endpoint(SUM.format(**spaces.names))})
    assert deployed.status_code == 400
    assert spaces.visits not in spaces.stranger.request("GET", "/v0/datasources").text
    assert spaces.stranger.request("GET", f"/v0/datasources/{spaces.visits}").status_code == 404


_NAMES_OF_IT = (
    "SELECT * FROM {name}",
    "SELECT 1 WHERE 1 IN {name}",
    "SELECT 1 WHERE 1 IN ({name})",
    "SELECT in(1, {name})",
    "SELECT * FROM numbers(1) AS a, {name} AS b",
    "WITH v AS (SELECT * FROM {name}) SELECT * FROM v",
    "SELECT (SELECT count() FROM {name})",
    "SELECT * FROM view(SELECT * FROM {name})",
    "SELECT * FROM numbers(1) UNION ALL SELECT n FROM {name}",
    "SELECT * FROM {name} -- {name}",
    "SELECT hasColumnInTable('{name}', 'n')",
    "SELECT * FROM merge('{name}')",
    "EXPLAIN SELECT * FROM {name}",
    "DESCRIBE {name}",
    "SELECT * FROM `{name}`",
)


@pytest.mark.parametrize("statement", _NAMES_OF_IT)
def test_no_statement_reads_what_is_not_shared(module_server: RunningServer, statement: str) -> None:
    spaces = _kept(module_server)
    database = spaces.server.database(spaces.names["origin"])
    for seen, name in (
        (spaces.stranger, spaces.visits),
        (spaces.reader, f"{spaces.names['origin']}.own"),
        (spaces.reader, f"{spaces.names['origin']}.visits_quarantine"),
        (spaces.reader, f"{database}.visits"),
        (spaces.reader, f"{database}.own"),
    ):
        sql = statement.format(name=name)
        asked = seen.request("GET", "/v0/sql", params={"q": f"{sql} FORMAT JSON"})
        assert asked.status_code in {400, 403}, name
        piped = seen.request("GET", "/v0/pipes/one.json", params={"q": sql})
        assert piped.status_code in {400, 403}, name
        deployed = seen.deploy({"one.pipe": endpoint(sql)}, check="true")
        assert deployed.status_code == 400, name
        template = f"%\n{statement.format(name='{{table(name)}}')}"
        tried = seen.request("GET", "/v0/sql", params={"q": f"{template} FORMAT JSON", "name": name})
        assert tried.status_code in {400, 403}, name


def test_no_name_that_a_caller_gives_leads_to_what_is_not_shared(spaces: Workspaces) -> None:
    spaces.write(1)
    database = spaces.server.database(spaces.names["origin"])
    sql = "%\nSELECT * FROM {{table(name, 'own')}}"
    for seen in (spaces.reader, spaces.stranger):
        assert seen.deploy({"any.pipe": endpoint(sql), "own.datasource": source()}).status_code == 200
    for seen, name in (
        (spaces.stranger, spaces.visits),
        (spaces.reader, f"{spaces.names['origin']}.own"),
        (spaces.reader, f"{database}.visits"),
        (spaces.stranger, f"{database}.visits"),
    ):
        answer = seen.request("GET", "/v0/pipes/any.json", params={"name": name})
        assert answer.status_code in {400, 403}
        assert seen.request("GET", "/v0/pipes/any.json").status_code == 200


@cache
def _kept(server: RunningServer) -> Workspaces:
    """Workspaces that no test changes."""
    spaces = Workspaces(server)
    spaces.write(1)
    for seen in (spaces.reader, spaces.stranger):
        assert seen.deploy({"one.pipe": endpoint("SELECT 1 AS n")}).status_code == 200
    return spaces


def test_an_answer_is_never_older_than_what_was_written(spaces: Workspaces) -> None:
    assert spaces.read().status_code == 200
    for number in range(1, 30):
        spaces.write(1)
        assert spaces.total() == number


def test_an_answer_follows_whatever_the_origin_does_to_the_rows(spaces: Workspaces) -> None:
    spaces.write(1, 2)
    assert spaces.read().status_code == 200
    assert spaces.total() == 3
    replaced = spaces.origin.request(
        "POST",
        "/v0/datasources",
        params={"name": "visits", "mode": "replace", "format": "ndjson"},
        content=b'{"tenant": "a", "n": 7}\n{"tenant": "b", "n": 8}',
    )
    assert replaced.status_code == 200
    assert spaces.total() == 15
    spaces.origin.request(
        "POST", "/v1/datasources/visits/delete", params={"delete_condition": "tenant = 'b'"}
    ).raise_for_status()
    assert spaces.total() == 7
    spaces.origin.request("POST", "/v0/datasources/visits/truncate").raise_for_status()
    assert spaces.total() == 0


def test_what_is_said_of_an_endpoint_over_it_names_no_database(spaces: Workspaces) -> None:
    assert spaces.read().status_code == 200
    explained = spaces.reader.request("GET", "/v0/pipes/totals/explain")
    assert explained.status_code == 200
    document = spaces.reader.request("GET", "/v0/pipes/openapi.json")
    assert '"total"' in document.text
    broken = spaces.reader.request("GET", "/v0/sql", params={"q": f"SELECT nothing FROM {spaces.visits}"})
    assert broken.status_code == 400
    tried = spaces.read("SELECT nothing FROM {origin}.visits")
    assert tried.status_code == 400
    for answer in (explained, document, broken, tried):
        assert not re.search(r"ws_[0-9a-f]{12}|rehearsal_", answer.text), answer.text


def test_nothing_is_left_of_a_workspace_that_is_deleted_and_a_new_one_of_its_name_shares_anew(
    spaces: Workspaces,
) -> None:
    spaces.write(1)
    assert spaces.read().status_code == 200
    assert spaces.total() == 1
    owner = spaces.server.client.get("/tokens").json()["user_token"]
    identity = spaces.origin.request("GET", "/v1/workspace").json()["id"]
    params = {"hard_delete_confirmation": "yes"}
    assert spaces.server.request("DELETE", f"/v1/workspaces/{identity}", token=owner, params=params).status_code == 200
    gone = spaces.reader.request("GET", "/v0/pipes/totals.json")
    assert (gone.status_code, gone.json()["code"]) == (403, "SC521")
    spaces.origin = spaces.server.new_workspace(spaces.names["origin"])
    assert spaces.reader.request("GET", "/v0/pipes/totals.json").status_code == 403
    assert spaces.share().status_code == 200
    assert spaces.total() == 0


def test_a_build_only_warns_of_a_workspace_that_is_not_there(spaces: Workspaces) -> None:
    parts = [("data_project://", ("visits.datasource", source(COLUMNS, "nowhere").encode(), "text/plain"))]
    built = spaces.stranger.request("POST", "/v1/build", files=parts)
    assert built.status_code == 200
    assert any("'nowhere'" in each["message"] for each in built.json()["build"]["feedback"])


def test_an_answer_is_kept_while_nothing_changes(spaces: Workspaces) -> None:
    spaces.write(1)
    assert spaces.read().status_code == 200
    spaces.total()
    again = spaces.reader.request("GET", "/v0/pipes/totals.json")
    assert again.headers["x-cache"] == "hit"


def test_a_deployment_of_the_origin_that_moves_the_table_is_followed_at_once(spaces: Workspaces) -> None:
    spaces.write(1)
    assert spaces.read().status_code == 200
    assert spaces.total() == 1
    assert spaces.share(f"{WIDER}, {MORE}").status_code == 200
    assert spaces.total() == 1
    for number in range(2, 6):
        spaces.write(1)
        assert spaces.total() == number
    assert spaces.reader.value(f"SELECT any(more) FROM {spaces.visits}") == "x"


def test_what_the_origin_stages_is_not_seen_before_its_promotion(spaces: Workspaces) -> None:
    spaces.write(1)
    staged = spaces.share(f"{COLUMNS}, {MORE}", auto_promote="false").json()["deployment"]["id"]
    _until_ready(spaces.origin, staged)
    spaces.write(2)
    refused = spaces.reader.request("GET", "/v0/sql", params={"q": f"SELECT more FROM {spaces.visits}"})
    assert refused.status_code == 400
    asked = {"q": f"SELECT more FROM {spaces.visits}", "__tb__deployment": "staging"}
    assert spaces.reader.request("GET", "/v0/sql", params=asked).status_code == 404
    assert spaces.reader.value(f"SELECT sum(n) FROM {spaces.visits}") == 3
    assert spaces.origin.request("POST", f"/v1/deployments/{staged}/set-live").status_code == 200
    assert spaces.reader.value(f"SELECT countIf(more = 'x') FROM {spaces.visits}") == 2


def test_it_goes_on_after_a_restart(start_server: StartServer) -> None:
    server = start_server()
    spaces = Workspaces(server)
    spaces.write(1)
    assert spaces.share(WIDER).status_code == 200
    assert spaces.read().status_code == 200
    tokens = spaces.origin.token, spaces.reader.token
    server.kill()
    again = start_server()
    for seen, token in zip((spaces.origin, spaces.reader), tokens, strict=True):
        seen.__dict__ |= {**again.__dict__, "token": token}
    assert spaces.total() == 1
    spaces.write(4)
    assert spaces.total() == 5
    assert spaces.share(f"{WIDER}, {MORE}").status_code == 200
    spaces.write(4)
    assert spaces.total() == 9


@pytest.mark.parametrize("change", ["unshare", "remove"])
def test_what_is_shared_no_more_is_not_read_and_who_read_it_is_named(spaces: Workspaces, change: str) -> None:
    spaces.write(1)
    assert spaces.read().status_code == 200
    assert spaces.total() == 1

    def deploy(**params: str) -> httpx.Response:
        files = {"own.datasource": source()} | ({"visits.datasource": source()} if change == "unshare" else {})
        return spaces.origin.deploy(files, **params)

    refused = deploy()
    assert refused.status_code in {400, 409}
    assert "'totals'" in refused.text
    assert spaces.total() == 1
    allowed = deploy(allow_destructive_operations="true")
    assert allowed.status_code == 200
    assert any("'totals'" in each["message"] for each in allowed.json()["deployment"]["feedback"])
    answer = spaces.reader.request("GET", "/v0/pipes/totals.json")
    assert answer.status_code == 403
    assert spaces.visits in answer.json()["error"]
    assert spaces.reader.request("GET", "/v0/sql", params={"q": f"SELECT * FROM {spaces.visits}"}).status_code == 403
    listed = spaces.reader.request("GET", "/v0/datasources").json()["datasources"]
    assert spaces.visits not in {each["name"] for each in listed}


def test_a_change_under_which_a_pipe_elsewhere_would_fail_is_refused_and_names_it(spaces: Workspaces) -> None:
    assert spaces.read().status_code == 200
    gone = spaces.share(NARROW)
    assert gone.status_code in {400, 409}
    assert "would fail: 'totals'" in gone.text
    other = spaces.share(f"{COLUMNS}, {MORE}")
    assert other.status_code == 200


def test_a_workspace_that_is_not_there_is_named_with_the_one_that_was_meant(spaces: Workspaces) -> None:
    name = spaces.names["reader"]
    files = {"visits.datasource": source(NARROW, name.replace("reader", "raeder"))}
    refused = spaces.origin.deploy(files)
    assert refused.status_code == 400
    (problem,) = (each for each in refused.json()["errors"] if each["code"] == "SC718")
    assert f"'{name}'" in problem["error"]
    assert problem["line"] == 1


def test_a_name_that_nobody_shares_is_a_problem_with_the_one_that_was_meant(spaces: Workspaces) -> None:
    refused = spaces.read("SELECT * FROM {origin}.visit")
    assert refused.status_code == 400
    (problem,) = refused.json()["errors"]
    assert spaces.visits in problem["error"]
    assert (problem["filename"], problem["line"]) == ("totals.pipe", 3)


def test_no_view_is_made_over_it_and_a_copy_is(spaces: Workspaces) -> None:
    spaces.write(1, 2)
    view = "NODE rows\nSQL >\n    SELECT tenant, n FROM {origin}.visits\nTYPE materialized\nDATASOURCE kept\n"
    files = {"kept.datasource": source(), "filling.pipe": view.format(**spaces.names)}
    refused = spaces.reader.deploy(files)
    assert refused.status_code == 400
    assert "copy pipe" in refused.text
    copying = files["filling.pipe"].replace("materialized\nDATASOURCE", "copy\nTARGET_DATASOURCE")
    assert spaces.reader.deploy({**files, "filling.pipe": copying}).status_code == 200
    job = spaces.reader.request("POST", "/v0/pipes/filling/copy").json()["job"]["id"]
    end = time.monotonic() + 30
    while spaces.reader.request("GET", f"/v0/jobs/{job}").json()["status"] not in {"done", "error"}:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert spaces.reader.value("SELECT sum(n) FROM kept") == 3


def test_it_is_listed_and_described_with_where_it_is_from(spaces: Workspaces) -> None:
    spaces.write(1, 2)
    assert spaces.read().status_code == 200
    listed = spaces.reader.request("GET", "/v0/datasources").json()["datasources"]
    (mine,) = (each for each in listed if each["name"] == spaces.visits)
    assert mine["statistics"]["row_count"] == 2
    shown = spaces.reader.request("GET", f"/v0/datasources/{spaces.visits}").json()
    assert shown["shared_from"]["name"] == spaces.names["origin"]
    assert [each["name"] for each in shown["used_by"]] == ["totals"]
    assert [each["name"] for each in shown["columns"]] == ["tenant", "n"]
    assert spaces.reader.request("GET", f"/v0/datasources/{shown['id']}").json() == shown
    origin = spaces.origin.request("GET", "/v0/datasources/visits").json()
    assert origin["shared_with"] == [spaces.names["reader"]]
    assert spaces.reader.request("GET", f"/v0/datasources/{spaces.visits}.datasource").status_code == 403


@pytest.mark.parametrize("by_id", [False, True])
def test_nothing_writes_to_it_from_elsewhere(spaces: Workspaces, by_id: bool) -> None:
    spaces.write(1)
    shown = spaces.reader.request("GET", f"/v0/datasources/{spaces.visits}").json()
    name = shown["id"] if by_id else spaces.visits
    row = b'{"tenant": "b", "n": 7}'

    def post(path: str, content: bytes = row, **params: str) -> httpx.Response:
        return spaces.reader.request("POST", path, params=params, content=content)

    attempts = {
        "events": spaces.reader.send(row, name=name),
        "append": post("/v0/datasources", name=name, mode="append", format="ndjson"),
        "replace": post("/v0/datasources", name=name, mode="replace", format="ndjson"),
        "append later": post(f"/v1/datasources/{name}/append", format="ndjson"),
        "replace later": post(f"/v1/datasources/{name}/replace", format="ndjson"),
        "truncate": post(f"/v0/datasources/{name}/truncate", b""),
        "delete rows": post(f"/v0/datasources/{name}/delete", b"", delete_condition="1"),
        "delete rows at once": post(f"/v1/datasources/{name}/delete", b"", delete_condition="1"),
        "delete": spaces.reader.request("DELETE", f"/v0/datasources/{name}", params={"force": "true"}),
    }
    assert {what: answer.status_code for what, answer in attempts.items()} == dict.fromkeys(attempts, 403)
    told = {what: answer.json()["code"] for what, answer in attempts.items() if what != "delete"}
    assert told == dict.fromkeys(told, "SC321")
    assert spaces.origin.value("SELECT sum(n) FROM visits") == 1


def test_tokens_read_it_by_their_scopes(spaces: Workspaces) -> None:
    spaces.write(1, 2)
    spaces.write(40, tenant="b")
    assert spaces.read().status_code == 200

    def token(*scopes: str) -> str:
        made = spaces.reader.request("POST", "/v0/tokens", params={"name": f"t{next(_NUMBERS)}", "scope": list(scopes)})
        assert made.status_code == 200, made.text
        return str(made.json()["token"])

    def total(value: str, path: str = "/v0/sql") -> httpx.Response:
        params = {"q": f"SELECT sum(n) AS total FROM {spaces.visits} FORMAT JSON"} if path == "/v0/sql" else {}
        return spaces.reader.request("GET", path, params=params, token=value)

    whole, some = token(f"DATASOURCES:READ:{spaces.visits}"), token(f"DATASOURCES:READ:{spaces.visits}:tenant = 'a'")
    assert total(whole).json()["data"] == [{"total": 43}]
    assert total(some).json()["data"] == [{"total": 3}]
    assert total(token("PIPES:READ:totals")).status_code == 403
    both = token("PIPES:READ:totals", f"DATASOURCES:READ:{spaces.visits}:tenant = 'a'")
    assert total(both, "/v0/pipes/totals.json").json()["data"] == [{"total": 3}]
    assert total(token("PIPES:READ:totals"), "/v0/pipes/totals.json").json()["data"] == [{"total": 43}]
    listed = spaces.reader.request("GET", "/v0/datasources", token=some).json()["datasources"]
    assert [(each["name"], each["statistics"]["row_count"]) for each in listed] == [(spaces.visits, None)]
    for seen, scope in (
        (spaces.reader, f"DATASOURCES:APPEND:{spaces.visits}"),
        (spaces.reader, f"DATASOURCES:READ:{spaces.visits}:nothing = 1"),
        (spaces.stranger, f"DATASOURCES:READ:{spaces.visits}"),
    ):
        wrong = seen.request("POST", "/v0/tokens", params={"name": "wrong", "scope": scope})
        assert wrong.status_code == 400


def test_a_signed_token_reads_what_its_filter_lets_through(spaces: Workspaces) -> None:
    spaces.write(1, 2)
    spaces.write(40, tenant="b")
    copying = f"NODE rows\nSQL >\n    SELECT * FROM {spaces.visits}\nTYPE copy\nTARGET_DATASOURCE kept\n"
    files = {"totals.pipe": endpoint(SUM.format(**spaces.names)), "kept.datasource": source(), "copying.pipe": copying}
    assert spaces.reader.deploy(files).status_code == 200
    claims = {
        "workspace_id": spaces.reader.request("GET", "/v1/workspace").json()["id"],
        "name": "outside",
        "exp": int(time.time()) + 600,
        "scopes": [
            {"type": "PIPES:READ", "resource": "totals"},
            {"type": "DATASOURCES:READ", "resource": spaces.visits, "filter": "tenant = 'b'"},
        ],
    }
    token = jwt.encode(claims, spaces.reader.token, "HS256")
    seen = spaces.reader.seen_with(token)
    assert seen.rows("/v0/pipes/totals.json") == [{"total": 40}]
    for statement in (f"SELECT * FROM {spaces.visits}", f"SELECT * FROM {spaces.visits} AS a WHERE toInt8(tenant) = 0"):
        answer = seen.request("GET", "/v0/sql", params={"q": f"{statement} FORMAT JSON"})
        assert '"a"' not in answer.text
    assert seen.value(f"SELECT sum(n) FROM {spaces.visits}") == 40
    assert seen.request("GET", "/v0/sql", params={"q": "SELECT * FROM kept"}).status_code == 403
    both = seen.request("GET", "/v0/sql", params={"q": f"SELECT * FROM {spaces.names['origin']}.own"})
    assert both.status_code == 403


def test_two_workspaces_share_with_each_other_while_both_deploy(module_server: RunningServer) -> None:
    names = [f"twin{next(_NUMBERS)}" for _ in range(2)]
    twins = [module_server.new_workspace(name) for name in names]

    def files(own: int, columns: str) -> Mapping[str, str]:
        shared = {"visits.datasource": source(columns, names[1 - own])}
        return shared | {"totals.pipe": endpoint(f"SELECT sum(n) AS total FROM {names[1 - own]}.visits")}

    for own, twin in enumerate(twins):
        assert twin.deploy({"visits.datasource": source(COLUMNS, names[1 - own])}).status_code == 200
    for own, twin in enumerate(twins):
        assert twin.deploy(files(own, COLUMNS)).status_code == 200
    sent = 0
    with ThreadPoolExecutor(2) as threads:
        for columns in (f"{COLUMNS}, {MORE}", WIDER, f"{WIDER}, {MORE}"):
            clients = [copy(twin) for twin in twins]
            for client in clients:
                client.client = httpx.Client(base_url=module_server.url, timeout=60)
            deploying = [
                threads.submit(client.deploy, files(own, columns), allow_destructive_operations="true")
                for own, client in enumerate(clients)
            ]
            while not all(each.done() for each in deploying):
                sent += 1
                for twin in twins:
                    assert twin.send('{"tenant": "a", "n": 1}', name="visits").status_code == 200
                assert [int(twin.rows("/v0/pipes/totals.json")[0]["total"]) for twin in twins] == [sent, sent]
            assert [each.result().status_code for each in deploying] == [200, 200]
            for client in clients:
                client.client.close()


def _until_ready(seen: RunningServer, deployment: str) -> None:
    end = time.monotonic() + 60
    while seen.request("GET", f"/v1/deployments/{deployment}").json()["deployment"]["status"] != "data_ready":
        assert time.monotonic() < end
        time.sleep(0.05)
