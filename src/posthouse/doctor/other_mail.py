"""Another mail server: its configuration and its queue are somebody's, and are never taken over unasked.

Postfix cannot be installed beside another transport agent (their Debian packages conflict), and the files
of a Postfix or Dovecot set up by hand would be replaced. Debian's own untouched files are nobody's.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from posthouse.doctor.check import Check, failure, ok, warning
from posthouse.doctor.ownership import ours
from posthouse.host.packages import dpkg

# Package name prefix -> globs of its queue, one file a message.
_QUEUES = {
    "postfix": [
        f"var/spool/postfix/{q}/**/*" for q in ("maildrop", "incoming", "active", "deferred", "hold")
    ],
    "exim4": ["var/spool/exim4/input/**/*-H"],
    "sendmail": ["var/spool/mqueue/qf*", "var/spool/mqueue-client/qf*"],
    "nullmailer": ["var/spool/nullmailer/queue/*"],
    "opensmtpd": ["var/spool/smtpd/queue/*/*"],
    "dma": ["var/spool/dma/M*"],
    "courier-mta": ["var/lib/courier/msgs/*/D*"],
}
_ADOPT = (
    "say `posthouse up DOMAIN --adopt` to take it over with its accounts, its mail and its queue: it shows what"
    " becomes of every setting before it touches anything; or take a machine of its own"
)
_SAVE = "deliver or keep its queue first (`mailq`), copy {config} away"


def check(root: Path = Path("/")) -> Iterator[Check]:
    """Check for other transport agents, and for a Postfix or Dovecot that is not Posthouse's."""
    there = [entry for entry in dpkg.entries(root / "var/lib/dpkg") if entry.state == "installed"]
    agents = sorted(e.name for e in there if "mail-transport-agent" in e.provides and e.name != "postfix")
    found = [_agent(root, name) for name in agents]
    if not ours():
        names = {entry.name for entry in there}
        found += _postfix(root) if "postfix" in names else []
        found += _dovecot(root) if "dovecot-core" in names else []
    yield from found or [ok("other mail servers", "none")]


def queued(root: Path, package: str) -> int:
    """Count the messages in a mail server's queue."""
    globs = next((globs for prefix, globs in _QUEUES.items() if package.startswith(prefix)), [])
    return sum(1 for pattern in globs for path in root.glob(pattern) if path.is_file())


def _mail(count: int) -> str:
    return "no mail in its queue" if count == 0 else f"{count} message{'s' * (count > 1)} in its queue"


def _agent(root: Path, package: str) -> Check:
    count = queued(root, package)
    family = "exim4" if package.startswith("exim4") else package
    remove = f"`apt-get remove {'exim4-base' if family == 'exim4' else package}`"
    config, used = f"/etc/{family}", True
    if family == "exim4":
        used = not _exim_untouched(root)
    if not used and count == 0:
        return failure(
            "other mail servers",
            f"{package} is installed, as Debian brings it, never set up for the outside, {_mail(count)}",
            f"nothing of yours is in it: {remove}, then say this again",
            fatal=True,
        )
    return failure(
        "other mail servers",
        f"{package} is installed, with {_mail(count)}; Posthouse does not take over another mail server yet,"
        " and has touched nothing",
        f"{_SAVE.format(config=config)}, then {remove} and say this again; or take a machine of its own",
        fatal=True,
    )


def _exim_untouched(root: Path) -> bool:
    """Tell whether exim4 is as installed: local delivery only, or not configured at all."""
    try:
        text = (root / "etc/exim4/update-exim4.conf.conf").read_text(errors="replace")
    except OSError:
        return True
    kind = re.search(r"^dc_eximconfig_configtype='([^']*)'", text, re.MULTILINE)
    own = (root / "etc/exim4/exim4.conf").exists()
    return not own and kind is not None and kind[1] in ("local", "none")


def _postfix(root: Path) -> list[Check]:
    count = queued(root, "postfix")
    config = root / "etc/postfix/main.cf"
    if not config.exists() and count == 0:
        return []  # installed by an `up` that was cut off, or never set up
    what = "is set up (/etc/postfix/main.cf)" if config.exists() else "is installed"
    return [
        failure(
            "other mail servers",
            f"Postfix {what}, not by Posthouse, with {_mail(count)}; Posthouse has touched nothing",
            _ADOPT,
            fatal=True,
        )
    ]


def _dovecot(root: Path) -> list[Check]:
    changed = hand_made(root, "etc/dovecot")
    if changed:
        shown = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        return [
            failure(
                "other mail servers",
                f"Dovecot is set up, not by Posthouse ({shown}); Posthouse has touched nothing",
                _ADOPT,
                fatal=True,
            )
        ]
    if (root / "run/dovecot/master.pid").exists():
        mend = "if somebody reads mail in it, say no here; what it serves is kept, and no longer served"
        return [warning("other mail servers", "Dovecot runs with Debian's own configuration", mend)]
    return []


def hand_made(root: Path, folder: str) -> list[str]:
    """Return the files of a configuration folder that differ from what Debian's packages put there.

    What they put there is in dpkg's list of conffiles, or in ucf's (ucf(1): /var/lib/ucf/hashfile).
    """
    known = set(_conffiles(root)) | set(_ucf(root))
    own = []
    for path in sorted(
        item for item in (root / folder).rglob("*") if item.is_file() and not item.is_symlink()
    ):
        name = "/" + path.relative_to(root).as_posix()
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        if (name, digest) not in known and "/private/" not in name:
            own.append(name)
    return own


def _conffiles(root: Path) -> Iterator[tuple[str, str]]:
    text = (root / "var/lib/dpkg/status").read_text(errors="replace")
    for line in re.findall(r"^ (/etc/\S+ [0-9a-f]{32})", text, re.MULTILINE):
        name, _, digest = line.partition(" ")
        yield name, digest


def _ucf(root: Path) -> Iterator[tuple[str, str]]:
    hashes = root / "var/lib/ucf/hashfile"
    if hashes.exists():
        for line in hashes.read_text(errors="replace").splitlines():
            digest, _, name = line.strip().partition("  ")
            yield os.path.normpath(name), digest
