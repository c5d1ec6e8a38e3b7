"""DKIM keys (RFC 6376): one for each domain, made when the domain appears, live at the next message.

The folder belongs to the agent's user and, by its setgid bit, its files to the filter's group: keys as
`DOMAIN.SELECTOR.key` (PKCS #8 PEM, 0640), and `selectors.map` with a line `DOMAIN SELECTOR` for each domain
that signs. The key is written first and the map renamed into place after it, so that Rspamd never meets a
selector without its key.

Where the folder says so (`with_twins`: the filter signs with two keys at once), a key is made with a twin, ed25519
beside RSA (RFC 8463), as `DOMAIN.SELECTOR-ed25519.key`. The map does not name it: it signs whenever its RSA key does,
so both change as one. A key that has none gets none later, for its record would not be published.

Once a domain signs, its key is published, and no other takes its place unseen: where the key is gone, nothing is
made and mail of the domain waits (`KeyLost`); where only the map is, it is made again from the keys.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from posthouse import paths
from posthouse.errors import PosthouseError

BITS = 2048  # RFC 8301 section 3.2: at least 1024, should be 2048; longer ones overflow DNS answers
MAP = "selectors.map"
TWIN = "-ed25519"  # what a twin's selector adds to that of its key
TWINS = "with-ed25519"  # a file: whether keys that are made have twins
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True)
class Key:
    """A signing key. `public_record` is the TXT record's whole text, for SELECTOR._domainkey.DOMAIN."""

    domain: str
    selector: str
    path: Path
    public_record: str

    @property
    def algorithm(self) -> str:
        """The name of its kind (RFC 6376 section 3.6.1, RFC 8463 section 4)."""
        return "ed25519" if self.selector.endswith(TWIN) else "rsa"


class KeyLost(PosthouseError):
    """A domain has signed, and which key it signs with, or that key, is gone."""


def ensure(domain: str, folder: Path = paths.DKIM) -> Key:
    """Return a domain's key; make it where there is none. Safe under two callers at once.

    Said by root, it is done as the folder's owner.

    Raises:
        KeyLost: it had one.
        PosthouseError: the folder or a key cannot be read or written, or `domain` is not a lower-case name.
    """
    if not _NAME.fullmatch(domain) or ".." in domain:
        raise PosthouseError(
            f"{domain!r} is not a domain that can sign", "lower-case letters, digits, dots, hyphens"
        )
    owner = _prepared(folder)
    if os.geteuid() == 0 and owner != 0:
        from posthouse.host.accounts import drop_to

        return drop_to(pwd.getpwuid(owner).pw_name, lambda: _ensure(domain, folder))
    return _ensure(domain, folder)


def take_over(domain: str, selector: str, private: bytes, folder: Path = paths.DKIM) -> bool:
    """Sign for a domain with a key that another program made; True unless it has a key already.

    Raises:
        PosthouseError: it is no RSA key, or the folder cannot be written.
    """
    public_record(private, _path(domain, selector, folder))
    owner = _prepared(folder)
    if os.geteuid() == 0 and owner != 0:
        from posthouse.host.accounts import drop_to

        return drop_to(pwd.getpwuid(owner).pw_name, lambda: _take_over(domain, selector, private, folder))
    return _take_over(domain, selector, private, folder)


def _take_over(domain: str, selector: str, private: bytes, folder: Path) -> bool:
    with changing(folder):
        selectors = _selectors(folder)
        if domain in selectors:
            return False
        write(_path(domain, selector, folder), private)
        _write_map({**selectors, domain: selector}, folder)
        return True


def _write_map(selectors: dict[str, str], folder: Path) -> None:
    lines = "".join(f"{name} {chosen}\n" for name, chosen in sorted(selectors.items()))
    write(folder / MAP, lines.encode())


def one(domain: str, selector: str, folder: Path = paths.DKIM) -> Key | None:
    """Return one key, whether it signs or not; None where it is not there. PosthouseError where it cannot be read."""
    return _read(domain, selector, folder)


