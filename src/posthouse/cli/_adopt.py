"""`posthouse up --adopt`: show what becomes of the server that is here, and ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse import paths
from posthouse.cli import _output
from posthouse.errors import UsageError

if TYPE_CHECKING:
    from posthouse.adoption.translate import Adoption
    from posthouse.ops.up import Done, Wanted


def look(domain: str, hostname: str | None, account: str | None, never_ban: tuple[str, ...]) -> Adoption:
    """Look at the server that is here. PosthouseError where it cannot be taken over."""
    from posthouse.ops import takeover

    _output.note("looking at the mail server that is here")
    return takeover.look_here(domain.lower(), hostname=hostname, account=account, never_ban=never_ban)


def check_filter(filter: str | None) -> None:
    """UsageError where the server shall be taken over with another filter than the one that the plan speaks of."""
    if filter not in (None, "rspamd"):
        raise UsageError(
            f"--adopt takes the server over with rspamd, not with {filter}. Nothing was changed.",
            f'Take it over without --filter; then write filter = "{filter}" into {paths.SITE_FILE},'
            " and say posthouse apply.",
        )


def agree(adoption: Adoption, yes: bool) -> None:
    """Show what would be done, and ask. Nothing has been changed. UsageError where the answer is no."""
    from posthouse.adoption import show
    from posthouse.ops import takeover

    _output.emit(show.text(adoption))
    _output.emit("\nAnd on the machine:\n")
    _output.emit(takeover.planned(adoption))
    _output.confirm(
        "Open sessions are cut once; no mail is lost, and `posthouse rollback 0` brings all of it back.", yes
    )


def unfinished() -> bool:
    """Tell whether a takeover was begun and cut off."""
    from posthouse.ops import takeover

    return takeover.unfinished()


def run(adoption: Adoption | None, wanted: Wanted) -> Done:
    """Take the server over, or (None) go on with that. PosthouseError where that failed, with the old server back."""
    from posthouse.ops import takeover, up
    from posthouse.ops.apply import NotProven

    if adoption is not None:
        takeover.begin(adoption, _output.note)
    try:
        done = up.run(wanted, _output.note, _output.note)
    except NotProven as error:
        raise takeover.give_back(error, _output.note) from error
    takeover.finish()
    return done
