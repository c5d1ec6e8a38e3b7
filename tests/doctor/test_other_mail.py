"""Machines with somebody else's mail server, as trees of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from posthouse.doctor import other_mail, ownership
from posthouse.doctor.check import Check


def packages(root: Path, *names: str) -> None:
    agents = {"exim4-daemon-light", "sendmail-bin", "msmtp-mta", "postfix"}
    text = "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"
        + ("Provides: mail-transport-agent\n" if name in agents else "")
        + "\n"
        for name in names
    )
    put(root, "var/lib/dpkg/status", text)


def put(root: Path, name: str, text: str = "x") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def one(root: Path) -> Check:
    (found,) = other_mail.check(root)
    return found


@pytest.fixture(autouse=True)
def nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_mail, "ours", lambda: False)


def test_nothing_there(tmp_path: Path) -> None:
    packages(tmp_path, "bash")
    assert one(tmp_path).state == "ok"


def test_a_postfix_of_somebody_with_mail(tmp_path: Path) -> None:
    packages(tmp_path, "postfix")
    put(tmp_path, "etc/postfix/main.cf")
    for name in ("deferred/A/AB12", "active/CD34", "maildrop/EF56"):
        put(tmp_path, f"var/spool/postfix/{name}")
    found = one(tmp_path)
    assert found.fatal
    assert "3 messages" in found.evidence
    assert "touched nothing" in found.evidence
    assert "--adopt" in found.mend


def test_a_postfix_of_somebody_without_mail(tmp_path: Path) -> None:
    packages(tmp_path, "postfix")
    put(tmp_path, "etc/postfix/main.cf")
    assert one(tmp_path).fatal


def test_a_postfix_that_up_was_cut_off_after(tmp_path: Path) -> None:
    packages(tmp_path, "postfix", "dovecot-core")
    (tmp_path / "etc/postfix").mkdir(parents=True)
    (tmp_path / "etc/dovecot").mkdir(parents=True)
    assert one(tmp_path).state == "ok"


def test_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_mail, "ours", lambda: True)
    packages(tmp_path, "postfix", "dovecot-core")
    put(tmp_path, "etc/postfix/main.cf")
    put(tmp_path, "etc/dovecot/local.conf")
    assert one(tmp_path).state == "ok"


def test_exim_as_debian_brings_it(tmp_path: Path) -> None:
    packages(tmp_path, "exim4-daemon-light", "exim4-base")
    put(tmp_path, "etc/exim4/update-exim4.conf.conf", "dc_eximconfig_configtype='local'\n")
    found = one(tmp_path)
    assert found.fatal
    assert "never set up" in found.evidence
    assert "apt-get remove exim4-base" in found.mend
    put(tmp_path, "var/spool/exim4/input/1abc-H")
    put(tmp_path, "var/spool/exim4/input/1abc-D")
    found = one(tmp_path)
    assert "1 message in its queue" in found.evidence


def test_exim_in_use(tmp_path: Path) -> None:
    packages(tmp_path, "exim4-daemon-light", "exim4-base")
    put(tmp_path, "etc/exim4/update-exim4.conf.conf", "dc_eximconfig_configtype='internet'\n")
    assert "does not take over" in one(tmp_path).evidence


@pytest.mark.parametrize(
    ("package", "message"), [("sendmail-bin", "var/spool/mqueue/qfABC"), ("msmtp-mta", None)]
)
def test_other_agents(tmp_path: Path, package: str, message: str | None) -> None:
    packages(tmp_path, package)
    if message:
        put(tmp_path, message)
    found = one(tmp_path)
    assert found.fatal
    assert ("1 message " if message else "no mail") in found.evidence


def test_dovecot_is_somebodys_only_when_changed(tmp_path: Path) -> None:
    packages(tmp_path, "dovecot-core")
    for name in ("etc/dovecot/dovecot.conf", "etc/dovecot/conf.d/10-mail.conf"):
        put(tmp_path, name, "as packaged\n")
    digest = hashlib.md5(b"as packaged\n").hexdigest()
    put(tmp_path, "var/lib/ucf/hashfile", f"{digest}  /etc/dovecot/dovecot.conf\n")
    status = tmp_path / "var/lib/dpkg/status"
    conffiles = f"Conffiles:\n /etc/dovecot/conf.d/10-mail.conf {digest}\n"
    status.write_text(status.read_text().rstrip("\n") + "\n" + conffiles)
    assert one(tmp_path).state == "ok"
    put(tmp_path, "etc/dovecot/conf.d/10-mail.conf", "edited\n")
    found = one(tmp_path)
    assert found.fatal
    assert "/etc/dovecot/conf.d/10-mail.conf" in found.evidence


def test_whose_a_machine_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership.paths, "ENGINE", tmp_path)
    assert not ownership.ours()
    for text, expected in (("", False), ("[]", False), ('{"current": 0}', False), ('{"current": 2}', True)):
        (tmp_path / "state.json").write_text(text)
        assert ownership.ours() is expected
    (tmp_path / "state.json").unlink()
    (tmp_path / "journal").write_text("")
    assert ownership.ours()