def with_twin(key: Key, folder: Path = paths.DKIM) -> tuple[Key, ...]:
    """Return a key, and its twin where it has one: what signs, is published and goes together. PosthouseError."""
    twin = _read(key.domain, key.selector + TWIN, folder)
    return (key,) if twin is None else (key, twin)


def with_twins(wanted: bool, folder: Path = paths.DKIM) -> None:
    """Say whether keys that are made from now on have twins; those that are there stay as they are. PosthouseError."""
    if wanted == (folder / TWINS).exists():
        return

    def act() -> None:
        with changing(folder):
            if wanted:
                write(folder / TWINS, b"")
            else:
                (folder / TWINS).unlink(missing_ok=True)

    owner = _prepared(folder)
    if os.geteuid() == 0 and owner != 0:
        from posthouse.host.accounts import drop_to

        drop_to(pwd.getpwuid(owner).pw_name, act)
    else:
        act()


def _write_new(domain: str, selector: str, folder: Path) -> None:
    """Make a key, its twin first: one that a kill leaves alone is nobody's, and is written over."""
    if (folder / TWINS).exists():
        write(_path(domain, selector + TWIN, folder), _new_twin())
    write(_path(domain, selector, folder), _new_key())


def make(domain: str, taken: Iterable[str], folder: Path = paths.DKIM) -> Key:
    """Make a further key of a domain, which does not sign: YYYYMM, with a letter where the month has one already.

    The caller owns the folder, and nobody else changes it meanwhile (`changing`). PosthouseError.
    """
    month = datetime.now(UTC).strftime("%Y%m")
    names = (month, *(month + letter for letter in "bcdefghijklmnopqrstuvwxyz"))
    used = {*taken, *selectors_of(domain, folder)}
    free = [name for name in names if name not in used]
    if not free:
        raise PosthouseError(f"{domain}: all selectors of {month} are taken", "rotate again next month")
    _write_new(domain, free[0], folder)
    made = _read(domain, free[0], folder)
    assert made is not None
    return made


def sign_with(domain: str, selector: str, folder: Path = paths.DKIM) -> None:
    """Let a domain sign with another key of its own from the next message on: key and selector change as one.

    The caller owns the folder, and nobody else changes it meanwhile (`changing`).

    Raises:
        PosthouseError: there is no such key, or the map cannot be written.
    """
    if _read(domain, selector, folder) is None:
        raise _lost(domain, selector, folder)
    _write_map({**_selectors(folder), domain: selector}, folder)


def signing(domain: str, folder: Path = paths.DKIM) -> str | None:
    """Return the selector that a domain signs with. PosthouseError."""
    return _selectors(folder).get(domain)


def domains(folder: Path = paths.DKIM) -> tuple[str, ...]:
    """Return the domains that sign. PosthouseError."""
    return tuple(sorted(_selectors(folder)))


def selectors_of(domain: str, folder: Path = paths.DKIM) -> tuple[str, ...]:
    """Return the selectors of all keys of a domain that are there, without their twins'."""
    found = sorted(path.name.removeprefix(f"{domain}.")[:-4] for path in folder.glob(f"{domain}.*.key"))
    return tuple(selector for selector in found if "." not in selector and not selector.endswith(TWIN))


def all(folder: Path = paths.DKIM) -> tuple[Key, ...]:
    """Return the keys that sign, by domain, each before its twin; one whose file is missing is left out.

    Raises:
        PosthouseError: the folder or a key cannot be read.
    """
    found = (_read(domain, selector, folder) for domain, selector in sorted(_selectors(folder).items()))
    return tuple(one for key in found if key is not None for one in with_twin(key, folder))


def _ensure(domain: str, folder: Path) -> Key:
    with changing(folder):
        selectors = _selectors(folder)
        selector = selectors.get(domain) or _unnamed(domain, folder)
        if selector is None:
            selector = datetime.now(UTC).strftime("%Y%m")
            _write_new(domain, selector, folder)
        key = _read(domain, selector, folder)
        if key is None:
            raise _lost(domain, selector, folder)
        if domain not in selectors:
            _write_map({**selectors, domain: selector}, folder)
        return key


