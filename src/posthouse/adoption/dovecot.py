"""Dovecot's settings as `doveconf -n` prints them, of 2.3 and of 2.4."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# What else places a mailbox in 2.4; an INBOX with no place of its own is the folder .INBOX there.
_PLACES = (
    "mail_path",
    "mail_inbox_path",
    "mail_control_path",
    "mailbox_list_layout",
    "mailbox_root_directory_name",
)
_BLOCK = re.compile(r"(\S+)(?:\s+(.*?))?\s*\{$")


@dataclass
class Block:
    """A block, or the whole: its kind and name, its settings, and the blocks in it."""

    kind: str = ""
    name: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def all(self, kind: str) -> Iterator[Block]:
        """Yield the blocks of a kind that stand right here."""
        return (block for block in self.blocks if block.kind == kind)


def parse(text: str) -> Block:
    """Read what `doveconf -n` said. Lines that are no setting count for nothing."""
    open_blocks = [Block()]
    for line in text.splitlines():
        bare = line.strip()
        if bare == "}":
            if len(open_blocks) > 1:
                open_blocks.pop()
        elif found := _BLOCK.match(bare):
            block = Block(found[1], (found[2] or "").strip('"'))
            open_blocks[-1].blocks.append(block)
            open_blocks.append(block)
        elif bare and not bare.startswith("#") and "=" in bare:
            name, _, value = bare.partition("=")
            open_blocks[-1].settings[name.strip()] = value.strip()
    return open_blocks[0]


@dataclass(frozen=True)
class Dovecot:
    """What adoption asks of Dovecot. `driver`: of the mail store ("maildir"); `queries`: all its SQL.

    `places`: where it says that a mailbox is, by setting, without the driver.
    """

    driver: str
    places: dict[str, str]
    mechanisms: tuple[str, ...]
    default_scheme: str
    passdbs: tuple[str, ...]
    database: dict[str, str]
    queries: tuple[str, ...]
    whole: Block


def read(root: Path, text: str) -> Dovecot:
    """Read `doveconf -n` and the args file that 2.3 keeps its SQL in."""
    whole = parse(text)
    drivers = [block.settings.get("driver", block.name.split()[-1:] or "") for block in whole.all("passdb")]
    settings = dict(whole.settings)
    for kind in ("passdb", "userdb"):
        for block in whole.all(kind):
            settings |= block.settings
            if "args" in block.settings:
                settings |= _args(root / block.settings["args"].lstrip("/"))
    database = _words(settings.get("connect", ""))
    for block in whole.all("pgsql"):
        database |= {"host": block.name}
        for parameters in block.all("parameters"):
            database |= parameters.settings
    location, _, place = whole.settings.get("mail_location", "").partition(":")
    places = {name: whole.settings[name] for name in _PLACES if name in whole.settings}
    places |= {"mail_location": place} if location else {}
    scheme = settings.get("default_pass_scheme") or settings.get("default_password_scheme") or "CRYPT"
    queries = ("password_query", "user_query", "query")
    return Dovecot(
        whole.settings.get("mail_driver", location),
        places,
        tuple(whole.settings.get("auth_mechanisms", "plain").lower().split()),
        scheme.upper(),
        tuple("".join(driver) for driver in drivers),
        database,
        tuple(settings[name] for name in queries if name in settings),
        whole,
    )


def _args(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(errors="replace").replace("\\\n", " ").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _words(connect: str) -> dict[str, str]:
    """Return libpq's `host=... dbname=...` as pairs."""
    return {name: value.strip("'\"") for name, value in re.findall(r"(\w+)\s*=\s*('[^']*'|\S+)", connect)}
