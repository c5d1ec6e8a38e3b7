"""What the filter wrote is read back, and said in words."""

from __future__ import annotations

import email

import pytest

from posthouse.spam import chosen, explain
from posthouse.spam.model import Learned, Verdict

HEAD = "From: a@b.example\nSubject: x\n"
RULES = """X-Spamd-Result: default: False [{score} / 6.00];
	BAYES_SPAM(5.10)[99.99%];
	RDNS_NONE(2.00)[];
	PARTLY_ODD(0.40)[a;b, [c]; d];
	R_SPF_ALLOW(-0.20)[+ip4:198.18.0.1:c];
	TO_DN_NONE(0.00)[]
"""
FORGED = """X-Spamd-Result: default: False [1.90 / 6.00];
	DMARC_POLICY_QUARANTINE(1.50)[bank.example : No valid SPF, No valid DKIM,quarantine];
	MISSING_MID(0.40)[]
X-Spam: Yes
"""


def verdict(text: str) -> Verdict:
    found = chosen("rspamd").verdict(email.message_from_string(text))
    assert found is not None
    return found


def test_rules_are_read_with_their_evidence() -> None:
    found = verdict(HEAD + RULES.format(score="7.30") + "X-Spam: Yes\n\nhi\n")
    assert (found.score, found.needed, found.junk, found.forced) == (7.3, 6.0, True, None)
    assert [rule.name for rule in explain.counted(found)] == [
        "BAYES_SPAM",
        "RDNS_NONE",
        "PARTLY_ODD",
        "R_SPF_ALLOW",
    ]
    assert {rule.name: rule.evidence for rule in found.rules}["PARTLY_ODD"] == "a;b, [c]; d"
    assert found.rules[0].words


def test_a_header_of_none_is_no_verdict() -> None:
    assert chosen("rspamd").verdict(email.message_from_string(HEAD + "\nhi\n")) is None
    broken = HEAD + "X-Spamd-Result: by somebody else\n\nhi\n"
    assert chosen("rspamd").verdict(email.message_from_string(broken)) is None


def test_what_decided_and_what_would_change_it() -> None:
    found = verdict(HEAD + RULES.format(score="7.30") + "X-Spam: Yes\n\nhi\n")
    said = " ".join(explain.advice(found, Learned(300, 34, 200)))
    assert "Without BAYES_SPAM or RDNS_NONE it would have come to INBOX" in said
    assert "1.3 points fewer" in said
    assert "moving it out of Junk" in said


def test_what_was_taken_for_no_spam() -> None:
    found = verdict(HEAD + RULES.format(score="5.50") + "\nhi\n")
    assert "not taken for spam" in explain.headline(found)
    assert "0.5 more points" in " ".join(explain.advice(found, None))


def test_a_forgery_was_not_decided_by_points() -> None:
    found = verdict(HEAD + FORGED + "\nhi\n")
    assert found.forced is not None
    assert found.forced.name == "DMARC_POLICY_QUARANTINE"
    assert "whatever its points" in explain.headline(found)
    assert "not the points" in " ".join(explain.advice(found, None))


@pytest.mark.parametrize(
    ("spam", "ham", "said"),
    [
        (200, 34, "34 of 200 ham needed"),
        (12, 34, "12 of 200 spam and 34 of 200 ham needed"),
        (200, 201, "enough of both was learned"),
    ],
)
def test_what_is_needed(spam: int, ham: int, said: str) -> None:
    assert explain.needs(Learned(spam, ham, 200)) == said
