"""Secrets reach data sources, connections and sinks as text, the SQL of pipes as bound parameters, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from stonechat.project.composition import compose_pipe
from stonechat.project.model import InvalidProject, Project
from stonechat.project.secrets import ENVIRONMENT_FILE, InvalidEnvironmentFile, local_secrets
from stonechat.template.errors import SecretMissing

_CONNECTION = 'TYPE kafka\nKAFKA_BOOTSTRAP_SERVERS {{ tb_secret(\'HOST\') }}:{{ tb_secret("PORT", "it\'s 1") }}\n'
_SOURCE = """DESCRIPTION Kept for {{ tb_secret("DAYS", "7") }} {{ days }}
SCHEMA >
    a DateTime DEFAULT {{ tb_secret("WHEN", "now()") }},
    b String DEFAULT '{{ tb_secret(1) }}'
INDEXES >
    b_index b TYPE set(1) GRANULARITY 1
    c_index concat(b, '{{ tb_secret("DAYS", "7") }}') TYPE minmax GRANULARITY 1
TOKEN "{{ tb_secret("WRITER", "tracker") }}" APPEND
KAFKA_CONNECTION_NAME main
KAFKA_TOPIC x{{tb_secret("TOPIC")}}
KAFKA_GROUP_ID "{{ tb_secret('GROUP', '') }}"
ENGINE_TTL a + toIntervalDay({{ tb_secret("DAYS", "7") }})
ENGINE_SETTINGS index_granularity = {{ tb_secret("ROWS", "128") }}
"""
_SINK = """NODE n
SQL >
    SELECT 1
