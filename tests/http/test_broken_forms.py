"""Forms that are broken are told to who sent them, and to nobody else."""

from __future__ import annotations

from tests.conftest import RunningServer

_READINGS = """SCHEMA >
    `value` Int32

ENGINE "MergeTree"
ENGINE_SORTING_KEY "value"
"""


def test_broken_forms_leave_no_lines_in_the_log(module_server: RunningServer) -> None:
    server = module_server
    assert server.deploy({"readings.datasource": _READINGS}).status_code == 200
    before = server.log.read_text()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    # Without its boundary, with a header that is none, and with bytes behind its end.
    forms = [b"--a\r\n\r\n", b"--b\r\nno header\r\n\r\n", b"--b\r\n\r\n1\r\n--b--\r\n" + b"x" * 100]
    for form in forms:
        told = server.request(
            "POST", "/v0/datasources?mode=append&name=readings&format=csv", headers=headers, content=form
        )
        assert told.status_code == 400, told.text
        server.request("POST", "/v0/sql?q=SELECT+1", headers=headers, content=form)
    assert server.log.read_text() == before
