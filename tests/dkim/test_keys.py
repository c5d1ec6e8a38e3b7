"""DKIM keys: made once, whole, and good for an independent signer and verifier."""

from __future__ import annotations

import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import dkim
from posthouse.dkim import keys
from posthouse.errors import PosthouseError

LETTER = b"From: user@snorl.ax\r\nTo: kim@snorl.ax\r\nSubject: hi\r\n\r\nhello\r\n"


def test_a_key_signs_and_its_record_verifies(tmp_path: Path) -> None:
    key = keys.ensure("snorl.ax", tmp_path)
    assert stat.S_IMODE(key.path.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / keys.MAP).stat().st_mode) == 0o640
    assert (tmp_path / keys.MAP).read_text() == f"snorl.ax {key.selector}\n"
    assert len(key.selector) == 6
    assert key.selector.isdigit()
    signature = dkim.sign(LETTER, key.selector.encode(), b"snorl.ax", key.path.read_bytes())
    asked: list[bytes] = []

    def record(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return key.public_record.encode()

    assert dkim.verify(signature + LETTER, dnsfunc=record)
    assert asked == [f"{key.selector}._domainkey.snorl.ax.".encode()]


def test_a_twin_signs_beside_its_key_and_both_verify(tmp_path: Path) -> None:
    keys.with_twins(True, tmp_path)
    keys.ensure("snorl.ax", tmp_path)
    rsa, twin = keys.all(tmp_path)
    assert (rsa.algorithm, twin.algorithm) == ("rsa", "ed25519")
    assert twin.selector == f"{rsa.selector}-ed25519"
    assert stat.S_IMODE(twin.path.stat().st_mode) == 0o640
    assert (tmp_path / keys.MAP).read_text() == f"snorl.ax {rsa.selector}\n"
    tags = dict(tag.strip().split("=", 1) for tag in twin.public_record.split(";"))
    assert (tags["k"], len(base64.b64decode(tags["p"]))) == ("ed25519", 32)  # RFC 8463 section 4.2
    twin.path.write_bytes(rsa.path.read_bytes())
    with pytest.raises(PosthouseError, match="ed25519 key"):
        keys.all(tmp_path)


def test_a_key_is_made_once(tmp_path: Path) -> None:
    first = keys.ensure("snorl.ax", tmp_path)
    other = keys.ensure("b.example", tmp_path)
    assert keys.ensure("snorl.ax", tmp_path) == first
    assert keys.all(tmp_path) == (other, first)
    assert {path.name for path in tmp_path.iterdir()} == {first.path.name, other.path.name, keys.MAP}


def test_a_lost_key_is_told_and_not_replaced(tmp_path: Path) -> None:
    first = keys.ensure("snorl.ax", tmp_path)
    first.path.unlink()
    assert keys.all(tmp_path) == ()
    with pytest.raises(keys.KeyLost, match=f"{first.selector}.key"):
        keys.ensure("snorl.ax", tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / keys.MAP]


def test_a_lost_map_is_made_again_from_the_keys(tmp_path: Path) -> None:
    made = [keys.ensure(domain, tmp_path) for domain in ("snorl.ax", "a.snorl.ax")]
    (tmp_path / keys.MAP).unlink()
    assert [keys.ensure(key.domain, tmp_path) for key in made] == made
    (tmp_path / keys.MAP).write_text("")
    made[0].path.with_name("snorl.ax.202001.key").write_bytes(made[0].path.read_bytes())
    with pytest.raises(keys.KeyLost, match="202001"):  # which of the two is published?
        keys.ensure("snorl.ax", tmp_path)


def test_two_at_once_make_one_key_each(tmp_path: Path) -> None:
    code = "import sys, pathlib, posthouse.dkim.keys as k; k.ensure(sys.argv[2], pathlib.Path(sys.argv[1]))"
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), domain])
        for domain in ("a.example", "b.example", "a.example", "b.example")
    ]
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    assert [key.domain for key in keys.all(tmp_path)] == ["a.example", "b.example"]
    assert len(list(tmp_path.glob("*.key"))) == 2


@pytest.mark.parametrize("domain", ["", "../x", "a/b", "A.example", "a..b", ".a", "a b", "a\n"])
def test_names_that_cannot_sign(tmp_path: Path, domain: str) -> None:
    with pytest.raises(PosthouseError):
        keys.ensure(domain, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_trouble_is_told(tmp_path: Path) -> None:
    with pytest.raises(PosthouseError, match="No such file"):
        keys.ensure("snorl.ax", tmp_path / "none")
    key = keys.ensure("snorl.ax", tmp_path)
    key.path.write_text("no key")
    with pytest.raises(PosthouseError, match="RSA key in PEM form"):
        keys.all(tmp_path)
