"""`posthouse cert`: the certificate in use, and its renewal. No session is cut off by it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from posthouse.cli import _directory, _output
from posthouse.errors import UsageError

if TYPE_CHECKING:
    from posthouse.ops.certificates import Renewal
    from posthouse.site.model import Site

_WAITS = 3


@click.group()
def cert() -> None:
    """List the certificate in use, and renew it."""


@cert.command("list")
@_directory.JSON
def list_(as_json: bool) -> None:
    """Show the certificate that the daemons read.

    JSON: a list of {"mode", "names", "missing", "issuer", "begins", "ends", "days_left", "self_signed", "pin", "last"};
    pin is what a TLSA record 3 1 1 holds; missing: names that it should be for; last: the last order, null without
    one, else {"when", "ok", "said"}.
    """
    _output.require_root()
    found = _found(_site())
    if as_json:
        _output.emit_json(found)
        return
    for one in found:
        rows = [
            ("names", ", ".join(one["names"])),
            ("missing", ", ".join(one["missing"]) or "none"),
            (
                "from",
                "nobody: it is self-signed" if one["self_signed"] else f"{one['issuer']} ({one['mode']})",
            ),
            ("valid", f"{one['begins']:%Y-%m-%d} to {one['ends']:%Y-%m-%d}, {one['days_left']} days left"),
            ("TLSA 3 1 1", one["pin"]),
        ]
        if one["last"]:
            said = "; ".join(f"{name}: {why}".removeprefix(": ") for name, why in one["last"]["said"].items())
            rows.append(("last order", f"{one['last']['when']}  {'ok' if one['last']['ok'] else said}"))
        _output.emit("\n".join(f"{name.ljust(10)}  {_plain(value)}" for name, value in rows))
    if not found:
        _output.note("There is none yet: posthouse apply")


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


@cert.command()
@click.option("--force", is_flag=True, help="Also where none is due.")
@click.option("--new-key", is_flag=True, help="For a new key; waits until its TLSA record is published.")
@_directory.JSON
def renew(force: bool, new_key: bool, as_json: bool) -> int:
    """Have a new certificate where one is due: order it, or take over the files that were renewed; then have every
    daemon read it, and see that every port shows it for every name.

    The one in use stays whatever fails. Exit status 0 fine or nothing to do, 1 something failed, 3 while a new key
    waits for its TLSA record. JSON: {"changed", "ok", "waits", "said"}.
    """
    _output.require_root()
    from posthouse.ops import certificates, context

    site = _site()
    if new_key and site.tls.kind != "acme":
        raise UsageError(
            "--new-key is for certificates that Posthouse orders.",
            'See mode = "acme" in docs/certificates.md.',
        )
    done = certificates.renew(
        context.base().telling(_output.note), site, _output.note, force=force, new_key=new_key
    )
    if as_json:
        _output.emit_json(
            {"changed": done.changed, "ok": done.ok, "waits": done.waits, "said": list(done.said)}
        )
    else:
        _say(done)
    return _WAITS if done.waits else 0 if done.ok else 1


@cert.command(hidden=True)
@click.argument("step", type=click.Choice(["publish", "remove"]))
def challenge(step: str) -> None:
    """For certbot, which names host and value in its environment: show the authority that a name is ours (DNS-01)."""
    _output.require_root()
    from posthouse.ops import challenge as ops

    os.environ.pop("REQUESTS_CA_BUNDLE", None)  # which is for the authority, not for who takes our records
    name, value = os.environ.get("CERTBOT_DOMAIN", ""), os.environ.get("CERTBOT_VALIDATION", "")
    if step == "publish":
        ops.publish(_site(), name, value)
    else:
        ops.remove(_site(), name, value)


def _say(done: Renewal) -> None:
    if done.changed:
        _output.emit(
            "A new certificate is served." if not done.ok else "A new certificate is served on every port."
        )
    for line in done.said:
        _output.emit("\n".join(_plain(part) for part in line.split("\n")))


def _site() -> Site:
    site = _directory.site()
    if site is None:
        raise UsageError("There is no site file yet.", "Begin with: sudo posthouse up DOMAIN")
    return site


def _found(site: Site) -> list[dict[str, Any]]:
    from datetime import UTC, datetime

    from posthouse.ops import certificates
    from posthouse.tls import place

    present = certificates.in_use()
    if present is None:
        return []
    last = certificates.TRIES.last() if site.tls.kind == "acme" else None
    shown = None
    if last is not None:
        when = datetime.fromtimestamp(last.when, UTC).isoformat(timespec="seconds")
        shown = {"when": when, "ok": last.ok, "said": last.said}
    return [
        {
            "mode": place.kind(),
            "names": list(present.names),
            "missing": [name for name in certificates.names(site) if not present.covers(name)],
            "issuer": present.issuer,
            "begins": present.begins,
            "ends": present.ends,
            "days_left": (present.ends - datetime.now(UTC)).days,
            "self_signed": present.self_signed,
            "pin": present.pin,
            "last": shown,
        }
    ]
