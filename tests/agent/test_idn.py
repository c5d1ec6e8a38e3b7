"""Domains as DNS has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.agent.idn import a_labels


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("Snorl.AX", "snorl.ax"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("ｓｎｏｒｌ．ａｘ", "snorl.ax"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("\u212aim.example", "kim.example"),
    ],
)
def test_a_domain_has_one_form(written: str, known: str) -> None:
    assert a_labels(written) == known


@given(st.text())
def test_whatever_it_is_it_comes_out_as_ascii(text: str) -> None:
    assert a_labels(text).isascii()