def _unnamed(domain: str, folder: Path) -> str | None:
    """Return the selector of a key that the map does not name: the map was lost, or never came to be written."""
    found = selectors_of(domain, folder)
    if len(found) > 1:
        raise KeyLost(
            f"{folder / MAP} names no key of {domain}, and there are several: {', '.join(found)}",
            f"add the line `{domain} SELECTOR` with the one that DNS shows",
        )
    return found[0] if found else None


def _lost(domain: str, selector: str, folder: Path) -> KeyLost:
    path = _path(domain, selector, folder)
    return KeyLost(
        f"{path}: {domain} signs with this key, and it is gone; its mail waits",
        f"restore it from a backup; or take the line `{domain} {selector}` out of {folder / MAP}, and publish"
        " the key that is made then in the place of the old one (`posthouse dns show`)",
    )


def _new_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _new_twin() -> bytes:
    """Return the 32 octets of a key (RFC 8032 section 5.1.5) as Rspamd reads them: it takes no ed25519 in PEM form."""
    import base64
    import secrets

    return base64.b64encode(secrets.token_bytes(32))


def _read(domain: str, selector: str, folder: Path) -> Key | None:
    path = _path(domain, selector, folder)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(path, error) from error
    record = twin_record if selector.endswith(TWIN) else public_record
    return Key(domain, selector, path, record(data, path))


def regroup(folder: Path = paths.DKIM) -> None:
    """Give the keys to the folder's group, where an earlier program gave them to another. OSError."""
    group = folder.stat().st_gid
    for path in folder.iterdir():
        if path.is_file() and not path.is_symlink() and path.stat().st_gid != group:
            os.chown(path, -1, group)


def public_record(private: bytes, path: Path) -> str:
    """Return the record of RFC 6376 section 3.6.1 for a private key; s=email keeps it to mail.

    PosthouseError where it is no RSA key; `path` says where it is.
    """
    import base64

    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    try:
        key = serialization.load_pem_private_key(private, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise PosthouseError(
            f"{path}: expected an RSA key in PEM form, found something else",
            "restore it from a backup; or remove it, and a new key is made that must be published anew",
        )
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"v=DKIM1; h=sha256; k=rsa; s=email; p={base64.b64encode(der).decode()}"


def twin_record(private: bytes, path: Path) -> str:
    """Return the record of RFC 8463 section 4.2 for an ed25519 key; PosthouseError where it is none."""
    import base64
    import binascii

    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private, validate=True))
    except (ValueError, binascii.Error):
        raise PosthouseError(
            f"{path}: expected an ed25519 key (32 octets in Base64), found something else",
            "restore it from a backup; or remove it, and its record: the RSA key beside it goes on",
        ) from None
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return f"v=DKIM1; h=sha256; k=ed25519; s=email; p={base64.b64encode(raw).decode()}"


def _path(domain: str, selector: str, folder: Path) -> Path:
    return folder / f"{domain}.{selector}.key"


def _selectors(folder: Path) -> dict[str, str]:
    try:
        text = (folder / MAP).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _failed(folder / MAP, error) from error
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {words[0]: words[1] for words in lines if len(words) == 2 and "/" not in words[0] + words[1]}


def _prepared(folder: Path) -> int:
    """Make our own folder where root finds none; return the uid of its owner."""
    try:
        if folder == paths.DKIM and not folder.exists() and os.geteuid() == 0:
            from posthouse.host.files import make_directory
            from posthouse.resources import Directory

            make_directory(Directory(folder, paths.AGENT_USER, paths.DKIM_GROUP, 0o2750))
        return folder.stat().st_uid
    except OSError as error:
        raise _failed(folder, error) from error


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Keep others from changing the keys for a `with` block. PosthouseError where the folder cannot be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _failed(folder, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write(path: Path, data: bytes) -> None:
    """Put a file in place atomically and durably, 0640, with the group that its folder gives. PosthouseError."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(handle, 0o640)
            stream.write(data)
            stream.flush()
            os.fsync(handle)
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _failed(path, error) from error


def _failed(path: Path, error: OSError) -> PosthouseError:
    return PosthouseError(f"{path}: {error.strerror}", "`posthouse up` makes the folder and its owner right")
