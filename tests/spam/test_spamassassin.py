"""What SpamAssassin wrote is read back, and said in words."""

from __future__ import annotations

import email

from posthouse.spam import chosen, explain
from posthouse.spam.model import Learned, Verdict

SPAM = """\
X-Spam: Yes
X-Spam-Status: Yes, score=1002.1 required=3.0 tests=DKIM_ADSP_NXDOMAIN,GTUBE,
\tRDNS_NONE,TVD_SPACE_RATIO autolearn=disabled
X-Spam-Report:
\t*  0.8 DKIM_ADSP_NXDOMAIN No valid author signature and domain not in DNS
\t* 1000 GTUBE BODY: Generic Test for Unsolicited Bulk
\t*      Email
\t* -0.1 TVD_SPACE_RATIO No description available.
Subject: x

hi
"""
FORGED = """\
X-Spam: Yes
X-Spam-Status: Yes, score=100.1 required=3.0 tests=POSTHOUSE_QUARANTINE autolearn=disabled
X-Spam-Report:
\t*  100 POSTHOUSE_QUARANTINE The owner of the author's domain asks for Junk

hi
"""
HAM = """\
X-Spam-Status: No, score=-0.1 required=3.0 tests=SPF_PASS autolearn=disabled
X-Spam-HAM-Report:
\t* -0.1 SPF_PASS SPF: sender matches SPF record

hi
"""


def verdict(text: str) -> Verdict:
    found = chosen("spamassassin").verdict(email.message_from_string(text))
    assert found is not None
    return found


def test_rules_are_read_with_their_words() -> None:
    found = verdict(SPAM)
    assert (found.score, found.needed, found.junk, found.forced) == (1002.1, 3.0, True, None)
    assert [rule.name for rule in explain.counted(found)] == [
        "GTUBE",
        "DKIM_ADSP_NXDOMAIN",
        "TVD_SPACE_RATIO",
    ]
    assert found.rules[1].words == "BODY: Generic Test for Unsolicited Bulk Email"
    said = " ".join(explain.advice(found, Learned(0, 0, 200)))
    assert "Without GTUBE it would have come to INBOX" in said


def test_what_the_owner_of_a_domain_asks_for_decides_whatever_the_points() -> None:
    found = verdict(FORGED)
    assert found.forced is not None
    assert "asks for Junk" in explain.headline(found)


def test_ham_has_its_report_too() -> None:
    found = verdict(HAM)
    assert (found.junk, found.score) == (False, -0.1)
    assert found.rules[0].words == "SPF: sender matches SPF record"


def test_a_header_of_none_is_no_verdict() -> None:
    assert (
        chosen("spamassassin").verdict(email.message_from_string("X-Spam-Status: nonsense\n\nhi\n")) is None
    )
