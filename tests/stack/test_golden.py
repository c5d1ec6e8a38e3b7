"""The whole rendered configuration, file by file, as a server would get it.

A change of a template shows here as the diff that an operator would see; `--rewrite-golden` accepts it.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Literal

import pytest

from posthouse.resources import Blueprint
from posthouse.site.model import Auth, Destination, DirectoryTable, Outgoing, Site, Tls, Web
from posthouse.site.relay import Relay, Route
from posthouse.site.release import Ground, Release
from posthouse.stack import assemble

GOLDEN = Path(__file__).parent / "golden"


def _rendered(blueprint: Blueprint) -> dict[str, str]:
    """Every file by its path, and `BLUEPRINT` for all that is not a file's content."""
    files = {str(file.path).lstrip("/"): file.content for file in blueprint.files}
    rest = dataclasses.asdict(blueprint)
    for file in rest["files"]:
        del file["content"], file["origins"]
    files["BLUEPRINT.json"] = json.dumps(rest, indent=1, default=str) + "\n"
    return files


def test_configuration(platform: tuple[str, Release, Ground], site: Site, rewrite: bool) -> None:
    name, release, ground = platform
    _compare(GOLDEN / name, _rendered(assemble(site, release, ground, {})), rewrite)


def _compare(folder: Path, rendered: dict[str, str], rewrite: bool) -> None:
    if rewrite:
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in rendered.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        pytest.skip("written anew")
    golden = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    assert sorted(rendered) == sorted(golden)
    for path, text in rendered.items():
        assert text == golden[path], f"{path}: see `pytest tests/stack --rewrite-golden`"


POSTGRESQL = {
    "local": DirectoryTable(backend="postgresql"),
    "url": DirectoryTable(
        backend="postgresql",
        url="postgresql://posthouse@db.example:5432/mails",
        password_file="/etc/posthouse/directory-password",
    ),
}


@pytest.mark.parametrize("where", POSTGRESQL)
@pytest.mark.parametrize("debian", [12, 13])
def test_postgresql(site: Site, debian: Literal[12, 13], where: str, rewrite: bool) -> None:
    """Only what is another file than with SQLite."""
    release, ground = Release(debian), Ground("systemd")
    other = site.model_copy(update={"directory": POSTGRESQL[where]})
    usual = _rendered(assemble(site, release, ground, {}))
    rendered = _rendered(assemble(other, release, ground, {}))
    changed = {path: text for path, text in rendered.items() if usual.get(path) != text}
    _compare(GOLDEN / f"debian{debian}-postgresql-{where}", changed, rewrite)


@pytest.mark.parametrize("manager", ["systemd", "supervisor"])
@pytest.mark.parametrize("debian", [12, 13])
def test_spamassassin(
    site: Site, debian: Literal[12, 13], manager: Literal["systemd", "supervisor"], rewrite: bool
) -> None:
    """Only what is another file than with Rspamd."""
    release, ground = Release(debian), Ground(manager)
    other = site.model_copy(update={"filter": "spamassassin"})
    usual = _rendered(assemble(site, release, ground, {}))
    rendered = _rendered(assemble(other, release, ground, {}))
    changed = {path: text for path, text in rendered.items() if usual.get(path) != text}
    _compare(GOLDEN / f"debian{debian}-{manager}-spamassassin", changed, rewrite)


PASSWORD = "/etc/posthouse/relay-password"
RELAY = Relay(
    provider="ses",
    region="eu-west-1",
    username="us",
    password_file=PASSWORD,
    route=[
        Route.model_validate({"from": "second.example", "host": "smtp.example.org", "tls": "encrypt"}),
        Route(to="third.example", provider="sendgrid", password_file=PASSWORD, port=465),
    ],
)
OUTGOING = Outgoing(tls="encrypt", destination=[Destination(domain="bank.example", tls="verify")])


@pytest.mark.parametrize("debian", [12, 13])
def test_relay(site: Site, debian: Literal[12, 13], rewrite: bool) -> None:
    """Only what is another file than without smart hosts."""
    release, ground = Release(debian), Ground("systemd")
    other = site.model_copy(update={"relay": RELAY, "outgoing": OUTGOING})
    usual = _rendered(assemble(site, release, ground, {}))
    blueprint = assemble(other, release, ground, {})
    changed = {path: text for path, text in _rendered(blueprint).items() if usual.get(path) != text}
    _compare(GOLDEN / f"debian{debian}-relay", changed, rewrite)
    assert not [
        name
        for file in blueprint.files
        if "postfix" in str(file.path)
        for name, why in file.origins
        if not why
    ]


@pytest.mark.parametrize(("debian", "manager"), [(12, "supervisor"), (13, "systemd")])
def test_cyrus(
    site: Site, debian: Literal[12, 13], manager: Literal["systemd", "supervisor"], rewrite: bool
) -> None:
    """Only what is another file than with Dovecot's SASL."""
    release, ground = Release(debian), Ground(manager)
    other = site.model_copy(update={"auth": Auth(sasl="cyrus")})
    usual = _rendered(assemble(site, release, ground, {}))
    blueprint = assemble(other, release, ground, {})
    changed = {path: text for path, text in _rendered(blueprint).items() if usual.get(path) != text}
    _compare(GOLDEN / f"debian{debian}-cyrus", changed, rewrite)


@pytest.mark.parametrize("manager", ["systemd", "supervisor"])
@pytest.mark.parametrize("debian", [12, 13])
def test_web(
    site: Site, debian: Literal[12, 13], manager: Literal["systemd", "supervisor"], rewrite: bool
) -> None:
    """Only what is another file than with a certificate alone."""
    release, ground = Release(debian), Ground(manager)
    tls = Tls(mode="acme")
    usual = _rendered(
        assemble(site.model_copy(update={"tls": tls, "web": Web(enabled=False)}), release, ground, {})
    )
    rendered = _rendered(assemble(site.model_copy(update={"tls": tls}), release, ground, {}))
    changed = {path: text for path, text in rendered.items() if usual.get(path) != text}
    _compare(GOLDEN / f"debian{debian}-{manager}-web", changed, rewrite)
