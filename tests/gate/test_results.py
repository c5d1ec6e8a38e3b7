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


SPF_UNASKED = "h;\n\tspf=pass smtp.mailfrom=b.example"
DMARC_BY_SPF = "h; dmarc=pass (p=reject dis=none) header.from=b.example"


def test_spf_that_could_not_be_asked_is_a_temporary_error_of_both() -> None:
    found = results.corrected([DMARC_BY_SPF, SPF_UNASKED], "temperror")
    assert results.merged("h", found) == (
        "h;\n\tdmarc=temperror (p=reject dis=none) header.from=b.example;\n\tspf=temperror smtp.mailfrom=b.example"
    )
    assert not results.vouched(found, "b.example")
    assert results.corrected([DMARC_BY_SPF, SPF_UNASKED], "pass") == [DMARC_BY_SPF, SPF_UNASKED]


def test_a_signature_needs_no_spf() -> None:
    signed = "h; dkim=pass (2048-bit key) header.d=b.example header.i=@b.example"
    found = results.corrected([DMARC_BY_SPF, signed, SPF_UNASKED], "temperror")
    assert DMARC_BY_SPF in found
    assert "spf=temperror" in results.merged("h", found)


KEY_UNASKED = "h; dkim=pass (unasked) header.d=b.example"


def test_a_key_that_could_not_be_asked_for_is_a_temporary_error_of_both() -> None:
    """OpenDMARC, told that it holds, does not refuse; nothing says so afterwards."""
    elsewhere = "h;\n\tspf=pass smtp.mailfrom=elsewhere.example"
    found = results.corrected([DMARC_BY_SPF, KEY_UNASKED, elsewhere], "pass")
    assert found == [DMARC_BY_SPF.replace("pass", "temperror"), elsewhere]
    assert not results.verified(found)
    assert results.silent(found, "pass")
    # what SPF says of the author's domain stands, whatever its signature says
    assert results.corrected([DMARC_BY_SPF, KEY_UNASKED, SPF_UNASKED], "pass") == [DMARC_BY_SPF, SPF_UNASKED]
    # a refusal that does not hang on that signature stands as well
    assert results.corrected([DMARC, KEY_UNASKED, SPF], "pass") == [DMARC, SPF]


@pytest.mark.parametrize(
    "header",
    [
        "h; dkim=pass (unasked) header.d=b.example header.i=@b.example",
        'h; dkim=fail reason="dkim=pass (unasked) header.d=b.example" header.d=evil.example',
        "h; spf=pass smtp.mailfrom=x (unasked) header.d=b.example",
    ],
)
def test_only_our_own_word_says_that_a_key_was_not_asked_for(header: str) -> None:
    assert results.corrected([header], "pass") == [header]


def test_each_signature_s_result_and_domain() -> None:
    two = (
        "h;\n\tdkim=pass (2048-bit key; unprotected) header.d=a.example header.i=@a.example header.s=s1 header.b=Ab/;"
        '\n\tdkim=fail reason="; dkim=pass header.d=ours.example" (1024-bit key) header.d=b.example header.b=x'
    )
    assert results.signatures([two, SPF]) == [("pass", "a.example"), ("fail", "b.example")]
    assert results.signatures(["h; dkim=none", SPF]) == []
    assert not results.silent([two, SPF], "pass")
    assert results.silent([two, SPF], "temperror")
    assert results.silent(["h; dkim=temperror"], "pass")
    assert results.silent(["h; dmarc=temperror header.from=a.example"], "none")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["Ann <ann@a.example>"], False),
        (["ann@a.example"], False),
        (['"Boss, the <boss@bank.example>" <ann@a.example> (a@b)'], False),
        (["Doe, John <john@a.example>"], False),
        (["ann@a.example <Ann@a.example>"], False),
        (["=?utf-8?q?a=40b?= <ann@a.example>"], False),
        (["boss@bank.example, ann@a.example"], True),
        (["Boss <boss@bank.example>, Ann <ann@a.example>"], True),
        (["Boss <boss@bank.example> <ann@a.example>"], True),
        (["undisclosed"], True),
        (["<>"], True),
        ([], True),
        (["ann@a.example", "ann@a.example"], True),
    ],
)
def test_who_hides_his_author(values: list[str], expected: bool) -> None:
    assert results.hidden(values) is expected


def test_who_is_disowned() -> None:
    assert results.disowned([SPF], "fail")
    assert not results.disowned([SPF, DKIM], "fail")
    assert not results.disowned([SPF], "softfail")


def test_what_is_below_a_domain_of_ours_is_ours() -> None:
    assert results.forged([], ["sub.ours.example"], ["ours.example"]) == "sub.ours.example"
    assert results.forged([], ["notours.example"], ["ours.example"]) is None
