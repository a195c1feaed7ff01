"""The values of a URL are those that the standard library reads from it."""

from __future__ import annotations

from urllib.parse import parse_qsl

from hypothesis import example, given
from hypothesis import strategies as st

from stonechat.http.request_values import url_pairs

_PIECES = st.sampled_from(["a", "b", "=", "&", "%", "%3", "%3D", "%26", "%E9", "%C3%A9", "+", ";", "\xe9", "\xff", " "])


@given(st.lists(_PIECES, max_size=20).map("".join))
@example("")
@example("a=1&b=&c&&=d&e==f")
def test_a_url_has_the_parameters_that_the_standard_library_finds(text: str) -> None:
    assert list(url_pairs(text.encode("latin-1"))) == parse_qsl(text, keep_blank_values=True)
