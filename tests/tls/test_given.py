"""A certificate that certbot keeps is read where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from posthouse.errors import PosthouseError
from posthouse.tls import given, self_signed


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A folder as certbot's live/NAME: links to the pair that is in use."""
    self_signed.ensure("mail.snorl.ax", tmp_path / "made")
    folder = tmp_path / "live"
    folder.mkdir()
    for name in (self_signed.CHAIN, self_signed.KEY):
        (folder / name).symlink_to((tmp_path / "made" / name).resolve())
    return folder


def test_it_takes_the_place_of_the_self_signed_one_and_stays(live: Path, tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    self_signed.ensure("mail.snorl.ax", tls)
    assert given.ensure(live, tls)
    assert not given.ensure(live, tls)
    assert (tls / self_signed.CHAIN).read_bytes() == (live / self_signed.CHAIN).read_bytes()
    assert not self_signed.ensure("mail.snorl.ax", tls), "what is somebody else's is left alone"


def test_it_tells_the_names(live: Path) -> None:
    assert given.check(live) == ("mail.snorl.ax",)


def test_a_key_of_another_certificate_is_refused(live: Path, tmp_path: Path) -> None:
    self_signed.ensure("mail.snorl.ax", tmp_path / "other")
    (live / self_signed.KEY).unlink()
    (live / self_signed.KEY).write_bytes((tmp_path / "other" / self_signed.KEY).read_bytes())
    with pytest.raises(PosthouseError, match="is not the key"):
        given.ensure(live, tmp_path / "tls")
    assert not (tmp_path / "tls").exists()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PosthouseError, match=r"fullchain\.pem"):
        given.check(tmp_path)
