"""OpenDKIM's keys: which private key signs for which domain, with which selector (opendkim.conf(5))."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CONFIG = "etc/opendkim.conf"


@dataclass(frozen=True)
class Key:
    """A key of the key table: `path` is where its private part is."""

    domain: str
    selector: str
    path: Path


@dataclass(frozen=True)
class Signing:
    """What signs. `strange`: lines that mean something which Posthouse does not do, with the reason."""

    keys: tuple[Key, ...]
    strange: tuple[str, ...]


def settings(root: Path) -> dict[str, str]:
    """Return opendkim.conf as pairs, names in lower case; empty where it is not there."""
    try:
        lines = (root / CONFIG).read_text(errors="replace").splitlines()
    except OSError:
        return {}
    words = (line.partition("#")[0].split(None, 1) for line in lines)
    return {pair[0].lower(): pair[1].strip() for pair in words if len(pair) == 2}


def read(root: Path) -> Signing:
    """Read the configuration and both tables; without OpenDKIM there are no keys."""
    conf = settings(root)
    if "keytable" not in conf:
        if {"domain", "selector", "keyfile"} <= set(conf):
            path = Path(conf["keyfile"])
            domains = conf["domain"].replace(",", " ").split()
            return Signing(tuple(Key(name.lower(), conf["selector"], path) for name in domains), ())
        return Signing((), ())
    table = {}
    for name, value in _lines(root, conf["keytable"]):
        domain, selector, file = [*value.split(":", 2), "", ""][:3]
        table[name] = Key(domain.lower(), selector, Path(file))
    keys: dict[str, Key] = {}
    strange = []
    for pattern, name in _lines(root, conf.get("signingtable", "")):
        key = table.get(name)
        domain = pattern.rpartition("@")[2].lower()
        if key is None:
            strange.append(f"{pattern} {name}: the key table has no such key")
        elif key.domain == "%" or key.domain == domain:
            if domain in keys and keys[domain] != Key(domain, key.selector, key.path):
                strange.append(f"{pattern} {name}: {domain} has a key already, and signs with one")
            keys.setdefault(domain, Key(domain, key.selector, key.path))
        else:
            strange.append(f"{pattern} {name}: signs for {domain} as {key.domain}; a domain signs for itself")
    return Signing(tuple(keys.values()), tuple(strange))


def _lines(root: Path, place: str) -> list[tuple[str, str]]:
    path = place.rpartition(":")[2]
    if not path:
        return []
    try:
        lines = (root / path.lstrip("/")).read_text(errors="replace").splitlines()
    except OSError:
        return []
    words = (line.partition("#")[0].split(None, 1) for line in lines)
    return [(pair[0], pair[1].strip()) for pair in words if len(pair) == 2]
