"""Settings come from defaults, a file, the environment and the command line, in that order."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from stonechat.settings import InvalidSetting, Settings, load_settings, unknown_variables


def test_later_sources_win_over_earlier_ones(tmp_path: Path) -> None:
    file = tmp_path / "stonechat.toml"
    file.write_text('port = 1000\nhost = "::1"\nlog_level = "debug"\n')
    settings = load_settings(
        file=file, environment={"STONECHAT_PORT": "2000", "STONECHAT_HOST": "127.0.0.2"}, overrides={"port": 3000}
    )
    assert (settings.log_level, settings.host, settings.port) == ("debug", "127.0.0.2", 3000)


def test_values_that_are_not_given_keep_their_defaults() -> None:
    assert load_settings(environment={}, overrides={"port": None}) == Settings()


def test_foreign_variables_are_ignored() -> None:
    assert load_settings(environment={"STONECHAT_URL": "http://elsewhere", "PORT": "1"}) == Settings()


def test_variables_that_mean_nothing_are_named_with_what_is_probably_meant() -> None:
    environment = {
        "STONECHAT_PROT": "1",
        "STONECHAT_QUERY_SECOND": "2",
        "STONECHAT_SERVICE_HOST": "10.0.0.1",
        **dict.fromkeys(("STONECHAT_PORT", "STONECHAT_URL", "STONECHAT_TOKEN", "STONECHAT_CONFIG", "PATH"), "3"),
    }
    assert unknown_variables(environment) == {
        "STONECHAT_PROT": "STONECHAT_PORT",
        "STONECHAT_QUERY_SECOND": "STONECHAT_QUERY_SECONDS",
        "STONECHAT_SERVICE_HOST": None,
    }


@pytest.mark.parametrize(("text", "value"), [("true", True), ("0", False), ("Off", False), ("YES", True)])
def test_booleans_are_read_from_words(text: str, value: bool) -> None:
    assert load_settings(environment={"STONECHAT_FSYNC": text}).fsync is value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prot = 1", "Unknown setting 'prot'"),
        ('port = "many"', "Setting 'port' in .* is not a whole number: 'many'"),
        ("port = -1", "Setting 'port' in .* is negative: -1"),
        ("max_body_bytes = 500000001", "Setting 'max_body_bytes' in .* is more than 500000000: 500000001"),
        ("fsync = 2", "Setting 'fsync' in .* is not true or false: '2'"),
        ("port = ", "is not valid TOML"),
    ],
)
def test_a_bad_file_is_refused_with_the_key_and_the_file(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "stonechat.toml"
    file.write_text(content)
    with pytest.raises(InvalidSetting, match=message) as caught:
        load_settings(file=file, environment={})
    assert str(file) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="No such file"):
        load_settings(file=tmp_path / "none.toml", environment={})


def test_every_setting_has_help() -> None:
    assert all(item.metadata["help"].endswith(".") for item in fields(Settings))


def test_the_base_url_puts_ipv6_in_brackets() -> None:
    assert Settings(host="::1", port=1).base_url == "http://[::1]:1"
