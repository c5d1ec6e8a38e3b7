"""Seals upon seals: made here, judged here and by dkimpy."""

from __future__ import annotations

import random
import re

import pytest
from tests.arc import making
from tests.arc.making import BODY, FIELDS, judged, status, through

from posthouse.arc import chain, record, seal
from posthouse.arc.canonical import Field

HOSTS = ("one.example", "two.example", "three.example", "four.example")


def sealed(count: int, body: bytes = BODY) -> list[Field]:
    """The message after so many hosts."""
    fields = list(FIELDS)
    for number in range(count):
        fields = [(b"Received", b" by the next"), *through(fields, HOSTS[number % 4], body)]
    return fields


def changed(fields: list[Field], name: bytes, number: int, old: bytes, new: bytes) -> list[Field]:
    """The fields with one of a set written anew."""
    done = [
        (one, value.replace(old, new, 1) if one == name and b"i=%d;" % number in value else value)
        for one, value in fields
    ]
    assert done != fields
    return done


@pytest.mark.parametrize("count", [1, 2, 3, 4, 12])
def test_each_adds_one_that_holds(count: int) -> None:
    fields = sealed(count)
    assert judged(fields) == "pass"
    found, cv, why = status(fields)
    assert (found.number, cv, why) == (count, "pass", "")
    said = [value for name, value in fields if name == b"ARC-Seal"]
    assert [re.search(rb"cv=(\w+)", one)[1] for one in said] == [b"pass"] * (count - 1) + [b"none"]


def test_without_any() -> None:
    found, cv, _ = status(FIELDS)
    assert (cv, found.number, found.keys) == ("none", 0, frozenset())
    assert judged(FIELDS) == "none"


@pytest.mark.parametrize(
    "body", [b"", b"\r\n\r\n", b"one", "Käse ☃\r\n".encode(), b"a" * 100_000, b" \t\r\n x"]
)
def test_any_body(body: bytes) -> None:
    assert judged(sealed(2, body), body) == "pass"
    assert status(sealed(2, body), body)[1] == "pass"


def test_headers_in_any_characters() -> None:
    fields = [
        *FIELDS,
        (b"Reply-To", " Jürgen <jürgen@bücher.example>".encode()),
        (b"Cc", b" \xff\xfe"),
        (b"X-Nothing", b""),
    ]
    once = through(fields, "one.example", results="spf=pass smtp.mailfrom=jürgen@bücher.example")
    assert judged(once) == "pass"
    twice = through(once, "two.example", results='x="\ud800\x00\r\nBcc: x"; dmarc=none')
    assert judged(twice) == "pass"
    assert status(twice)[1] == "pass"
    said = twice[2][1]
    assert b"Bcc" in said
    assert b"\nBcc" not in said
    assert b"\0" not in said


def test_long_lines_are_folded() -> None:
    fields = [*FIELDS, *[(b"DKIM-Signature", b" v=1; d=x")] * 300]
    results = "; ".join(f"dkim=pass header.d=number-{n}.example" for n in range(300))
    once = through(fields, "one.example", results=results)
    assert judged(once) == "pass"
    assert max(len(line) for _, value in once[:3] for line in value.split(b"\r\n")) < 120


