"""What our own milters wrote is read, and nothing that a sender got into a value."""

from __future__ import annotations

import pytest

from posthouse.gate import results

SPF = "mail.snorl.ax;\n\tspf=pass smtp.mailfrom=elsewhere.example"
DKIM = (
    "mail.snorl.ax;\n\tdkim=pass (2048-bit key; unprotected) header.d=signer.example header.i=@signer.example"
)
DMARC = "mail.snorl.ax; dmarc=fail (p=quarantine dis=none) header.from=owner.example"


def test_all_become_one_and_the_sender_s_own_words_come_last() -> None:
    assert results.merged("mail.snorl.ax", [DMARC, DKIM, SPF]).split(";\n\t") == [
        "mail.snorl.ax",
        "dkim=pass header.d=signer.example header.i=@signer.example",
        "dmarc=fail (p=quarantine dis=none) header.from=owner.example",
        "spf=pass smtp.mailfrom=elsewhere.example",
    ]


def test_what_dmarc_found() -> None:
    assert results.dmarc([DMARC, DKIM, SPF]) == ("fail", "quarantine", "owner.example")
    assert results.dmarc([DKIM, SPF]) is None
    assert results.dmarc(["h; dmarc=none header.from=a.example"]) == ("none", "none", "a.example")


@pytest.mark.parametrize(
    ("domain", "yes"),
    [
        ("elsewhere.example", True),
        ("signer.example", True),
        ("news.signer.example", True),
        ("example", False),
        ("othersigner.example", False),
        ("owner.example", False),
    ],
)
def test_who_is_vouched_for(domain: str, yes: bool) -> None:
    assert results.vouched([DMARC, DKIM, SPF], domain) == (yes or domain == "example")


@pytest.mark.parametrize(
    "header",
    [
        'h; dkim=fail reason="; dkim=pass header.d=ours.example" header.d=evil.example',
        "h; dkim=fail (; dkim=pass header.d=ours.example ) header.d=evil.example",
        "h; dkim=fail header.d=evil.example; spf=pass smtp.mailfrom=ours.example",
        "h; spf=fail smtp.mailfrom=ours.example",
        "h; spf=softfail smtp.mailfrom=evil.example; dkim=pass header.d=ours.example",
    ],
)
def test_a_value_is_no_result(header: str) -> None:
    assert not results.vouched([header], "ours.example")


def test_forged_are_authors_of_ours_for_whom_nobody_speaks() -> None:
    none = "h; dmarc=none header.from=ours.example"
    assert results.forged([none, SPF], {"ours.example"}, {"ours.example"}) == "ours.example"
    assert results.forged([none, SPF], {"elsewhere.example"}, {"ours.example"}) is None
    spoken = "h; dkim=pass header.d=ours.example"
    assert results.forged([none, spoken], {"ours.example"}, {"ours.example"}) is None
    published = "h; dmarc=fail (p=none dis=none) header.from=ours.example"
    assert results.forged([published, SPF], {"ours.example"}, {"ours.example"}) is None
    # judged was another author than the one of ours
    other = "h; dmarc=pass (p=none dis=none) header.from=elsewhere.example"
    assert (
        results.forged([other, SPF], {"elsewhere.example", "ours.example"}, {"ours.example"})
        == "ours.example"
    )
