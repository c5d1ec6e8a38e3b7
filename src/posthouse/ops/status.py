"""How the mail service stands, on one screen: one small look a topic, none of which can stop the others.

A look yields `Item`s; one that cannot be made (not root, a daemon that is down) yields `unknown` with the
reason. Nothing is changed, and nothing is sent.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.ops.context import Base

if TYPE_CHECKING:
    pass

# pending: it goes on by itself, or waits for a time; warning: the operator is to do something
State = Literal["ok", "pending", "warning", "failure", "unknown"]
MIB = 2**20
HOUR = 3600.0
DAY = 24 * HOUR


@dataclass(frozen=True)
class Item:
    """One line of the screen; `mend` says what to do about it, "" where there is nothing."""

    name: str
    state: State
    detail: str
    mend: str = ""


@dataclass(frozen=True)
class Status:
    """All lines."""

    items: tuple[Item, ...]

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong; warnings and what could not be seen are not wrong."""
        return all(item.state != "failure" for item in self.items)

    def as_json(self) -> dict[str, object]:
        """Return the documented shape: ok, items."""
        return {"ok": self.ok, "items": [asdict(item) for item in self.items]}


def look(base: Base) -> Status:
    """Look at everything."""
    looks: list[tuple[str, Callable[[Base], Iterator[Item]]]] = [
        ("site file", _site_file),
        ("generation", _generation),
        ("services", _services),
        ("Debian", _debian),
        ("agent", _agent),
        ("directory", _directory),
        ("hand edits", _drift),
        ("certificate", _certificate),
        ("probe", _probe),
        ("relay", _relay),
        ("queue", _queue),
        ("mail, last hour", _mail),
        ("bans", _bans),
        ("block lists", _lists),
        ("disk", _disk),
        ("DKIM", _dkim),
        ("DNS", _dns),
    ]
    items: list[Item] = []
    for name, one in looks:
        try:
            items.extend(one(base))
        except PermissionError as error:
            items.append(Item(name, "unknown", f"{error.filename} is for root only", "sudo posthouse status"))
        except (PosthouseError, OSError) as error:
            items.append(Item(name, "unknown", str(error).partition("\n")[0]))
    return Status(tuple(items))


def _site_file(base: Base) -> Iterator[Item]:
    from posthouse.engine import generations, verdict
    from posthouse.site import load

    name = "site file"
    if not base.inputs.site:
        yield Item(name, "failure", f"{paths.SITE_FILE} is not there", "Begin with: posthouse up DOMAIN")
        return
    try:
        site = load.parse(base.inputs.site, str(paths.SITE_FILE))
    except PosthouseError as error:
        yield Item(name, "failure", error.message.partition("\n")[0], "posthouse config check")
        return
    _readable(paths.ENGINE)
    store = base.engine.store
    current = store.state().current
    if standing := verdict.standing(base.engine, base.inputs):
        yield Item(name, "failure", " ".join(standing), "Correct it, then: posthouse plan")
    elif current and generations.inputs(store, current).digest != base.inputs.digest:
        yield Item(name, "warning", "it or an override changed since the last apply", "posthouse plan")
    else:
        yield Item(name, "ok", f"{site.hostname} serves {site.domain}")


def _generation(base: Base) -> Iterator[Item]:
    from posthouse.engine import generations

    _readable(paths.ENGINE)
    store = base.engine.store
    state = store.state()
    if not state.current:
        before = generations.numbers(store)
        detail = "0: rolled back to the machine as it was found" if before else "nothing was applied yet"
        yield Item("generation", "failure", detail, "posthouse apply" if before else "posthouse up DOMAIN")
        return
    label = generations.load(store, state.current)
    detail = f"{label.number} of {label.when} ({label.why})"
    if state.proof == "no":
        yield Item(
            "generation", "failure", f"{detail}; not proven: {state.doubt}", "posthouse probe --dialogue"
        )
    elif state.proof == "skipped":
        yield Item("generation", "warning", f"{detail}; not proven yet", "posthouse probe")
    else:
        yield Item("generation", "ok", detail)


def _services(base: Base) -> Iterator[Item]:
    from posthouse.engine import generations
    from posthouse.host import services

    _readable(paths.ENGINE)
    store = base.engine.store
    blueprint = generations.blueprint(store, store.state().current, base.platform)
    if blueprint is None:
        yield Item("services", "warning", "this Debian was upgraded since the last apply", "posthouse apply")
        return
    manager = services.manager(base.ground)
    found = manager.states(blueprint.services)
    running = [service.name for service in blueprint.services if found[service.name].running]
    if running:
        yield Item("services", "ok", f"running: {', '.join(running)}")
    for service in blueprint.services:
        how = found[service.name]
        if not how.running:
            why = f": {how.failed}" if how.failed else ""
            yield Item(service.name, "failure", f"does not run{why}", "posthouse up starts it again")
        elif not how.enabled:
            yield Item(
                service.name, "warning", "runs, but will not start at the next boot", "posthouse apply"
            )


