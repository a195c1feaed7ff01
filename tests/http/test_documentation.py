"""The page for people: it stands alone, runs nothing but its own script, and writes descriptions as text."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import RunningServer

_BROWSER = shutil.which("chromium-headless-shell") or shutil.which("chromium")


@pytest.fixture(scope="module")
def page(visits_server: RunningServer) -> str:
    response = visits_server.client.get("/docs")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return response.text


def test_the_page_needs_no_other_file(page: str) -> None:
    assert re.findall(r"""\b(?:src|href|action)\s*=\s*["']?[^"'\s>]+""", page) == []
    assert re.findall(r"@import|url\(|https?://", page) == []


def test_only_the_pages_own_script_and_style_may_run(visits_server: RunningServer, page: str) -> None:
    policy = visits_server.client.get("/docs").headers["content-security-policy"]
    sources = {name: rest for name, *rest in (part.split() for part in policy.split(";"))}
    assert sources["default-src"] == sources["form-action"] == sources["base-uri"] == ["'none'"]
    assert sources["connect-src"] == ["'self'"]
    for tag in ("script", "style"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert sources[f"{tag}-src"] == [f"'sha256-{digest}'"]


def test_nothing_is_ever_written_as_html(page: str) -> None:
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|srcdoc|Function\(", page) == []
    assert re.findall(r"<[^>]*\son\w+=|<[^>]*\sstyle=", page) == []


def test_the_page_tells_nothing_without_a_token(visits_server: RunningServer, page: str) -> None:
    assert visits_server.token not in page
    assert "top_pages" not in page


@pytest.mark.skipif(_BROWSER is None, reason="needs chromium")
def test_a_browser_shows_the_endpoints_of_the_token(visits_server: RunningServer, tmp_path: Path) -> None:
    shown = _shown(visits_server, visits_server.token, tmp_path)
    assert set(re.findall(r'<section id="(\w+)">', shown)) == {"all_types", "best_page", "figures", "top_pages"}
    assert "The pages that were looked at most in a range of days.</p>" in shown
    assert 'placeholder="10"' in shown
    assert re.search(r"start</code><span class=\"required\"> required", shown)
    assert "The &lt;b&gt;best&lt;/b&gt; page" in shown
    assert "<title>Endpoints of stonechat</title>" in shown


@pytest.mark.skipif(_BROWSER is None, reason="needs chromium")
def test_a_browser_shows_a_refusal_in_the_servers_words(visits_server: RunningServer, tmp_path: Path) -> None:
    assert "invalid authentication token" in _shown(visits_server, "p.unknown", tmp_path)


def _shown(server: RunningServer, token: str, folder: Path) -> str:
    """The page's elements once its script has run."""
    assert _BROWSER is not None
    options = ["--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--virtual-time-budget=5000"]
    command = [_BROWSER, *options, "--dump-dom", f"{server.url}/docs#token={token}"]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout
