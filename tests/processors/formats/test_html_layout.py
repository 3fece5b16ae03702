"""HTML layout: only white space changes, and laying out twice changes nothing more."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.formats.html_layout import laid_out

WORDS = st.sampled_from(["a", "b &amp; c", "&#228;", " ", "\n"])
PIECES = st.recursive(
    WORDS,
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>",
        st.sampled_from(["div", "p", "b", "li", "pre", "script"]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


@given(st.lists(PIECES).map("".join))
def test_nothing_but_white_space_changes(page: str) -> None:
    once = laid_out(page)
    assert re.sub(r"\s", "", once) == re.sub(r"\s", "", page)
    assert laid_out(once) == once


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("", ""),
        ("<p>a<br>b<p>c", "<p>\n  a<br>b\n  <p>\n    c\n"),
        ("</div>a<hr/>", "</div>\na\n<hr/>\n"),
        ("<ul><li>a<li>b</ul>c", "<ul>\n  <li>\n    a\n    <li>\n      b\n</ul>\nc\n"),
        ('<a\n href="x">y</a><!-- z -->', '<a href="x">y</a><!-- z -->\n'),
    ],
)
def test_also_what_is_not_quite_html_is_laid_out(page: str, expected: str) -> None:
    assert laid_out(page) == expected
