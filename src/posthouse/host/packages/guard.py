"""No daemon ever runs with Debian's defaults: what packages bring is kept from starting while they install.

Where systemd runs, each unit that a package brings is masked before the package is unpacked (a symlink
to /dev/null in /etc/systemd/system, only where nothing is there). Elsewhere maintainer scripts ask
/usr/sbin/policy-rc.d (invoke-rc.d(8)): one of ours answers 101, "not allowed", only where the operator
has none. Both are noted on disk before they are made, and taken away again: at the end, or, after a
kill, by the next run. What the operator put there himself is never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from posthouse import paths
from posthouse.host import files
from posthouse.host.run import run
from posthouse.site.release import Ground

MASKED = paths.ENGINE / "masked"
POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = """\
#!/bin/sh
# Made by posthouse while it installs packages; it takes this file away again.
exit 101
"""
_UNITS = Path("/etc/systemd/system")
_UNIT_KINDS = (".service", ".socket", ".timer", ".path")
_INIT = Path("/etc/init.d")
_NULL = Path("/dev/null")
_FORBIDDEN = 101
# Dovecot's package restarts it whenever a plugin's comes (dpkg's trigger register-dovecot-plugin), and so starts
# one that is stopped.
_TRIGGERED = ("dovecot.service",)


def contents(archives: Iterable[Path]) -> list[str]:
    """Return the absolute paths of everything in .deb files (dpkg-deb(1), --contents)."""
    found: list[str] = []
    for archive in archives:
        for line in run(["dpkg-deb", "--contents", archive]).stdout.splitlines():
            columns = line.split(maxsplit=5)  # mode, owner, size, date, time, name
            if len(columns) == 6:
                found.append("/" + columns[5].partition(" -> ")[0].removeprefix("./"))
    return found


def units_in(listing: Iterable[str]) -> list[str]:
    """Return the units among package contents that could start something. Templates start nothing."""
    inside = [Path(entry) for entry in listing if entry.startswith(("/lib/systemd/", "/usr/lib/systemd/"))]
    return sorted(
        {
            path.name
            for path in inside
            if path.parent.name == "system" and path.suffix in _UNIT_KINDS and "@." not in path.name
        }
    )


@contextmanager
def nothing_starts(ground: Ground, listing: Sequence[str], unpacked: Sequence[str] = ()) -> Iterator[None]:
    """Keep daemons from starting for the length of a `with` block.

    Args:
        ground: what would start them.
        listing: contents of packages to be unpacked. Units of them that are there already belong to an
            older version, whose daemon may be in use: they are left alone.
        unpacked: contents of packages that are unpacked and were never set up.

    Raises:
        PosthouseError: a mask or the policy cannot be written.
    """
    release()
    fresh = [path for path in listing if not Path(path).exists()] + list(unpacked)
    if ground.manager == "systemd":
        _mask([*units_in(fresh), *(unit for unit in _TRIGGERED if not _runs(unit))])
    else:
        _forbid()
    try:
        yield
    finally:
        if ground.manager != "systemd":
            _stop_what_started(Path(path) for path in fresh if Path(path).parent == _INIT)
        release()


def hold(ground: Ground, units: Sequence[str]) -> None:
    """Keep units from starting, over a reboot too, until `release`: while their daemons are between two versions.

    PosthouseError where a mask or the policy cannot be written.
    """
    if ground.manager == "systemd":
        _mask(units)
    else:
        _forbid()


def release() -> None:
    """Take away every mask and policy of ours that stands, from this run or from one that was killed."""
    if POLICY.is_file() and POLICY.read_text(errors="replace") == _POLICY_TEXT:
        files.remove(POLICY)
    if not MASKED.exists():
        return
    for unit in MASKED.read_text().splitlines():
        link = _UNITS / unit
        if unit and link.is_symlink() and link.readlink() == _NULL:
            files.remove(link)
    files.remove(MASKED)
    run(["systemctl", "daemon-reload"], check=False)


def _runs(unit: str) -> bool:
    return run(["systemctl", "is-active", "--quiet", unit], check=False).returncode == 0


def _mask(units: Iterable[str]) -> None:
    names = sorted(
        {unit for unit in units if not (_UNITS / unit).is_symlink() and not (_UNITS / unit).exists()}
    )
    if not names:
        return
    files.write_atomic(MASKED, "".join(f"{name}\n" for name in names).encode(), mode=0o600)
    _UNITS.mkdir(parents=True, exist_ok=True)
    for name in names:
        (_UNITS / name).symlink_to(_NULL)
    run(["systemctl", "daemon-reload"], check=False)


def _forbid() -> None:
    """Put our policy where the operator has none."""
    if not POLICY.exists() and not POLICY.is_symlink():
        files.write_atomic(POLICY, _POLICY_TEXT.encode(), mode=0o755)


def _stop_what_started(scripts: Iterable[Path]) -> None:
    """Stop the daemons that the operator's own policy let start: the least that can be done then."""
    for script in scripts:
        if script.exists() and run([POLICY, script.name, "start"], check=False).returncode != _FORBIDDEN:
            run([script, "stop"], check=False, timeout=60)
