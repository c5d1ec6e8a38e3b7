"""Requests, honest and hostile: each is read as what it is, or refused by a status alone."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posthouse.web import http
from posthouse.web.http import Request

HOST = b"Host: mta-sts.snorl.ax\r\n"


def head(line: bytes = b"GET / HTTP/1.1", *fields: bytes, host: bytes = HOST) -> bytes:
    return line + b"\r\n" + host + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def test_honest_ones() -> None:
    assert http.request(head()) == Request("GET", "/", "", "mta-sts.snorl.ax")
    said = http.request(
        head(b"POST /a/B.xml?x=1&y HTTP/1.1", b"content-length:  7 ", host=b"HOST:Snorl.AX.:443\r\n")
    )
    assert said == Request("POST", "/a/B.xml", "x=1&y", "snorl.ax", 7)
    assert http.request(head(b"POST / HTTP/1.1", b"Content-Length: 9", b"Expect: 100-Continue")).waits
    assert not http.request(head(b"GET / HTTP/1.0", b"X-Note: caf\xe9")).waits


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (head(host=b""), 400),
        (head(host=HOST + HOST), 400),
        (head(host=b"Host: snorl.ax/x\r\n"), 400),
        (head(host=b"Host: <script>\r\n"), 400),
        (head(host=b"Host: snorl.ax:443:1\r\n"), 400),
        (head(host=b"Host:\r\n"), 400),
        (head(host=b"Host : snorl.ax\r\n"), 400),
        (head(b"GET  / HTTP/1.1"), 400),
        (head(b"GET / HTTP/2.0"), 400),
        (head(b"GET http://snorl.ax/ HTTP/1.1"), 400),
        (head(b"get / HTTP/1.1"), 400),
        (head(b"GET /\xe9 HTTP/1.1"), 400),
        (head(b"GET / HTTP/1.1", b" folded: line"), 400),
        (head(b"GET / HTTP/1.1", b"a\nb: c"), 400),
        (head(b"GET / HTTP/1.1", b"a: b\x00c"), 400),
        (head(b"GET / HTTP/1.1", b"a: b\nHost: other.example"), 400),
        (head(b"POST / HTTP/1.1", b"Content-Length: -1"), 400),
        (head(b"POST / HTTP/1.1", b"Content-Length: 1", b"Content-Length: 1"), 400),
        (head(b"POST / HTTP/1.1", b"Content-Length: +1"), 400),
        (head(b"POST / HTTP/1.1", "Content-Length: \N{SUPERSCRIPT TWO}".encode("latin-1")), 400),
        (head(b"POST / HTTP/1.1", b"Content-Length: 16385"), 413),
        (head(b"POST / HTTP/1.1", b"Content-Length: 999999999999999999"), 413),
        (head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"Content-Length: 3"), 501),
        (head(b"GET / HTTP/1.1", *[b"A: b"] * 65), 431),
        (head(b"GET / HTTP/1.1", b"A: " + b"b" * 8192), 431),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"", 400),
    ],
)
def test_what_is_no_request(octets: bytes, status: int) -> None:
    with pytest.raises(http.Refused) as refused:
        http.request(octets)
    assert refused.value.status == status
    sent = refused.value.answer.octets()
    assert sent.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Connection: close\r\n" in sent


PIECES = st.sampled_from(
    [
        b"GET ",
        b"POST ",
        b"/",
        b" HTTP/1.1",
        b"\r\n",
        b"\n",
        b"Host:",
        b" snorl.ax",
        b"Content-Length: 5",
        b":",
        b"\x00",
    ]
)


@given(st.one_of(st.binary(max_size=300), st.lists(st.one_of(PIECES, st.binary(max_size=5))).map(b"".join)))
@example(head())
def test_any_octets(octets: bytes) -> None:
    try:
        said = http.request(octets + b"\r\n\r\n")
    except http.Refused:
        return
    assert said.method.isascii()
    assert said.path.startswith("/")
    assert said.host == said.host.lower()
    assert 0 <= said.length <= http.BODY


def test_an_answer_to_head_has_no_body() -> None:
    whole, only = (http.Answer(200, "gr\u00fcn\n").octets(head=head) for head in (False, True))
    assert whole == only + "gr\u00fcn\n".encode()
    assert b"Content-Length: 6\r\n" in only
