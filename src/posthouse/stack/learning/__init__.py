"""Moves into and out of Junk teach the filter: the Sieve scripts that Dovecot runs, and the program that they call.

Dovecot runs the program as a user of its own, which can do nothing but reach the filter's socket: the message comes on
stdin, and nobody's words in the arguments. Each chain has one command in `COMMANDS`. If the filter is down or
silent, the move goes on and nothing is learned from it; `posthouse spam learn` catches up.
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, Derived, Directory, File, Group, User
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import render

PROGRAM = Path("/etc/dovecot/posthouse-learn")
SIEVE = Path("/etc/dovecot/sieve")
KINDS = ("spam", "ham")
PATIENCE = 8  # seconds for a message; Dovecot's own bound is one longer
REST = 30  # seconds in which a filter that did not answer is not asked again

# By the site's filter: a shell command that takes a message on stdin and teaches it as "$1", spam or ham.
# (spamc takes as much memory as its bound at once, and Dovecot lets its programs have 256 MiB)
COMMANDS = {
    "rspamd": f'/usr/bin/rspamc --timeout=60 --connect={paths.RSPAMD_CONTROLLER} "learn_$1"',
    "spamassassin": f'/usr/bin/spamc -x -s 20971520 -U {paths.SPAMD} --learntype="$1"',
}


def script(kind: str) -> Path:
    """Return the Sieve script that teaches a kind."""
    return SIEVE / f"learn-{kind}.sieve"


def _compile(kind: str) -> Derived:
    source, target = script(kind), script(kind).with_suffix(".svbin")
    # As for before.sieve: sessions can't compile it themselves, and it is read by the store's user. By its file: a
    # Dovecot that runs has the configuration of before.
    command = f"/usr/bin/sievec -c /etc/dovecot/dovecot.conf {source} {target} && chmod 644 {target}"
    return Derived(target, ("/bin/sh", "-c", command), (source,))


def blueprint(wanted: Wanted) -> Blueprint:
    """What learning needs beside Dovecot's own configuration."""
    program = render(
        "learning/learn.sh.j2",
        command=COMMANDS[wanted.site.filter],
        silent=paths.LEARNING / "silent",
        patience=PATIENCE,
        rest=REST,
    )
    return Blueprint(
        groups=(Group(paths.LEARNING_USER),),
        users=(User(paths.LEARNING_USER, paths.LEARNING_USER),),
        directories=(Directory(paths.LEARNING, paths.LEARNING_USER, paths.LEARNING_USER, 0o700),),
        files=(
            File(PROGRAM, program, mode=0o755),
            *(File(script(kind), render("learning/learn.sieve.j2", kind=kind)) for kind in KINDS),
        ),
        derived=tuple(_compile(kind) for kind in KINDS),
    )
