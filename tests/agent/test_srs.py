"""Senders rewritten and found back: by the scheme's own reference, and whatever the address."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.agent import secret
from posthouse.agent.long_senders import LongSenders
from posthouse.agent.srs import KEPT, MAX_AGE, MAX_LOCAL, Forged, Srs
from posthouse.agent.srs_map import SrsMap

DAY = 1_700_000_000 // 86400


class Memory(dict[str, str]):
    """Where senders are kept for the length of a test."""

    def put(self, sender: str) -> str:
        token = hashlib.sha256(sender.encode()).hexdigest()[:20]
        self[token] = sender
        return token


def srs(domain: str = "snorl.ax", *secrets: bytes, day: int = DAY) -> Srs:
    return Srs(domain, secrets or (b"tops3cr3t",), lambda: day, Memory())


# What Mail::SRS 0.31 ("guarded", HashLength 8, Separator "=") says on that day.
REFERENCE = [
    ("Ann.Smith+x@honest.example", "snorl.ax", "SRS0=jJGho4hT=G3=honest.example=Ann.Smith+x@snorl.ax"),
    (
        "SRS0=jJGho4hT=G3=honest.example=Ann.Smith+x@snorl.ax",
        "second.example",
        "SRS1=XhIkcnAR=snorl.ax==jJGho4hT=G3=honest.example=Ann.Smith+x@second.example",
    ),
    (
        "SRS1=XhIkcnAR=snorl.ax==jJGho4hT=G3=honest.example=Ann.Smith+x@second.example",
        "third.example",
        "SRS1=XhIkcnAR=snorl.ax==jJGho4hT=G3=honest.example=Ann.Smith+x@third.example",
    ),
    (
        "SRS0+abc=XX=far.example=joe@other.example",
        "snorl.ax",
        "SRS1=ZeTAeX7/=other.example=+abc=XX=far.example=joe@snorl.ax",
    ),
    ("a=b=c@honest.example", "snorl.ax", "SRS0=y0HHXle/=G3=honest.example=a=b=c@snorl.ax"),
]


@pytest.mark.parametrize(("sender", "domain", "written"), REFERENCE)
def test_it_is_the_published_scheme(
    monkeypatch: pytest.MonkeyPatch, sender: str, domain: str, written: str
) -> None:
    monkeypatch.setattr("posthouse.agent.srs.MAX_LOCAL", 100)
    assert srs(domain).forward(sender) == written
    where = srs(domain)
    if sender.startswith("SRS1"):  # a bounce goes to the first who rewrote it, past everybody between
        sender = "SRS0=jJGho4hT=G3=honest.example=Ann.Smith+x@snorl.ax"
    assert where.reverse(written) == sender
    assert where.reverse(written.lower()).lower() == sender.lower()


WORDS = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~.-", min_size=1, max_size=70)
HOSTS = st.from_regex(r"[a-zA-Z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,8}){1,3}", fullmatch=True)
STRANGE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)


@given(st.one_of(WORDS, STRANGE), HOSTS, st.integers(0, 5000), st.integers(0, MAX_AGE))
def test_every_sender_comes_back_in_time(local: str, host: str, day: int, age: int) -> None:
    memory = Memory()
    written = Srs("snorl.ax", (b"a",), lambda: day, memory).forward(f"{local}@{host}")
    assert len(written.rpartition("@")[0]) <= MAX_LOCAL
    later = Srs("snorl.ax", (b"b", b"a"), lambda: day + age, memory)
    back = later.reverse(written)
    if not local.upper().startswith(("SRS0", "SRS1")):
        assert back == f"{local}@{host}"


@given(STRANGE, st.sampled_from(["snorl.ax", "other.example"]))
def test_nothing_made_up_is_ours(local: str, domain: str) -> None:
    for start in ("", "SRS0=", "SRS1=", "srs0+", "SRS0=AAAAAAAA=AA="):
        with pytest.raises(Forged):
            srs().reverse(f"{start}{local}@{domain}")


@given(st.integers(0, 60), st.characters(min_codepoint=33, max_codepoint=126))
def test_one_other_letter_makes_it_forged(place: int, letter: str) -> None:
    written = srs().forward("ann@honest.example")
    local, _, domain = written.rpartition("@")
    place %= len(local)
    changed = local[:place] + letter + local[place + 1 :]
    if changed.lower() == local.lower() or (changed[4] in "=+-" and place == 4):
        return
    with pytest.raises(Forged):
        srs().reverse(f"{changed}@{domain}")


def test_it_ends_with_time() -> None:
    written = srs().forward("ann@honest.example")
    assert srs(day=DAY + MAX_AGE).reverse(written) == "ann@honest.example"
    with pytest.raises(Forged, match="older"):
        srs(day=DAY + MAX_AGE + 1).reverse(written)


def test_another_secret_is_another_host() -> None:
    written = srs("snorl.ax", b"old").forward("ann@honest.example")
    assert srs("snorl.ax", b"new", b"old").reverse(written) == "ann@honest.example"
    with pytest.raises(Forged):
        srs("snorl.ax", b"new").reverse(written)


def test_kept_senders_stay_as_long_as_a_bounce_may_come(tmp_path: Path) -> None:
    today = [DAY]
    kept = LongSenders(tmp_path / "senders.sqlite", lambda: today[0])
    first = kept.put("a" * 80 + "@honest.example")
    assert kept.put("a" * 80 + "@honest.example") == first
    today[0] += MAX_AGE
    second = kept.put("b" * 80 + "@honest.example")
    assert kept.get(first) == "a" * 80 + "@honest.example"
    today[0] += 2
    kept.put("c" * 80 + "@honest.example")
    assert kept.get(first) is None
    assert kept.get(second) is not None


def test_the_secret_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    (made,) = secret.load(path)
    assert len(made) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret.load(path) == [made]
    path.write_bytes(b"new\n" + made + b"\n")
    assert secret.load(path) == [b"new", made]
    path.write_bytes(b"")  # cut off while it was written, by hand
    assert secret.load(path) != [made]


def test_what_postfix_is_told(tmp_path: Path) -> None:
    where = srs()
    socketmap = SrsMap(tmp_path / "s", where)

    def asked(question: str) -> str:
        return asyncio.run(socketmap.answer(question))

    written = where.forward("Ann@honest.example")
    assert asked(f"reverse {written}") == "OK Ann@honest.example"
    assert asked(f"access {written}") == "OK DUNNO"
    for forged in (f"{written[:-8]}other.example", f"SRS0=a@{where.domain}", "", f"{KEPT}@snorl.ax"):
        assert asked(f"reverse {forged}") == "NOTFOUND "
        assert asked(f"access {forged}").startswith("OK 550 5.1.1 ")


def test_a_kept_file_that_cannot_be_read_is_not_a_no(tmp_path: Path) -> None:
    kept = LongSenders(tmp_path / "senders.sqlite", lambda: DAY)
    where = Srs("snorl.ax", (b"a",), lambda: DAY, kept)
    written = where.forward("x" * 70 + "@honest.example")
    socketmap = SrsMap(tmp_path / "s", where)

    def asked(question: str) -> str:
        return asyncio.run(socketmap.answer(question))

    assert asked(f"reverse {written}") == f"OK {'x' * 70}@honest.example"
    kept.path.unlink()
    assert asked(f"access {written}").startswith("OK 550")
    kept.path.unlink()
    kept.path.mkdir()
    assert asked(f"reverse {written}").startswith("TEMP ")
