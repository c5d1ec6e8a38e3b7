"""spamd's answers are read, or are no verdict."""

from __future__ import annotations

import pytest

from posthouse.gate.spamd import NoVerdict, parse

HEADERS = (
    b"Received: from somewhere\r\n\tby us\r\nX-Spam-Flag: YES\r\n"
    b"X-Spam-Report: \r\n\t*  1000 GTUBE BODY: Generic Test\r\n\t*      for Unsolicited Bulk Email\r\n"
    b"X-Spam: forged\r\nX-Spam-Checker-Version: SpamAssassin\r\nSubject: x\r\n\r\n"
)
HEAD = b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: True ; 1004.2 / 3.0\r\n\r\n" % len(HEADERS)
GOOD = HEAD + HEADERS


def test_only_its_own_headers_are_taken() -> None:
    verdict = parse(GOOD)
    assert verdict.spam
    assert verdict.score == 1004.2
    assert [name for name, _ in verdict.headers] == ["X-Spam-Flag", "X-Spam-Report"]
    assert "Unsolicited" in verdict.headers[1][1]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense",
        b"SPAMD/1.0 76 EX_PROTOCOL: Bad header line\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\n",
        GOOD.replace(b"True ; 1004.2", b"Maybe ; lots"),
        HEAD,  # cut off before the headers
        GOOD[:-2],
        GOOD.replace(b"Content-length", b"Length"),
        GOOD.replace(b"1.1 0 EX_OK", b"1.1 79 EX_TIMEOUT"),
    ],
)
def test_nonsense_is_no_verdict(answer: bytes) -> None:
    with pytest.raises(NoVerdict):
        parse(answer)