BREAKS = {
    "text": lambda f: (f, BODY + b"footer\r\n"),
    "subject": lambda f: ([(n, v + b"x" if n == b"Subject" else v) for n, v in f], BODY),
    "a second author": lambda f: ([(b"From", b" Eve <eve@evil.example>"), *f], BODY),
    "what was found": lambda f: (
        changed(f, b"ARC-Authentication-Results", 1, b"dmarc=pass", b"dmarc=none"),
        BODY,
    ),
    "a seal": lambda f: (changed(f, b"ARC-Seal", 1, b"t=17", b"t=18"), BODY),
    "cv of the first": lambda f: (changed(f, b"ARC-Seal", 1, b"cv=none", b"cv=pass"), BODY),
    "cv of the second": lambda f: (changed(f, b"ARC-Seal", 2, b"cv=pass", b"cv=none"), BODY),
    "a set is gone": lambda f: ([(n, v) for n, v in f if b"i=1;" not in v], BODY),
    "a seal is gone": lambda f: ([(n, v) for n, v in f if n != b"ARC-Seal" or b"i=1;" not in v], BODY),
    "a seal twice": lambda f: ([next(one for one in f if one[0] == b"ARC-Seal"), *f], BODY),
    "another's domain": lambda f: (changed(f, b"ARC-Seal", 2, b"d=two", b"d=one"), BODY),
    "another algorithm": lambda f: (changed(f, b"ARC-Seal", 2, b"rsa-sha256", b"rsa-sha1"), BODY),
    "h= in a seal": lambda f: (changed(f, b"ARC-Seal", 2, b"cv=", b"h=from; cv="), BODY),
    "no Base64": lambda f: (changed(f, b"ARC-Seal", 2, b"b=", b"b=!"), BODY),
    "no Base64 in bh": lambda f: (changed(f, b"ARC-Message-Signature", 2, b"bh=", b"bh=!"), BODY),
    "no author signed": lambda f: (
        changed(
            changed(f, b"ARC-Message-Signature", 2, b"date:from:", b"date:x:"),
            b"ARC-Message-Signature",
            2,
            b":from;",
            b":x;",
        ),
        BODY,
    ),
    "no domain": lambda f: (changed(f, b"ARC-Message-Signature", 2, b"d=two.example;", b""), BODY),
    "a tag twice": lambda f: (changed(f, b"ARC-Message-Signature", 2, b"i=2;", b"i=2; i=2;"), BODY),
    "an unknown form": lambda f: (changed(f, b"ARC-Message-Signature", 2, b"relaxed/relaxed", b"x/y"), BODY),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_breaks_a_chain_is_sealed_as_broken(what: str) -> None:
    fields, body = BREAKS[what](sealed(2))
    found, cv, why = status(fields, body)
    assert cv == "fail"
    assert why
    after = through(fields, "three.example", body)
    assert b"cv=fail" in after[0][1]
    assert after[2][1].startswith(b" i=%d; mx.three.example; arc=fail;" % (found.number + 1))
    ended = chain.read(after)
    assert ended.ended
    with pytest.raises(seal.NotSealed, match="before us"):
        seal.may_follow(ended)
    if what not in (
        "no Base64",
        "no Base64 in bh",
        "a tag twice",
        "an unknown form",
    ):  # dkimpy stumbles over those
        assert judged(fields, body) == "fail"


def test_a_seal_of_what_is_broken_stands_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over its own set alone, as if there were no other: whoever looks at it alone finds that it holds."""
    after = through(sealed(2), "three.example", BODY + b"footer\r\n")
    alone = [(n, v.replace(b"i=3;", b"i=1;")) for n, v in after[:3]]
    ours, signature, made = after[2], after[1], after[0]
    from posthouse.arc.canonical import relaxed

    text = b"\r\n".join([relaxed(ours), relaxed(signature), relaxed(chain.unsigned(made))])
    key = record.parse([making.record("three.example")])
    assert isinstance(key, record.Key)
    assert key.verifies(chain._decoded(chain._tag(made[1], b"b")), making.sha256(text))
    assert len(alone) == 3


def test_fifty_and_no_more() -> None:
    fields = sealed(50)
    assert status(fields)[1] == "pass"
    with pytest.raises(seal.NotSealed, match="50"):
        seal.may_follow(chain.read(fields))
    more = [(name, value.replace(b"i=50;", b"i=51;")) for name, value in fields]
    assert status(more)[1] == "fail"


@pytest.mark.parametrize(
    "value",
    [b"", b"i=", b"i=x; a", b"i=0; cv=none", b"i=99999; x", b";;;", b"i=-1;", b"\xff", "i=١;".encode()],
)
def test_what_cannot_be_numbered_is_left(value: bytes) -> None:
    for name in (b"ARC-Seal", b"arc-authentication-results", b"ARC-Message-Signature"):
        found = chain.read([*FIELDS, (name, value)])
        assert found.broken
        with pytest.raises(seal.NotSealed):
            seal.may_follow(found)


def test_a_number_of_thousands_costs_nothing() -> None:
    found = chain.read([*FIELDS, (b"ARC-Seal", b" i=9999; cv=pass")])
    assert (found.number, found.broken) == (9999, "more than 50 sets")


def test_text_of_chance_raises_nothing_else() -> None:
    chance = random.Random(50)
    whole = sealed(3)
    for _ in range(3000):
        fields = list(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(6)
            name, value = fields[at]
            cut, end = sorted(chance.choices(range(len(value) + 1), k=2))
            noise = bytes(chance.choices(b";=:ibdh \t\xff0a", k=chance.randint(0, 6)))
            fields[at] = name, value[:cut] + noise + value[min(end, cut + 9) :]
        if chance.random() < 0.2:
            fields.pop(chance.randrange(len(fields)))
        found, cv, _ = status(fields)
        try:
            seal.may_follow(found)
        except seal.NotSealed:
            continue
        try:
            other = judged(fields)
        except Exception:  # dkimpy's own trouble with it
            continue
        assert (cv == "pass") <= (other == "pass"), fields


KEY = making.record("one.example")


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ([], "no key"),
        ([KEY, KEY], "more than one"),
        ([b"v=DKIM1; p="], "withdrawn"),
        ([b"v=DKIM1"], "withdrawn"),
        ([b"v=DKIM2; p=AAAA"], "no RSA key"),
        ([KEY.replace(b"rsa", b"ed25519")], "no RSA key"),
        ([KEY + b"; h=sha1"], "something else"),
        ([KEY + b"; s=tlsrpt"], "something else"),
        ([b"p=AAAA"], "cannot be read"),
        ([b"p=!"], "cannot be read"),
        ([b"\xff\xfe"], "withdrawn"),
    ],
)
def test_records_without_a_key(texts: list[bytes], why: str) -> None:
    assert why in str(record.parse(texts))


def test_a_key_that_is_too_small() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    small = rsa.RSAPublicNumbers(65537, (1 << 1000) + 1).public_key()
    import base64

    from cryptography.hazmat.primitives import serialization

    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    text = b"p=" + base64.b64encode(small.public_bytes(*form))
    assert "1024 to 8192" in str(record.parse([text]))


@pytest.mark.parametrize("more", [b"", b"; t=s", b"; h=sha256:sha1", b"; s=email", b";", b"; n=x"])
def test_records_with_one(more: bytes) -> None:
    assert isinstance(record.parse([KEY + more]), record.Key)
