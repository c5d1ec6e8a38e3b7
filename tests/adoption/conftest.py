"""The hand-made server as a tree of files, with recorded answers of its programs."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from posthouse import stack
from posthouse.adoption.look import look
from posthouse.adoption.translate import Adoption, translate
from posthouse.dkim import keys
from posthouse.site.model import Site
from posthouse.site.release import Ground, Release
from posthouse.stack.postfix import master_cf
from posthouse.tls import self_signed

FILES = Path(__file__).parents[1] / "machine/hand_made/files"
RECORDED = Path(__file__).parent / "recorded"
CRAM = "6f74f81f1f88f3336e33134868c91bbfc9754bcb102e963c18dc23ea0f846cda"
ROWS: dict[str, Any] = {
    "transport": [{"domain": "snorl.ax", "transport": "virtual:"}],
    "users": [
        {
            "userid": f"user{number}@snorl.ax",
            "password": password,
            "realname": None,
            "uid": 5000,
            "gid": 5000,
            "home": f"snorl.ax/mails/user{number}",
            "mail": None,
        }
        for number, password in (("", "{CRAM-MD5}" + CRAM), ("2", "{CRYPT}$2y$05$abc"), ("3", CRAM))
    ],
    "virtual": [
        {"address": "kim@snorl.ax", "userid": "user@snorl.ax"},
        {"address": "Team@snorl.ax", "userid": "user@snorl.ax, User2@snorl.ax, somebody"},
    ],
}


class Server:
    """A server on paper: change its files and rows, then have it looked at."""

    def __init__(self, root: Path, suite: str) -> None:
        self.root = root
        self.suite = suite
        self.rows = copy.deepcopy(ROWS)
        self.doveconf = (RECORDED / f"doveconf-{suite}.txt").read_text()

    @property
    def debian(self) -> int:
        """12 or 13."""
        return 12 if self.suite == "bookworm" else 13

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text in one of its files."""
        file = self.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def ask(self, argv: list[str], user: str | None) -> str:
        """What its programs answer."""
        if argv[0] == "doveconf":
            return self.doveconf
        if argv[0] == "postconf":
            return "header_checks =\nsmtpd_client_connection_rate_limit = 0\nsmtp_tls_security_level =\n"
        assert (argv[0], user) == ("psql", "postgres")
        return json.dumps(self.rows)

    def adoption(self, domain: str = "snorl.ax", **words: str) -> Adoption:
        """Look at it, and say it anew."""
        site = Site(domain="snorl.ax", hostname="mail.snorl.ax", postmaster="user@snorl.ax")
        blueprint = stack.assemble(site, Release(self.debian), Ground("systemd"), {})  # type: ignore[arg-type]
        ours = next(file.content for file in blueprint.files if file.path.name == "master.cf")
        found = look(self.root, self.ask)
        return translate(found, domain, master_cf.parse(ours), self.debian, **words)  # type: ignore[arg-type]


@pytest.fixture(params=["bookworm", "trixie"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """The hand-made server of each Debian."""
    for tree in ("common", request.param):
        shutil.copytree(FILES / tree, tmp_path, dirs_exist_ok=True)
    live = tmp_path / "etc/letsencrypt/live/snorl.ax"
    self_signed.ensure("mail.snorl.ax", tmp_path / "made")
    shutil.copytree((tmp_path / "made/current").resolve(), live)
    dkim = tmp_path / "dkim"
    dkim.mkdir()
    key = keys.ensure("snorl.ax", dkim)
    (tmp_path / "etc/opendkim/keys").mkdir()
    shutil.copy(key.path, tmp_path / "etc/opendkim/keys/example.private")
    (tmp_path / "usr/lib/systemd/system").mkdir(parents=True)
    (tmp_path / "usr/lib/systemd/system/opendkim.service").touch()
    return Server(tmp_path, request.param)
