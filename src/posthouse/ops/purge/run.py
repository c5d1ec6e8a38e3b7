"""Give the machine back: stop the service, files and units as they were found, then the script does the rest."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from posthouse import paths
from posthouse.engine.found import Found
from posthouse.errors import PosthouseError
from posthouse.host import files
from posthouse.host.packages import brought
from posthouse.host.services import manager
from posthouse.ops import context, database, down, rollback
from posthouse.ops.alone import alone
from posthouse.ops.purge import script, way
from posthouse.ops.purge.way import KEPT, MAIL_IS_OURS, PACKAGES_ARE_OURS, Way
from posthouse.ops.release import pending

Note = Callable[[str], None]


def refuse_queue(found: Way) -> None:
    """PosthouseError where mail waits that would be lost with Postfix, and nobody said that mail shall go."""
    if found.queue and found.postfix_goes and not found.with_mail:
        many = "1 message waits" if found.queue == 1 else f"{found.queue} messages wait"
        raise PosthouseError(
            f"{many} in Postfix's queue ({paths.POSTFIX_SPOOL}), and would be lost with it",
            "See them: postqueue -p. Try to send them: postqueue -f. Give one up: postsuper -d ID.",
        )


def run(base: context.Base, *, with_mail: bool, note: Note) -> NoReturn:
    """Purge; this process becomes the script that ends it. Killed anywhere, saying it again goes on.

    Raises:
        PosthouseError: mail waits in the queue, or something could not be put back; the service is stopped then, and
            `posthouse apply` starts it again.
    """
    base = base.telling(note)
    pending.refuse(base.engine.store)
    refuse_queue(way.look(base, with_mail=with_mail))
    down.down(note, for_good=False)
    refuse_queue(way.look(base, with_mail=with_mail))  # what came in before the stop
    if base.engine.store.state().current:
        rollback.rollback(base, 0, note=note)
    manager(base.ground).shut_down()
    found = way.look(base, with_mail=with_mail)
    if not with_mail:
        _keep_inputs(base, found)
    with alone(base.engine):
        text = script.render(found.rest)
        files.write_atomic(paths.COMMAND, text.encode(), mode=0o755)
    sys.stdout.flush()
    os.execv("/bin/sh", ["sh", str(paths.COMMAND)])  # noqa: S606


def _keep_inputs(base: context.Base, found: Way) -> None:
    """Keep the site file and the overrides beside the directory: for the operator, no program reads them.

    And what the next purge must know: that mail, and packages which stay with it, came with Posthouse.
    """
    KEPT.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not Found.load(base.engine.store).directories.get(str(paths.STORE)):
        files.write_atomic(MAIL_IS_OURS, b"", mode=0o600)
    if found.packages is not None and (stay := (brought.packages() or set()) - set(found.packages.goes)):
        files.write_atomic(
            PACKAGES_ARE_OURS, "".join(f"{name}\n" for name in sorted(stay)).encode(), mode=0o600
        )
    if database.PASSWORDS.exists():
        files.write_atomic(KEPT / database.PASSWORDS.name, database.PASSWORDS.read_bytes(), mode=0o600)
    texts = {"posthouse.toml": base.inputs.site}
    texts |= {f"overrides/{name}": text for name, text in (base.inputs.overrides or {}).items()}
    for name, text in texts.items():
        if text:
            files.write_atomic(KEPT / name, text.encode(errors="surrogateescape"), mode=0o600)
