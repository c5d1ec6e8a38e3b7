"""A certificate that the operator, or his certbot, keeps is judged and taken over."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tls import making

from posthouse.errors import PosthouseError
from posthouse.tls import given, pair, place, self_signed

HOST = "mail.snorl.ax"


class Live:
    """A folder as certbot's live/NAME: links to the pair that is in use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.chain, self.key = folder / pair.CHAIN, folder / pair.KEY

    def hold(self, chain: bytes, key: bytes) -> None:
        self.chain.write_bytes(chain)
        self.key.write_bytes(key)

    def ensure(self, tls: Path, *names: str) -> bool:
        return given.ensure(self.chain, self.key, names, tls)


@pytest.fixture
def live(tmp_path: Path) -> Live:
    made = Live(tmp_path / "live")
    made.hold(*making.pair(HOST))
    return made


def test_it_takes_the_place_of_the_self_signed_one_and_stays(live: Live, tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    self_signed.ensure(HOST, tls)
    assert given.differs(live.chain, live.key, tls)
    assert live.ensure(tls, HOST)
    assert not given.differs(live.chain, live.key, tls)
    assert not live.ensure(tls, HOST)
    assert (tls / pair.CHAIN).read_bytes() == live.chain.read_bytes()
    assert not self_signed.ensure(HOST, tls), "what is from elsewhere is left alone"
    assert self_signed.ensure(HOST, tls, instead=True)
    assert place.kind(tls) == "self-signed"


def test_a_renewal_is_taken_over_and_half_a_one_is_not(live: Live, tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    live.ensure(tls, HOST)
    before = (tls / pair.CHAIN).read_bytes()
    chain, key = making.pair(HOST)
    live.chain.write_bytes(chain)  # its key is not there yet
    with pytest.raises(PosthouseError, match="is not the key"):
        live.ensure(tls, HOST)
    assert (tls / pair.CHAIN).read_bytes() == before
    live.key.write_bytes(key)
    assert live.ensure(tls, HOST)
    assert (tls / pair.CHAIN).read_bytes() == chain
    assert len(list(tls.glob("files-*"))) == 1


def test_what_must_not_be_shown_is_refused(live: Live, tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    with pytest.raises(PosthouseError, match=r"not for imap\.snorl\.ax"):
        live.ensure(tls, HOST, "imap.snorl.ax")
    live.hold(*making.pair(HOST, days=(-90, -1)))
    with pytest.raises(PosthouseError, match="expired"):
        live.ensure(tls, HOST)
    assert not tls.exists()


def test_one_that_expires_while_it_is_in_use_stops_nothing(live: Live, tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    old = making.pair(HOST, days=(-90, -1))
    place.put("files", *old, tls)
    live.hold(*old)
    assert not live.ensure(tls, HOST)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PosthouseError, match=r"fullchain\.pem"):
        Live(tmp_path / "empty").ensure(tmp_path / "tls")
