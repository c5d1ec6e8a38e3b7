"""Run the agent, as user posthouse: `python -m posthouse.agent --hostname HOST --domain MAIN_DOMAIN
--postmaster ADDRESS --report-to LOCAL_PART [--sending NUMBERS] [--spam POINTS] [--mechanisms LIST]`, all as in the site
file; LIST with commas, or "none".

Ready (sd_notify, and its socket there) when the directory is open for writing and the milter listens. Ends on
SIGTERM and SIGINT, milter first, directory last. When another release was installed it becomes that, and when the
directory was moved it begins anew. In PostgreSQL the directory may be away: then all that needs it has to wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import sqlite3
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posthouse import directory, paths
from posthouse.agent import forwarding, outgoing, sealing
from posthouse.agent.counter import Counter
from posthouse.agent.forwarding import Forwarder
from posthouse.agent.keeper import LOOK_SECONDS, Keeper
from posthouse.agent.keys import Keys
from posthouse.agent.logins import Logins
from posthouse.agent.long_senders import LongSenders
from posthouse.agent.milter import Milter, Service
from posthouse.agent.notify import notify
from posthouse.agent.release import replaced
from posthouse.agent.room import Room
from posthouse.agent.secret import load
from posthouse.agent.senders import Directory
from posthouse.agent.sending import Limits, Sending
from posthouse.agent.server import Server
from posthouse.agent.srs import Srs
from posthouse.agent.srs_map import SrsMap
from posthouse.agent.tls_policy import TlsPolicy
from posthouse.agent.upgrade import Upgrader
from posthouse.directory import sqlite
from posthouse.directory.queries import Names
from posthouse.errors import PosthouseError, UsageError

if TYPE_CHECKING:
    from posthouse.agent.listener import Listener

SETTINGS = ("--hostname", "--domain", "--postmaster", "--report-to")
SENDING = "--sending"  # an earlier generation does not say it: then nothing is counted
SPAM = "--spam"  # nor this: then Postfix does not ask whether submitted mail is spam
MECHANISMS = "--mechanisms"  # nor this: then no verifier is made with a new hash


async def run(
    limits: str, spam: str, mechanisms: str, hostname: str, main_domain: str, postmaster: str, report_to: str
) -> bool:
    """Keep the directory and answer Postfix until a signal comes, or another release (True).

    Raises OSError, PosthouseError.
    """
    keys = Keys(paths.DKIM)
    place = directory.current()
    keeper = _keeper(place, keys)
    await keeper.begin()
    names = Names(postmaster, report_to, ())
    people = Directory(keeper.connection, hostname, main_domain, names, keeper.ask)
    service, judge = Service(people, keys.ensure), outgoing.Service(math.inf, lambda *_: None)
    if limits:
        counter = Counter(Sending(paths.SENDING / "sent.sqlite", Limits.read(limits)), main_domain)
        service = Service(people, keys.ensure, counter.count)
        judge = outgoing.Service(float(spam or "inf"), counter.spam)
    services = (
        Milter(service, paths.AGENT_MILTER),
        Server(lambda: outgoing.Session(judge), paths.AGENT_OUTGOING),
        *_forwarding(service.directory, keys),
        Room(paths.AGENT_ROOM),
        TlsPolicy(paths.AGENT_TLS),
        *_logins(place, [] if mechanisms == "none" else mechanisms.split(",")),
    )
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    try:
        for one in services:
            await one.start()
        looking = asyncio.create_task(keeper.run())
        watching = [asyncio.create_task(replaced(end)), asyncio.create_task(moved(end, place))]
        notify("READY=1")
        await end.wait()
        again = any(task.done() and task.result() for task in watching)
        if not again:
            notify("STOPPING=1")
        for task in (looking, *watching):
            task.cancel()
        await asyncio.gather(looking, *watching, return_exceptions=True)
        for one in services:
            await one.stop()
        return again
    finally:
        keeper.close()


def _forwarding(people: Directory, keys: Keys) -> tuple[Server | SrsMap, ...]:
    """What forwards; without it, mail that is to be forwarded waits in the queue."""
    kept = LongSenders(paths.SRS / "senders.sqlite", today)
    try:
        srs = Srs(people.main_domain, load(paths.SRS / "secret"), today, kept)
    except OSError as error:  # a program that was replaced, whose folders `apply` has not made yet
        logging.error("nothing can be forwarded: %s", error)
        return ()
    forwarder = Forwarder(people, srs)
    return (
        Server(partial(forwarding.Session, forwarder), paths.AGENT_FORWARDING),
        Server(partial(sealing.Session, sealing.Service(forwarder, keys)), paths.AGENT_SEALING),
        SrsMap(paths.AGENT_SRS, srs),
    )


def _logins(place: directory.Place, mechanisms: list[str]) -> tuple[Logins, ...]:
    """What hears of logins; Dovecot does without."""
    if not os.access(
        paths.LOGINS, os.W_OK
    ):  # a program that was replaced, whose folders `apply` has not made yet
        logging.error("nothing is heard of logins: %s cannot be written", paths.LOGINS)
        return ()
    return (Logins(place, paths.LOGINS_PIPE, Upgrader(mechanisms)),)


def today() -> int:
    """Return the day, counted from 1970."""
    return int(time.time()) // 86400


def _keeper(place: directory.Place, keys: Keys) -> Keeper | Listener:
    if isinstance(place, Path):
        return Keeper(place, lambda: sqlite.open_writer(place), keys.ensure)
    from posthouse.agent.listener import Listener  # with psycopg, which SQLite's agent does without

    return Listener(place, keys.ensure)


async def moved(end: asyncio.Event, place: directory.Place) -> bool:
    """Set `end` once the directory is in another place; True then."""
    while True:
        with contextlib.suppress(PosthouseError):  # a file that nobody can read says nothing
            if directory.current() != place:
                break
        await asyncio.sleep(LOOK_SECONDS)
    logging.info("the directory was moved: going on with the new one")
    end.set()
    return True


def settings(arguments: list[str]) -> dict[str, str]:
    """Return the settings by name, in lower case. UsageError where one is missing or unknown.

    By hand: argparse alone would be a tenth of the agent's memory.
    """
    given = dict(zip(arguments[::2], arguments[1::2], strict=False))
    if len(arguments) % 2 or set(given) - {SENDING, SPAM, MECHANISMS} != set(SETTINGS):
        raise UsageError(f"expected {' '.join(f'{name} VALUE' for name in SETTINGS)}, found {arguments}")
    return {name: value.lower() for name, value in given.items()}


def main() -> int:
    """Read the arguments and run. The exit status is not 0 where the agent cannot start."""
    os.umask(0o027)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        said = settings(sys.argv[1:])
        optional = said.get(SENDING, ""), said.get(SPAM, ""), said.get(MECHANISMS, "none")
        if asyncio.run(run(*optional, *(said[name] for name in SETTINGS))):
            agent = str(paths.PROGRAM / "bin/posthouse-agent")
            os.execv(agent, [agent, *sys.argv[1:]])  # noqa: S606 - our own program
    except (OSError, sqlite3.Error, PosthouseError) as error:
        print(f"posthouse-agent cannot start: {error}", file=sys.stderr)
        return error.exit_status if isinstance(error, PosthouseError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