def _debian(base: Base) -> Iterator[Item]:
    from posthouse.ops.release import pending

    _readable(paths.ENGINE)
    for note in pending.notes(base):
        yield Item("Debian", "warning", note, pending.AGAIN)


def _agent(base: Base) -> Iterator[Item]:  # noqa: ARG001
    from posthouse.agent import ask

    seconds = ask.negotiate(paths.AGENT_MILTER)
    if seconds is None:
        yield Item("agent", "failure", "does not answer: submitted and local mail waits", "posthouse up")
    else:
        yield Item("agent", "ok", f"answers in {seconds * 1000:.0f} ms")


def _directory(base: Base) -> Iterator[Item]:
    from posthouse.ops import database, move
    from posthouse.site import load

    found = move.show()
    name = "directory"
    if found.problem is not None:
        yield Item(
            name,
            "failure",
            f"{found.backend} does not answer: mail and logins are told to try later; {found.problem}",
            "have it run again: all goes on by itself within seconds",
        )
        return
    detail = (
        f"{found.backend} {found.version}: {number(found.domains or 0, 'domain')},"
        f" {number(found.accounts or 0, 'account')}{f' ({found.frozen} frozen)' if found.frozen else ''}"
    )
    wanted = database.place(load.parse(base.inputs.site, str(paths.SITE_FILE)))
    if found.move_under_way or wanted != database.in_use():
        yield Item(name, "warning", f"{detail}; a move of it was not finished", database.move_command(wanted))
    else:
        yield Item(name, "ok", detail)


def _drift(base: Base) -> Iterator[Item]:
    from posthouse.engine import drift

    _readable(paths.ENGINE)
    edits = drift.seen(base.engine)
    if edits:
        shown = ", ".join(str(edit.path) for edit in edits[:5]) + (", ..." if len(edits) > 5 else "")
        yield Item("hand edits", "warning", f"{len(edits)} kept: {shown}", "posthouse drift show")
    else:
        yield Item("hand edits", "ok", "none")


def _certificate(base: Base) -> Iterator[Item]:
    from posthouse.ops import certificate_status
    from posthouse.site import load

    _readable(paths.TLS)
    site = load.parse(base.inputs.site, str(paths.SITE_FILE))
    for state, detail, mend in certificate_status.look(site, base.inputs.site):
        yield Item("certificate", state, detail, mend)


def _probe(base: Base) -> Iterator[Item]:  # noqa: ARG001
    from posthouse.mailflow import probe

    report = probe.last()
    if report is None:
        yield Item("probe", "unknown", "never made, or its result cannot be read", "sudo posthouse probe")
        return
    when = f"{_ago(time.time() - report.when)} ago"
    if report.ok:
        yield Item("probe", "ok", f"mail flowed through every port, {when}")
    for step in report.failures:
        yield Item("probe", "failure", f"{when}, {step.name}: {step.detail}", "posthouse probe --dialogue")


def _relay(base: Base) -> Iterator[Item]:
    from posthouse.ops import relaying
    from posthouse.site import load

    for name, trouble in relaying.look(load.parse(base.inputs.site, str(paths.SITE_FILE))):
        if trouble is None:
            yield Item("relay", "ok", f"{name} takes our mail")
        else:
            yield Item("relay", "warning", f"{name} {trouble.what}; mail waits in the queue", trouble.mend)


def _queue(base: Base) -> Iterator[Item]:  # noqa: ARG001
    from posthouse.mailflow import queue

    found = queue.waiting()
    if not found.messages:
        yield Item("queue", "ok", "empty")
        return
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(found.by_queue.items()))
    age = time.time() - found.oldest if found.oldest else 0.0
    reasons = "".join(f"; {count} times: {reason}" for reason, count in found.reasons)
    unsafe = any(queue.is_unsafe(reason) for reason, _ in found.reasons)
    state: State = "warning" if unsafe or age > 4 * HOUR else "ok"
    mend = "posthouse queue list" if reasons else ""
    if unsafe:
        mend += "; their host, or somebody on the way, is not who it should be: [outgoing] in docs/relay.md"
    yield Item("queue", state, f"{kinds}; the oldest {_ago(age)} old{reasons}", mend)


def _mail(base: Base) -> Iterator[Item]:
    from posthouse.mailflow import log

    if base.ground.manager == "systemd" and os.geteuid() != 0:
        raise PermissionError(13, "Permission denied", "the journal")
    counts: Counter[str] = Counter()
    for event in log.events(base.ground, HOUR):
        if isinstance(event, log.Delivery):
            counts[event.status] += 1
        elif isinstance(event, log.Refusal):
            counts["refused"] += 1
        else:
            counts["logins" if event.ok else "failed logins"] += 1
    names = ("sent", "deferred", "bounced", "refused", "logins", "failed logins")
    shown = ", ".join(f"{counts[name]} {name}" for name in names if counts[name])
    yield Item("mail, last hour", "ok", shown or "none")


