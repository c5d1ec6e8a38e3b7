"""Take over a mail server that somebody made by hand: look, agree, prepare, and go back where mail does not flow.

What is done before an apply (the operator's files, the database in its new form) the old server can live with,
and so it goes on serving until the files change. What needs users and folders of ours waits in one file for
`ops.prepare`. Cut off anywhere, the next run does all of it again, and what is done already stays.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from posthouse import paths
from posthouse.adoption import database
from posthouse.adoption.look import look
from posthouse.adoption.show import problems
from posthouse.adoption.translate import Adoption, translate
from posthouse.engine.generations import Inputs
from posthouse.engine.store import write_synced
from posthouse.errors import PosthouseError, UsageError
from posthouse.host import addresses as own_addresses
from posthouse.host import files, machine, operator
from posthouse.host.run import run
from posthouse.ops import context
from posthouse.ops.apply import NotProven
from posthouse.ops.carry_over import PENDING
from posthouse.site import names
from posthouse.stack.postfix import master_cf

Note = Callable[[str], None]

DUMP = "mails.sql"  # in generation 0: the database as it was found
UNFINISHED = paths.STATE / "takeover"  # there from the beginning of a takeover until mail was seen to flow
OLD = "etc.tar"  # beside it: the old server's own files, those too that nobody overwrites
_OLD = (
    "etc/postfix", "etc/dovecot", "etc/aliases", "etc/opendkim.conf", "etc/opendkim", "etc/spamassassin",
    "etc/default", "etc/mailutils.conf", "etc/mailname", "etc/pam.d", "etc/unbound", "usr/local/etc",
)  # fmt: skip


def look_here(
    domain: str, *, hostname: str | None = None, account: str | None = None, never_ban: Sequence[str] = ()
) -> Adoption:
    """Look at this machine's mail server, and return what taking it over means. Changes nothing.

    `never_ban`: who is never banned, beside the address of this SSH session.

    Raises:
        UsageError: there is none, or it cannot be taken over; the message lists why.
        PosthouseError: a program of it does not answer.
    """
    if machine.ground().manager != "systemd":
        raise UsageError("--adopt: the old server's daemons are known by systemd, which does not run here.")
    public = own_addresses.public()
    ipv4, ipv6 = (next((str(ip) for ip in public if ip.version == version), None) for version in (4, 6))
    try:
        said = [names.network(text) for text in never_ban]
    except ValueError as error:
        raise UsageError(f"--never-ban: {error}.") from error
    seat = operator.ssh_client()
    never = list(dict.fromkeys([*([seat] if seat else []), *said]))
    found = look(Path("/"), lambda argv, user: run(argv, user=user, timeout=60).stdout)
    adoption = translate(
        found, domain, _ours(domain), machine.release().debian,
        hostname=hostname, account=account, public=(ipv4, ipv6), never_ban=never,
    )  # fmt: skip
    if adoption.problems:
        raise UsageError(
            f"This server cannot be taken over as it is; nothing was changed.\n{problems(adoption)}",
            "Mend what is said above, and say the same again.",
        )
    return adoption


def _ours(domain: str) -> tuple[master_cf.Service, ...]:
    """Return the services of our own master.cf, whatever the site's names are."""
    from posthouse import stack
    from posthouse.site.model import Site

    site = Site(domain=domain, hostname=f"mail.{domain}", postmaster=f"postmaster@{domain}")
    blueprint = stack.assemble(site, machine.release(), machine.ground(), {})
    text = next(file.content for file in blueprint.files if file.path == Path("/etc/postfix/master.cf"))
    return master_cf.parse(text)


def planned(adoption: Adoption) -> str:
    """Return what an apply would change, with diffs. Changes nothing."""
    from posthouse.engine import show
    from posthouse.ops import plan

    base = context.base()
    if not paths.SITE_FILE.exists():
        base = context.Base(base.engine, base.release, base.ground, Inputs(adoption.site, adoption.overrides))
    return show.render_text(plan.plan(context.Context(base, base.render(base.inputs))))


def begin(adoption: Adoption, note: Note) -> None:
    """Do what comes before the first apply. The old server goes on serving.

    Raises:
        PosthouseError: the database cannot be changed or a file not be written; the old server is as it was.
    """
    store = context.base().engine.store
    store.open()
    paths.STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_synced(UNFINISHED, b"")
    _keep_old(store.path("generations", 0), adoption, note)
    note(f"bringing the database {adoption.database} into Posthouse's form")
    script = "\n".join(["BEGIN;", *database.statements(adoption.rows, paths.STORE_UID), "COMMIT;"])
    run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", adoption.database],
        input=script, user="postgres", timeout=600,
    )  # fmt: skip
    pending = {
        "keys": [[key.domain, key.selector, str(key.path)] for key in adoption.keys],
        "grants": list(adoption.grants),
    }
    write_synced(PENDING, json.dumps(pending).encode())
    if not paths.SITE_FILE.exists():
        for name, text in adoption.overrides.items():
            files.write_atomic(paths.OVERRIDES / name, text.encode())
        files.write_atomic(paths.SITE_FILE, adoption.site.encode())  # the last: with it all are there


def unfinished() -> bool:
    """Tell whether a takeover was begun, and cut off before mail was seen to flow: what goes on may still go back."""
    return UNFINISHED.exists() and context.base().engine.store.state().proof != "yes"


def finish() -> None:
    """Note that mail flows."""
    UNFINISHED.unlink(missing_ok=True)


def _keep_old(folder: Path, adoption: Adoption, note: Note) -> None:
    """Keep the database and the old configuration as they are, once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / DUMP).exists():
        note("keeping the database and the configuration as they are in generation 0")
        done = run(["pg_dump", adoption.database], user="postgres", timeout=600)
        write_synced(folder / DUMP, done.stdout.encode())
    if not (folder / OLD).exists():
        there = [name for name in _OLD if Path("/", name).exists()]
        fresh = folder / f"{OLD}.new"
        run(["tar", "--create", "--file", fresh, "--directory", "/", *there], timeout=600)
        fresh.chmod(0o600)
        os.replace(fresh, folder / OLD)  # noqa: PTH105


def give_back(error: NotProven, note: Note) -> PosthouseError:
    """Bring the old server back, since mail does not flow with the new one, and return the error to raise."""
    from posthouse.ops import rollback

    note("mail does not flow: bringing the old server back")
    rollback.rollback(context.base(), 0, note=note)
    finish()
    return PosthouseError(
        f"{error.message}\nThe old server is back, as it was and with the mail that came in between.",
        "Mend what is said above, and say the same again.",
    )
