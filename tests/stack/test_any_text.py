"""Whatever text stands in the site file: it is refused there, or every daemon's file can be written with it, and no
sign in it means anything to a daemon."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.stack.conftest import PLATFORMS, SITE

from posthouse.site.model import Site
from posthouse.stack import assemble

# What some daemon's file, a shell, systemd, supervisor or SQL reads as its own.
SIGNS = "'\"`$%{}\\;#|<>*?!, \t\n\r\0"
FILES = {"mode": "files", "key": "/k.pem"}
RELAY = {"host": "smart.example.net", "username": "me", "password_file": "/p"}
UPDATE = {"server": "192.0.2.1", "key": "k", "secret_file": "/s"}
ROUTE = {"host": "smart.example.net"}
# field: what stands around the text there, and the tables that it needs
FIELDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "domain": ("x", ".example", {}),
    "hostname": ("x", ".example", {}),
    "postmaster": ("x", "@snorl.ax", {}),
    "auth.realm": ("x", ".example", {}),
    "dmarc.report_to": ("x", "", {}),
    "dmarc.failures_to": ("x", "@snorl.ax", {}),
    "dns.update.key": ("x", "", {"dns": {"update": UPDATE}}),
    "dns.update.secret_file": ("/x", "", {"dns": {"update": UPDATE}}),
    "tls.names": ("x", ".example", {}),
    "tls.email": ("x", "@snorl.ax", {"tls": {"mode": "acme"}}),
    "tls.acme_server": ("https://ca.example/x", "", {"tls": {"mode": "acme"}}),
    "tls.webroot": ("/x", "", {"tls": {"mode": "acme"}}),
    "tls.folder": ("/x", "", {"tls": {"mode": "files"}}),
    "tls.certificate": ("/x", "", {"tls": FILES}),
    "relay.host": ("x", ".example", {"relay": RELAY}),
    "relay.username": ("x", "", {"relay": RELAY}),
    "relay.password_file": ("/x", "", {"relay": RELAY}),
    "relay.spf": ("include:x", "", {"relay": RELAY}),
    "relay.route.from": ("x", ".example", {"relay": {"route": [ROUTE]}}),
    "relay.route.to": ("x", ".example", {"relay": {"route": [ROUTE]}}),
    "outgoing.destination.domain": ("x", ".example", {"outgoing": {"destination": [{"tls": "verify"}]}}),
    "bans.never": ("192.0.2.1", "", {}),
    "earlier.quiet_units": ("x", ".service", {}),
}
LISTS = ("tls.names", "bans.never", "earlier.quiet_units")


def put(given: dict[str, Any], field: str, value: str) -> dict[str, Any]:
    """The file's tables with this value in its place."""
    head, _, rest = field.partition(".")
    if not rest:
        return {**given, head: value}
    inner = given.get(head, {})
    if isinstance(inner, list):
        return {**given, head: [put(inner[0], rest, value)]}
    return {**given, head: put(inner, rest, value)}


@functools.cache
def usual(field: str, platform: str) -> dict[str, str]:
    """The files where nothing strange stands in this field."""
    before, after, tables = FIELDS[field]
    return files(put(tables, field, before + after), field, platform) or {}


def files(tables: dict[str, Any], field: str, platform: str) -> dict[str, str] | None:
    """Every file of the blueprint; None where the site file is refused."""
    if field in LISTS:
        head, name = field.split(".")
        tables = {**tables, head: {**tables[head], name: [tables[head][name]]}}
    plain = {"domain": SITE.domain, "hostname": SITE.hostname, "postmaster": SITE.postmaster}
    try:
        site = Site.model_validate({**plain, **tables})
    except ValidationError:
        return None
    _, release, ground = (platform, *PLATFORMS[platform])
    return {str(file.path): file.content for file in assemble(site, release, ground, {}).files}


@pytest.mark.parametrize("field", FIELDS)
@settings(max_examples=60)
@given(st.text("ab-./:@~&=+_" + SIGNS, max_size=6), st.sampled_from(sorted(PLATFORMS)))
@example("\nevil = yes", "debian12-systemd")
@example("'; DROP TABLE users; --", "debian13-supervisor")
@example("$(id)", "debian12-supervisor")
@example("%{x}", "debian13-systemd")
@example(" # x", "debian13-supervisor")
def test_it_is_refused_or_it_is_only_text(field: str, text: str, platform: str) -> None:
    before, after, tables = FIELDS[field]
    value = before + text + after
    found = files(put(tables, field, value), field, platform)
    if found is None or not set(SIGNS) & set(value):
        return
    plain = usual(field, platform)
    shown = [
        name for name, content in found.items() if content.count(value) > plain.get(name, "").count(value)
    ]
    assert shown == [], f"{value!r} stands in {shown}"


@pytest.mark.parametrize("field", FIELDS)
def test_the_fields_are_there(field: str) -> None:
    for platform in PLATFORMS:
        assert usual(field, platform)
