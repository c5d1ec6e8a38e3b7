"""Make the machine what its site file says, and see that mail flows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from posthouse.engine import apply as engine_apply
from posthouse.engine import generations, verdict
from posthouse.engine.target import Outcome
from posthouse.errors import PosthouseError, UsageError
from posthouse.ops import confirm
from posthouse.ops.alone import alone
from posthouse.ops.context import Base, Context
from posthouse.ops.prepare import prepare
from posthouse.ops.release import pending
from posthouse.ops.target import target

if TYPE_CHECKING:
    from posthouse.directory import Connection
    from posthouse.site.model import Site

Note = Callable[[str], None]


class NotProven(PosthouseError):
    """It was applied, and mail does not flow; there was no earlier generation in which it did."""


def apply(
    context: Context,
    *,
    why: str,
    yes: bool = True,
    digest: str | None = None,
    confirm_seconds: float | None = None,
    prove: bool | None = None,
    note: Note = lambda _: None,
) -> Outcome:
    """Apply the context's blueprint.

    Args:
        context: from `context.load()`.
        why: kept with the generation.
        yes: the operator agreed.
        digest: of the plan that he agreed to.
        confirm_seconds: take it back after so long unless `confirm.confirm` is called.
        prove: send mail afterwards; None: where there is a domain to send it to.
        note: told what happens.

    Raises:
        NotApplied, NotProven, Interrupted, PosthouseError: as `engine.apply` says.
    """
    if not yes:
        raise UsageError("apply needs a yes; nothing was done.")
    from posthouse.ops import database, relaying, web

    base = context.base.telling(note)
    context = replace(context, base=base)
    with alone(base.engine):
        pending.refuse(base.engine.store)
        if not confirm.take_back_if_due(base) and confirm_seconds is None:
            confirm.keep_waiting(base)
        database.awake(context.site, base.release, base.ground, note)
        web.check(context)
        before = None if confirm_seconds is None else confirm.arm(base, confirm_seconds)
        try:
            outcome = engine_apply.apply(
                base.engine,
                target(context, why),
                digest=digest,
                prepare=lambda: prepare(context),
                probe=probe(context.site, note, prove),
            )
        except BaseException:
            if confirm_seconds is not None:
                confirm.restore(base, before)
            raise
        pending.applied(base.engine.store)
        if confirm_seconds is not None:
            confirm.start(base, confirm_seconds)
    if outcome.changed:
        relaying.after(context.site, note)
    certificate(context, note)
    if outcome.doubt:
        raise NotProven(
            f"generation {outcome.generation} is in place, but: {outcome.doubt}",
            "Mend that and say it again: the next `posthouse up` or `apply` goes on from here.",
        )
    return outcome


def certificate(context: Context, note: Note) -> None:
    """Order a certificate where the site file asks for one and it is due; what is wrong is said, and fails nothing."""
    if context.site.tls.kind != "acme":
        return
    from posthouse.ops import certificates

    try:
        done = certificates.renew(context.base, context.site, note)
    except PosthouseError as error:
        note(f"certificate: {error}")
        return
    if done.changed:
        note(
            "certificate: a new one is served on every port"
            if done.ok
            else "certificate: a new one is in place"
        )
    for line in done.said if not done.ok else ():
        note(f"certificate: {line}")


def check_served(site: Site) -> None:
    """UsageError where the directory has not what the site file builds on: its place, its domain, its postmaster.

    A database that is away now is not asked.
    """
    from posthouse import directory, paths
    from posthouse.directory import aliases, domains
    from posthouse.ops import database, logins

    def look(connection: Connection) -> None:
        known = {domain.name for domain in domains.list(connection)}
        logins.check(site, known | {site.domain})
        if known and site.domain not in known:
            raise UsageError(
                f"{paths.SITE_FILE}: domain: {site.domain} is not one of our domains",
                f"posthouse domain add {site.domain}, and say it again.",
            )
        try:
            aliases.check_target(connection, site.postmaster)
        except UsageError as error:
            raise UsageError(f"{paths.SITE_FILE}: postmaster: {error.message}", error.hint) from error

    database.check(site)
    if database.in_use() is not None:
        with suppress(directory.Unreachable):
            directory.reading(look)


def unapplied(base: Base, note: Note) -> list[str]:
    """Say why the operator's present files are not to be applied unasked; nothing where they may be.

    They were applied and taken back, and are as they were; or nobody confirmed them in time, and they are
    taken back now. Before the first generation there is nothing else that could run.
    """
    base = base.telling(note)
    with alone(base.engine):
        if not confirm.take_back_if_due(base):
            confirm.keep_waiting(base)
        number = base.engine.store.state().current
        if not number or generations.inputs(base.engine.store, number).digest == base.inputs.digest:
            return []
        return verdict.standing(base.engine, base.inputs)


def probe(site: Site, note: Note, prove: bool | None = None) -> Callable[[], str | None] | None:
    """Return a function that sends mail through every port and says what went wrong, or None.

    None instead of a function: nobody shall look, or (with `prove` None) there is no domain yet to send to.
    """
    if not (_has_domain(site) if prove is None else prove):
        return None

    def ask() -> str | None:
        from posthouse.mailflow import probe as mailflow

        note("proving that mail flows")
        report = mailflow.run(site, note=note)
        failed = [f"{step.name}: {step.detail}" for step in report.steps if not step.ok]
        return None if report.ok else "mail does not flow: " + "; ".join(failed)

    return ask


def _has_domain(site: Site) -> bool:
    """Tell whether the probe's own account can be: before the first domain there is nothing to send to."""
    from posthouse import directory
    from posthouse.directory import domains
    from posthouse.directory.schema import WrongSchema
    from posthouse.ops import database

    if database.in_use() is None:
        return False
    try:
        return any(domain.name == site.domain for domain in directory.reading(domains.list))
    except WrongSchema:
        return True  # an earlier program's, in use: it is brought up to date before the probe


def record_proof(base: Base, doubt: str | None) -> None:
    """Keep what a probe outside of an apply found of the current generation; `doubt` None: mail flows."""
    with alone(base.engine):
        store = base.engine.store
        state = store.state()
        proof = "yes" if doubt is None else "no"
        if state.current and (state.proof, state.doubt) != (proof, doubt or ""):
            store.write_state(replace(state, proof="yes" if doubt is None else "no", doubt=doubt or ""))
