"""A message's way in both formats beside the roof, which is the same machine without the filter on port 25."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.machine.server import DOMAIN, PASSWORD, Server

from bench.imap import Imap
from bench.load import Target
from bench.stages import each, spent

Row = Callable[[str, str, str], None]
Unfiltered = Callable[[Server], object]
ACCOUNTS = 8


@contextmanager
def target(server: Server, base: Target, form: str) -> Iterator[Target]:
    """Eight accounts of a format; their mail is counted as mail programs see it, by sessions that stay."""
    users = [f"{form}{number}@{DOMAIN}" for number in range(ACCOUNTS)]
    with ExitStack() as stack:
        boxes = {}
        for user in users:
            add = ["user", "add", user, "--password-stdin", "--format", form]
            server.posthouse(*add, input=PASSWORD + "\n", check=False)
            boxes[user] = stack.enter_context(Imap(server.net, server.machine, user))
        seen = lambda names: sum(boxes[name].count() for name in names)  # noqa: E731
        yield Target(base.net, base.machine, base.sender, users, seen)


def formats(base: Target, server: Server, count: int, turns: int, row: Row, unfiltered: Unfiltered) -> None:
    """Tell light load, full load, the roof, and what the processes spend, for both formats."""
    rates: dict[tuple[str, str], list[float]] = {}
    spending: dict[tuple[str, str], str] = {}
    with target(server, base, "maildir") as maildir, target(server, base, "mdbox") as mdbox:
        both = {"maildir": maildir, "mdbox": mdbox}
        for form, one in both.items():
            one.run(100, 4, f"{form}-warm")
            accepted, seen = one.light(60, f"{form}-light")
            row(f"{form}, light load: MAIL to 250", f"{accepted * 1000:.1f} ms", "12 ms")
            row(f"{form}, light load: 250 to visible", f"{seen * 1000:.1f} ms", "7 ms")

        def turn(number: int, how: str) -> None:
            for form, one in both.items():
                one.run(50, 4, f"{form}-{how}-warm{number}")
                before = spent(server.machine)
                load = one.run(count, 10, f"{form}-{how}{number}")
                spending[form, how] = each(before, spent(server.machine), count)
                rates.setdefault((form, how), []).append(load.rate)

        for number in range(turns):
            turn(number, "all checks")
            with unfiltered(server):  # type: ignore[attr-defined]
                turn(number, "no filter (the roof)")
    for (form, how), found in rates.items():
        row(f"{form}: port 25 to visible, 10 sessions, {how}", f"{max(found):.0f} messages/s", "")
        row(f"{form}: ms of CPU for a message, {how}", spending[form, how], "")
    roofs = rates["mdbox", "no filter (the roof)"]
    for form, wanted in (("maildir", "0.6"), ("mdbox", "0.8")):
        pairs = zip(rates[form, "all checks"], roofs, strict=True)
        ratio = statistics.median(ours / roof for ours, roof in pairs)
        row(f"{form}: by the roof of mdbox, median of {turns}", f"{ratio:.2f}", wanted)
