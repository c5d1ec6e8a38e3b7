"""From one Debian to the next, in place.

1. *look*: the next Debian's daemons, unpacked aside, read the configuration that they would get; what they refuse
   stops the upgrade before it begins.
2. *system*: apt's sources lead to the next Debian, and everything but the mail daemons is upgraded. apt keeps those
   at their versions (`stack.apt`), with their configuration: mail flows on. An operator may do this step by hand.
3. *daemons*: fetched beforehand, then stopped and held, then upgraded: the only minutes without mail. Other servers
   try again; nothing is bounced, since nothing answers.
4. *configuration*: `apply` renders it anew, starts the daemons and proves that mail flows.

`pending` says how far it has come; killed at any point, the next call goes on from there. Python's new version takes
effect between 2 and 3: the launcher makes the program's environment anew and goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from posthouse import paths, stack
from posthouse.engine import drift
from posthouse.engine import target as engine_target
from posthouse.engine.store import now
from posthouse.errors import PosthouseError
from posthouse.host import machine
from posthouse.host.lock import exclusive
from posthouse.host.packages import brought, guard, sources, upgrade
from posthouse.host.services.systemd import boots_as
from posthouse.ops import apply as applying
from posthouse.ops import context, down
from posthouse.ops.context import Base
from posthouse.ops.release import look, pending
from posthouse.ops.release.pending import Pending
from posthouse.site.release import Release
from posthouse.stack import postgresql
from posthouse.stack.apt import BINARIES, PREFERENCES, preferences

Note = Callable[[str], None]

LAUNCHER = paths.PROGRAM / "current/posthouse"
_LOCK = paths.RUN / "release.lock"
_LIFTED = paths.RUN / "preferences.d"

BEFOREHAND = """\
What to know beforehand:
  There is no way back to the old Debian: dpkg cannot take packages back to older versions. `posthouse rollback`
  goes to earlier settings afterwards, too, but renders them for the new Debian's daemons. Take a snapshot
  of the machine first, if your provider has one.
  Mail, folders, flags, accounts, keys and certificates stay as they are. Dovecot's indexes and Redis' memory
  are taken over by the new versions, and cannot be read by the old ones again.
  While everything else is upgraded, mail flows. Then the mail daemons change, for some minutes without mail:
  other servers try again, and what is in the queue stays there.
  Programs of yours and other archives' packages on this machine are upgraded, kept or removed as apt sees fit:
  read Debian's release notes."""


def run(note: Note) -> Release:
    """Upgrade, or go on with an upgrade; return the Debian that the machine has then.

    After the system's part the program starts anew by the launcher, and this call does not return.

    Raises:
        PosthouseError: something stopped it; what was done stands, and the next call goes on.
    """
    with exclusive(_LOCK, 0.0, note):
        base = context.base().telling(note)
        if not base.engine.store.state().current:
            raise PosthouseError(
                "there is no mail service here to upgrade", "Begin with: posthouse up DOMAIN"
            )
        found = pending.read(base.engine.store)
        if found is None or (found.step == "system" and found.looked != base.inputs.digest):
            found = _looked(base, note, "system")
        to = Release(13) if found.to == 13 else base.release
        if found.step == "system":
            if machine.release() != to or _system_left():
                _system(base, to, note)
                _start_anew()
            _fetch(to, note)
            edited = tuple(str(edit.path) for edit in drift.seen(base.engine))
            found = Pending(to.debian, "daemons", found.looked, edited)
            pending.write(base.engine.store, found)
        if found.step == "daemons":
            _daemons(base, to, note)
            found = replace(found, step="configuration")
            pending.write(base.engine.store, found)
        _configuration(note, found)
    return to


def _looked(base: Base, note: Note, step: pending.Step) -> Pending:
    found = look.look(base, note)
    if found.problems:
        raise PosthouseError(
            f"Debian {found.to.debian} cannot come yet; nothing was changed. Its daemons refuse:\n"
            + "\n".join(f"  {problem}" for problem in found.problems),
            "Correct that, and say it again; `posthouse release check` looks without upgrading.",
        )
    result = Pending(found.to.debian, step, base.inputs.digest)
    pending.write(base.engine.store, result)
    return result