TYPE sink
EXPORT_CONNECTION_NAME lake
EXPORT_SCHEDULE @on-demand
EXPORT_BUCKET_URI s3://{{ tb_secret('BUCKET') }}/x
EXPORT_FILE_TEMPLATE f
"""
_FILES = {
    "main.connection": _CONNECTION,
    "lake.connection": "TYPE s3\nS3_REGION eu\nS3_ARN arn\n",
    "events.datasource": _SOURCE,
    "sink.pipe": _SINK,
}
_SECRETS = {"HOST": "broker", "TOPIC": "{{ tb_secret('HOST') }}", "DAYS": "9", "BUCKET": "b"}
_ENDPOINT = "NODE n\nSQL >\n    %\n    SELECT {{ tb_secret('KEY') }} = {{ String(KEY) }} AS ok\nTYPE endpoint\n"


def test_secrets_and_defaults_are_filled_in_once() -> None:
    project = Project.from_files(_FILES, _SECRETS, secrets_required=True)
    assert project.connections["main"].settings["kafka_bootstrap_servers"] == "broker:it's 1"
    source = project.data_sources["events"]
    assert source.connector["kafka_topic"] == "x{{ tb_secret('HOST') }}"
    assert not source.connector["kafka_group_id"]
    assert source.engine.ttl == "a + toIntervalDay(9)"
    assert source.engine.settings == (("index_granularity", "128"),)
    assert project.pipes["sink"].output.options["export_bucket_uri"] == "s3://b/x"


def test_descriptions_schemas_and_names_of_tokens_are_filled_in() -> None:
    source = Project.from_files(_FILES, _SECRETS).data_sources["events"]
    assert source.description == "Kept for 9 {{ days }}"
    assert [column.default for column in source.schema_columns] == ["now()", "'{{ tb_secret(1) }}'"]
    assert source.indexes[1].expression == "concat(b, '9')"
    assert [grant.token for grant in source.tokens] == ["tracker"]


def test_secrets_may_stand_for_types_and_parts_of_them() -> None:
    types = ("{{ tb_secret('T') }}", "Array({{ tb_secret('T') }})", "{{ tb_secret('O', 'Nullable') }}(String)")
    columns = ", ".join(f"c{number} {text} `json:$.c`" for number, text in enumerate(types))
    files = {"events.datasource": f'SCHEMA >\n    {columns}, d DateTime(\'{{{{ tb_secret("ZONE", "UTC") }}}}\')\n'}
    source = Project.from_files(files, {"T": "Enum8('a' = 1)"}).data_sources["events"]
    assert [str(column.type) for column in source.columns] == [
        "Enum8('a' = 1)",
        "Array(Enum8('a' = 1))",
        "Nullable(String)",
        "DateTime('UTC')",
    ]
    assert source.columns[2].nullable


def test_a_type_that_is_none_is_refused_without_its_secret() -> None:
    files = {"events.datasource": "SCHEMA >\n    a String,\n    b {{ tb_secret('T') }}\n"}
    with pytest.raises(InvalidProject) as caught:
        Project.from_files(files, {"T": "hidden) ENGINE Memory"})
    (problem,) = caught.value.problems
    assert str(problem) == "events.datasource:3:5: The type of column 'b' is none with its secrets filled in"


def test_unknown_secrets_stay_as_written_unless_they_are_required() -> None:
    project = Project.from_files(_FILES)
    assert project.connections["main"].settings["kafka_bootstrap_servers"] == "{{ tb_secret('HOST') }}:it's 1"
    with pytest.raises(InvalidProject) as caught:
        Project.from_files(_FILES, secrets_required=True)
    assert [problem.code for problem in caught.value.problems] == ["SC307"] * 3


def test_a_changed_secret_is_a_changed_resource() -> None:
    before, after = (Project.from_files(_FILES, {**_SECRETS, "HOST": host}) for host in ("one", "two"))
    assert before.connections["main"] != after.connections["main"]
    assert before.data_sources == after.data_sources


def test_sql_gets_a_bound_parameter_that_no_request_can_give() -> None:
    project = Project.from_files({"p.pipe": _ENDPOINT}, {"KEY": "hunter2"})
    composed = compose_pipe(project, project.pipes["p"], {"KEY": "guess"})
    assert composed.sql.strip() == "SELECT {KEY: String} = 'guess' AS ok"
    assert composed.bound == {"KEY": "hunter2"}
    with pytest.raises(SecretMissing, match="Cannot access secret 'KEY'"):
        compose_pipe(Project.from_files({"p.pipe": _ENDPOINT}), project.pipes["p"], {"KEY": "guess"})


def test_sql_sees_a_secret_as_it_is_now() -> None:
    secrets = {"KEY": "old"}
    project = Project.from_files({"p.pipe": _ENDPOINT}, secrets)
    secrets["KEY"] = "new"
    assert compose_pipe(project, project.pipes["p"], {"KEY": ""}).bound == {"KEY": "new"}


def test_a_printed_project_shows_no_secret() -> None:
    assert "hunter2" not in repr(Project.from_files({"p.pipe": _ENDPOINT}, {"KEY": "hunter2"}))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=a", "a"),
        ("  export KEY = a b  ", "a b"),
        ("KEY=", ""),
        ("KEY= # nothing", ""),
        ("KEY=a # comment", "a"),
        ("KEY=a#b==", "a#b=="),
        ("KEY='a # \"b\" \\n' # comment", 'a # "b" \\n'),
        ('KEY="a\\n\\"b\\" \\\\"', 'a\n"b" \\'),
        ("KEY=it's", "it's"),
        ("\ufeffKEY=1\r\nKEY=2\r", "2"),
    ],
)
def test_a_line_of_the_environment_file_is_a_secret(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / ENVIRONMENT_FILE).write_text(line, newline="")
    assert local_secrets(tmp_path) == {"KEY": value}


def test_a_project_without_the_file_has_no_secrets(tmp_path: Path) -> None:
    assert local_secrets(tmp_path) == {}
    (tmp_path / ENVIRONMENT_FILE).write_text("\n# only\n  # comments\n")
    assert local_secrets(tmp_path) == {}


def test_the_file_may_lie_beside_the_configuration_that_names_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "apps" / "analytics"
    inner.mkdir(parents=True)
    (tmp_path / ENVIRONMENT_FILE).write_text("KEY=outer")
    assert local_secrets(inner) == {}
    (tmp_path / "tinybird.config.json").write_text('{"folder": "apps/analytics"}')
    assert local_secrets(inner) == {"KEY": "outer"}
    (inner / ENVIRONMENT_FILE).write_text("KEY=inner")
    assert local_secrets(inner) == {"KEY": "inner"}


@pytest.mark.parametrize(
    "line", ["hunter2", "=hunter2", "KEY='hunter2", 'KEY="hunter2" x', 'KEY="hunter2\\"', "a b=hunter2"]
)
def test_another_line_is_refused_without_being_shown(tmp_path: Path, line: str) -> None:
    (tmp_path / ENVIRONMENT_FILE).write_text(f"FINE=1\n{line}\n")
    with pytest.raises(InvalidEnvironmentFile) as caught:
        local_secrets(tmp_path)
    assert str(caught.value) == ".env.local:2:1: The line is not KEY=VALUE"
    assert "hunter2" not in str(caught.value.hint)


@pytest.mark.parametrize(("data", "reason"), [(b"KEY=\xff", "is not UTF-8"), (b"#" * 1_000_001, "is larger than")])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / ENVIRONMENT_FILE).write_bytes(data)
    with pytest.raises(InvalidEnvironmentFile, match=reason):
        local_secrets(tmp_path)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ENVIRONMENT_FILE).mkdir()
    with pytest.raises(InvalidEnvironmentFile, match="Cannot read"):
        local_secrets(tmp_path)