def _bans(base: Base) -> Iterator[Item]:
    from posthouse.site import load
    from posthouse.watch import bans

    if os.geteuid() != 0:
        raise PermissionError(13, "Permission denied", str(paths.WATCH))
    wanted = load.parse(base.inputs.site, str(paths.SITE_FILE)).bans
    if not wanted.enabled:
        yield Item("bans", "warning", "nobody is banned: the site file says [bans] enabled = false")
        return
    found = bans.standing()
    ranges = sum(one.network.num_addresses > 1 for one in found)
    detail = f"banned: {number(len(found) - ranges, 'address', 'addresses')}, {number(ranges, 'range')}"
    if why := bans.problem():
        yield Item("bans", "warning", f"{detail}, but not in force: {why}", "docs/bans.md says what to do")
    else:
        yield Item("bans", "ok", detail, "posthouse ban list" if found else "")
    if wanted.fail2ban and (why := bans.fail2ban_problem()):
        yield Item("fail2ban", "warning", f"it does not take up the bans: {why}", "posthouse apply")
    for one in bans.old_passwords(DAY)[:5]:
        before = f", where that worked {_ago(time.time() - one.worked)} ago," if one.worked else ""
        yield Item(
            "old password",
            "warning",
            f"a device at {one.address}{before} said the same wrong password for {one.login} {one.times} times,"
            f" {_ago(time.time() - one.last)} ago",
            "put the new password into the telephone or mail program there",
        )


def _lists(base: Base) -> Iterator[Item]:  # noqa: ARG001
    from posthouse.ops import lists

    name, mend = "block lists", "posthouse spam lists --check"
    found = lists.last()
    if found is None:
        yield Item(name, "ok", "not asked for their test entries yet; they are every day", mend)
        return
    when = f"{_ago(time.time() - found.when)} ago"
    if found.silence:
        yield Item(
            name, "warning", f"none answered {when}", f"let port 53 of others be reached from here; {mend}"
        )
    off = {zone: one for zone, one in sorted(found.lists.items()) if one.why}
    for zone, one in off.items():
        since = _ago(time.time() - one.since)
        yield Item(name, "warning", f"{zone} is off since {since} ago: it {one.why}", mend)
    if not found.silence and len(off) < len(found.lists):
        yield Item(name, "ok", f"{len(found.lists) - len(off)} are asked; looked at {when}")


def _disk(base: Base) -> Iterator[Item]:  # noqa: ARG001
    seen = set()
    for folder in (paths.STORE.parent, paths.POSTFIX_SPOOL, paths.STATE):
        if not folder.exists() or folder.stat().st_dev in seen:
            continue
        seen.add(folder.stat().st_dev)
        found = os.statvfs(folder)
        free, share = found.f_bavail * found.f_frsize // MIB, found.f_bavail / max(found.f_blocks, 1)
        inodes = found.f_favail / found.f_files if found.f_files else 1.0
        detail = f"{folder}: {free} MiB free ({share:.0%})"
        if inodes < 0.05:
            detail += f", {inodes:.0%} of the inodes free"
        state: State = "ok"
        if free < 100 or inodes < 0.01:
            state = "failure"
        elif free < 1024 or inodes < 0.05:
            state = "warning"
        yield Item(
            "disk", state, detail, "" if state == "ok" else "make room: mail is refused when it is full"
        )


def _dkim(base: Base) -> Iterator[Item]:
    from posthouse import directory
    from posthouse.directory import domains
    from posthouse.dkim import keys, rotation
    from posthouse.ops import dkim_status
    from posthouse.site import load

    found = keys.all()
    signing = {key.domain for key in found}
    if signing:
        kinds = " and ".join(sorted({key.algorithm for key in found}, reverse=True))
        yield Item(
            "DKIM",
            "ok",
            f"{len(signing)} {'domain signs' if len(signing) == 1 else 'domains sign'} ({kinds})",
        )
    by_update = load.parse(base.inputs.site, str(paths.SITE_FILE)).dns.pushed
    for name, under_way in sorted(rotation.rotations().items()):
        for state, detail, mend in dkim_status.look(name, under_way, time.time(), by_update=by_update):
            yield Item("DKIM", state, detail, mend)
    for domain in directory.reading(domains.list):
        if domain.name not in signing:
            yield Item(
                "DKIM",
                "failure",
                f"{domain.name} has no key: its mail waits",
                "start posthouse-agent, which makes one, or says in its log why not",
            )


def _dns(base: Base) -> Iterator[Item]:
    from posthouse.ops import dns_status
    from posthouse.site import load

    for state, detail, mend in dns_status.look(load.parse(base.inputs.site, str(paths.SITE_FILE))):
        yield Item("DNS", state, detail, mend)


def _readable(folder: Path) -> None:
    """Raise PermissionError where this user cannot look into a folder that is there."""
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        raise PermissionError(13, "Permission denied", str(folder))


def number(count: int, one: str, many: str | None = None) -> str:
    """Return so many of a thing in words; `many` where an s does not make them several."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def _ago(seconds: float) -> str:
    """Return a length of time in one unit."""
    for size, unit in ((DAY, "days"), (HOUR, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