def _system_left() -> bool:
    """Tell whether anything but the daemons, which apt leaves alone, is still to be upgraded."""
    return upgrade.interrupted() or bool(upgrade.steps().versions)


def _system(base: Base, to: Release, note: Note) -> None:
    """Upgrade everything but the daemons."""
    upgrade.finish(note)
    old = base.release.suite
    if others := sources.foreign(sources.all(), old):
        raise PosthouseError(
            f"apt has archives of others that are made for {old}: "
            + ", ".join(f"{one.uri} {one.suite} ({one.entry})" for one in others),
            f"Lead them to {to.suite} or take them out, and say it again.",
        )
    copies = base.engine.store.path("kept", now().replace(":", ""))

    def keep(path: Path, text: str) -> None:
        copy = copies / path.relative_to("/")
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy.write_text(text)
        note(f"{path} leads to {to.suite} now; a copy of what it was: {copy}")

    sources.move(old, to.suite, keep)
    upgrade.refresh(note)
    _allowed(upgrade.steps(), _names(base), stay=True)
    upgrade.fetch(note)
    upgrade.upgrade(note)


def _fetch(to: Release, note: Note) -> None:
    upgrade.refresh(note)
    upgrade.fetch(note, _lifted(to))


def _daemons(base: Base, to: Release, note: Note) -> None:
    """Stop the daemons, hold them, and let apt take them over."""
    options = _lifted(to)
    if not upgrade.interrupted():
        _allowed(upgrade.steps(options), _names(base), stay=False)
    down.down(note, for_good=False)
    guard.hold(base.ground, _units(base, to))
    with brought.noting():
        upgrade.finish(note, options)
        upgrade.upgrade(note, options)
    guard.release()
    shutil.rmtree(_LIFTED, ignore_errors=True)


def _configuration(note: Note, under_way: Pending) -> None:
    """Have the new daemons' configuration in place, and see that mail flows; `apply` ends what is pending."""
    found = context.load()
    for edit in drift.seen(found.engine):
        if str(edit.path) not in under_way.edited:
            drift.free(found.engine, edit)
    # What was proven of the old daemons says nothing of these; and there is no going back to the old files.
    applying.record_proof(found.base, "the daemons are another Debian's now")
    applying.apply(found, why=f"Debian {found.base.release.debian}", note=note)


def _allowed(steps: upgrade.Steps, names: set[str], *, stay: bool) -> None:
    """PosthouseError where apt would do to the daemons what it must not; nothing was done yet."""
    if lost := sorted(names.intersection(steps.removes)):
        raise PosthouseError(
            f"apt would remove {', '.join(lost)}, which the mail service needs; nothing was upgraded",
            "`apt-get -s full-upgrade` shows why: something else on this machine stands against it.",
        )
    daemons = {name for name in names if name.startswith(BINARIES)}
    if stay and (moving := sorted(daemons.intersection(steps.versions))):
        raise PosthouseError(
            f"apt would already take {', '.join(moving)} to the next Debian; nothing was upgraded",
            f"{PREFERENCES} is not in its place: posthouse apply",
        )


def _names(base: Base) -> set[str]:
    names = {package.name for package in base.render(base.inputs).packages}
    if "postgresql" in names:  # a pointer to the one that the cluster is carried over with
        names.add(f"postgresql-{postgresql.MAJOR[base.release.debian]}")
    return names


def _lifted(to: Release) -> tuple[str, ...]:
    """Return apt's options under which the daemons may go to a Debian, and stay there."""
    return upgrade.without(PREFERENCES, preferences(to), _LIFTED)


def _units(base: Base, to: Release) -> list[str]:
    """Return the units of the daemons, of both Debians; the agent's stays: no package touches it."""
    now_there = engine_target.before(base.engine, base.platform).blueprint
    then = stack.assemble(base.site(base.inputs), to, base.ground, base.inputs.overrides or {})
    units = [service.unit for one in (now_there, then) for service in one.services]
    units += [unit for one in (now_there, then) for unit in one.quiet_units]
    units += [boots_as(unit) for unit in units]
    return sorted({unit for unit in units if not unit.startswith("posthouse")})


def _start_anew() -> None:
    """Go on with the new Debian's Python: the launcher makes the environment for it."""
    os.execv(LAUNCHER, [str(LAUNCHER), "release", "upgrade", "--yes"])  # noqa: S606
