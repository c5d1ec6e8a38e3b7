"""The end of a purge as a script: every step asks first, nothing is done twice, and names cannot break out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from posthouse.directory.backend import Server
from posthouse.errors import PosthouseError
from posthouse.host.packages.removal import Removable
from posthouse.ops.purge import run, script, way
from posthouse.ops.purge.script import MARK, Rest
from posthouse.ops.purge.way import Way

TOOLS = (
    "apt-get",
    "apt-mark",
    "dpkg",
    "dpkg-query",
    "userdel",
    "groupdel",
    "getent",
    "chown",
    "systemctl",
    "id",
)


def carry_out(folder: Path, rest: Rest, state: str = "exit 1") -> subprocess.CompletedProcess[str]:
    """Run the script with tools that only write down what they are told; nobody is in the user database.

    `state`: shell commands that say what dpkg has of a package.
    """
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name in TOOLS:
        answer = {"id": "echo 0", "getent": "exit 2", "dpkg-query": state}.get(name, "true")
        (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{folder}/told\n{answer}\n')
        (tools / name).chmod(0o755)
    text = script.render(rest).replace("PATH=/usr/sbin", f"PATH={tools}:/usr/sbin")
    path = folder / "posthouse"
    path.write_text(text)
    return subprocess.run(["sh", str(path)], capture_output=True, text=True, check=False)


def test_it_is_a_script_that_the_launcher_knows(tmp_path: Path) -> None:
    text = script.render(Rest(packages=(["postfix:amd64"], []), users=["vmail"], groups=["vmail"]))
    assert text.splitlines()[1] == MARK
    launcher = (Path(__file__).parents[2] / "posthouse").read_text()
    assert f"'{MARK}'" in launcher
    (tmp_path / "x").write_text(text)
    assert subprocess.run(["sh", "-n", str(tmp_path / "x")], check=False).returncode == 0


def test_it_keeps_removes_and_ends_with_itself(tmp_path: Path) -> None:
    state, gone, empty, full = (tmp_path / name for name in ("state", "gone it's", "empty", "full"))
    for folder in (state, gone, empty, full):
        folder.mkdir()
    for folder in (state, gone, full):
        (folder / "file").write_text("x")
    kept = tmp_path / "kept/state"
    rest = Rest(
        packages=((), ()), folders=(empty, full), removed=(gone,), kept={state: kept}, users=("nobody2",)
    )
    # `empty` asks dpkg whose a folder is: here nobody's
    done = carry_out(tmp_path, rest)
    assert done.returncode == 0, done.stderr
    assert (kept / "file").read_text() == "x"
    assert not state.exists()
    assert not gone.exists()
    assert full.exists()
    assert not (tmp_path / "posthouse").exists()
    assert "userdel" not in (tmp_path / "told").read_text()
    assert carry_out(tmp_path, rest).returncode == 0


def test_a_package_that_apt_left_is_purged_again(tmp_path: Path) -> None:
    """apt may end well and leave the configuration of a package whose removal was cut off before."""
    purged = f"$(grep -c 'apt-get -q -y' {tmp_path}/told)"
    rest = Rest(packages=(["dovecot-managesieved:amd64"], []))
    done = carry_out(tmp_path, rest, f"[ {purged} = 2 ] && printf not-installed || printf config-files")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "posthouse").exists()


def test_a_package_that_stays_is_told_of_and_the_purge_can_go_on(tmp_path: Path) -> None:
    done = carry_out(tmp_path, Rest(packages=(["dovecot-managesieved:amd64"], [])), "printf config-files")
    assert done.returncode == 1
    assert "apt-get purge leaves dovecot-managesieved:amd64" in done.stderr
    assert (tmp_path / "posthouse").exists()


def test_waiting_mail_is_never_lost_by_a_purge() -> None:
    goes = Removable(("postfix:amd64", "unbound:amd64"), ())
    with pytest.raises(PosthouseError, match="2 messages wait"):
        run.refuse_queue(Way(goes, 2, with_mail=False, rest=Rest(packages=())))
    run.refuse_queue(Way(goes, 0, with_mail=False, rest=Rest(packages=())))
    run.refuse_queue(
        Way(Removable((), ()), 2, with_mail=False, rest=Rest(packages=()))
    )  # Postfix stays, with its queue
    run.refuse_queue(Way(None, 2, with_mail=False, rest=Rest(packages=())))


def test_users_and_groups_stay_with_packages_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose group is gone makes dpkg fail for good (dpkg-statoverride)."""
    there = {"ssl-cert:all", "postgresql-common:all", "postfix:amd64"}
    monkeypatch.setattr(way.brought, "packages", lambda: there)
    assert way._needed(Removable(("postfix:amd64",), ("ssl-cert:all",))) == {"ssl-cert", "postgres"}
    assert way._needed(Removable(tuple(there), ())) == set()
    assert {"postfix", "postdrop", "ssl-cert"} <= way._needed(None)


@pytest.mark.parametrize(
    ("where", "goes", "left"),
    [
        (Path("/x.sqlite"), (), None),
        (Server.local(), ("postgresql-common:all",), None),
        (Server.local(), (), "the database mails on this host"),
        (Server("db.example"), ("postgresql-common:all",), "the database mails at db.example"),
    ],
)
def test_a_database_that_stays_is_told(
    where: Path | Server, goes: tuple[str, ...], left: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(way.backend, "current", lambda: where)
    found = Way(Removable(goes, ()), 0, with_mail=True, rest=Rest(packages=()))
    assert way.database_left(found) == left
