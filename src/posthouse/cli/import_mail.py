"""`posthouse import imap`, `mbox` and `maildir`: mail from elsewhere into accounts that are here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from posthouse.cli import _output
from posthouse.errors import PosthouseError, UsageError

if TYPE_CHECKING:
    from posthouse.imports.jobs import Job
    from posthouse.imports.transfer import Count


def _choices(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every kind of source."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON."),
        click.option("--dry-run", is_flag=True, help="Show what would go where, and do nothing."),
        click.option(
            "--skip", multiple=True, metavar="FOLDER", help="Leave a folder out, and those below it."
        ),
        click.option(
            "--map", "maps", multiple=True, metavar="FOLDER=HERE", help='"Old/Name=New/Name"; "/" between.'
        ),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("host")
@click.option("--account", metavar="ADDRESS", help="The account here.")
@click.option("--user", metavar="NAME", help="The login there [the account's address].")
@click.option("--password-stdin", is_flag=True, help="Read its password from stdin, one line.")
@click.option("--password-fd", type=int, metavar="N", help="Read its password from a file descriptor.")
@click.option("--password-file", metavar="FILE", help="Read its password from a file, one line.")
@click.option("--accounts", metavar="FILE", help="Many: a CSV table with account, user, password.")
@click.option("--port", type=int, help="[993; with --tls starttls or none: 143]")
@click.option("--tls", type=click.Choice(["imaps", "starttls", "none"]), default="imaps", show_default=True)
@click.option("--ca-file", metavar="FILE", help="Trust these certificates instead of the system's.")
@click.option("--prefix", help="Of all folder names there, such as INBOX. [as the server says]")
@click.option("--views", is_flag=True, help="Bring folders that show all mail once more, too (Gmail).")
@click.option("--follow", is_flag=True, help="Remove here what was brought before and is gone there since.")
@_choices
def imap(host: str, **given: Any) -> int:
    """Bring mail from the IMAP server HOST: messages, flags, dates, folders, subscriptions.

    Nothing there is changed. Cut off at any point, the same command goes on; said again later it brings what is
    new, and flags that have changed. Ends with a table of what is there and what is here. Exit status: 0 all of it
    is here, 1 something is not.

    JSON: a list of {"account", "ok", "error", "folders": [{"folder", "target", "there", "here", "new", "deleted",
    "gone", "removed", "refused"}]}.
    """
    _output.require_root()
    from posthouse.imports import jobs

    server = jobs.server(host, given["port"], given["tls"], given["ca_file"], given["prefix"], given["views"])
    single = [
        given["user"],
        given["password_stdin"],
        given["password_fd"] is not None,
        given["password_file"],
    ]
    if given["accounts"]:
        if given["account"] or any(single):
            raise UsageError(
                "--accounts names many; an account, user or password was given as well.", "Take one."
            )
        found = jobs.read(given["accounts"], server)
    elif given["account"]:
        password = _password(given["password_stdin"], given["password_fd"], given["password_file"], host)
        found = [jobs.imap(given["account"], server, given["user"] or given["account"], password)]
    else:
        raise UsageError("Whose mail?", "--account ADDRESS, or --accounts FILE for many.")
    return _bring(found, **_shared(given), follow=given["follow"])


@click.command()
@click.argument("path")
@click.option("--account", metavar="ADDRESS", required=True, help="The account here.")
@click.option("--folder", metavar="NAME", help="The folder here [INBOX for a file; for a tree, its names].")
@_choices
def mbox(path: str, account: str, folder: str | None, **given: Any) -> int:
    """Bring mail from the mbox file PATH, or from all of them in the folder PATH (Thunderbird, mutt).

    Cut off or said again, nothing comes twice, and what the file got since is brought. JSON: as of `import imap`.
    """
    _output.require_root()
    from posthouse.imports import jobs

    return _bring([jobs.mbox(account, path, folder)], **_shared(given))


@click.command()
@click.argument("path")
@click.option("--account", metavar="ADDRESS", required=True, help="The account here.")
@click.option("--folder", metavar="NAME", help="The folder here that its INBOX goes to, others below it.")
@_choices
def maildir(path: str, account: str, folder: str | None, **given: Any) -> int:
    """Bring mail from the Maildir PATH with all its folders (Maildir++, or folders within folders).

    Cut off or said again, nothing comes twice, and what is new is brought. JSON: as of `import imap`.
    """
    _output.require_root()
    from posthouse.imports import jobs

    return _bring([jobs.maildir(account, path, folder)], **_shared(given))


def _shared(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("maps", "skip", "dry_run", "as_json")}


def _password(stdin: bool, fd: int | None, file: str | None, host: str) -> str:
    if file is None:
        return _output.read_password(stdin=stdin, fd=fd, prompt=f"Password at {host}")
    if stdin or fd is not None:
        raise UsageError("The password was given in two ways.", "Take one of them.")
    from posthouse.imports import jobs

    with jobs.secret_file(file) as stream:
        return _output.read_password(fd=stream.fileno())


def _bring(
    found: list[Job],
    maps: tuple[str, ...],
    skip: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    follow: bool = False,
) -> int:
    from posthouse.ops import import_mail as ops

    renamed = dict(_pair(text) for text in maps)
    for job in found:
        ops.check(job.account)
    results: list[dict[str, Any]] = []
    for job in found:
        wanted = job.wanted(renamed, frozenset(skip), follow)
        try:
            if dry_run:
                _show_plan(job, ops.look(job.account, job.open, wanted), as_json, results)
            else:
                counts = ops.bring(job.account, job.open, wanted, _progress, _output.note)
                _show(job, counts, as_json, results)
        except PosthouseError as error:
            if len(found) == 1:
                raise
            _output.note(f"{job.account}: {error}")
            results.append({"account": job.account, "ok": False, "error": error.message, "folders": []})
    if as_json:
        _output.emit_json(results)
    failed = [str(result["account"]) for result in results if not result["ok"]]
    if failed and len(found) > 1:
        _output.note(f"Not all is here for {', '.join(failed)}; say the same again.")
    return 1 if failed else 0


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (equals and old and new):
        raise UsageError(f"--map {text}: expected FOLDER=HERE", 'Such as --map "Sent Items=Sent".')
    return old, new


def _progress(what: str, total: int) -> Any:
    from posthouse.cli._progress import progress

    return progress(what, total)


def _show_plan(job: Job, folders: Any, as_json: bool, results: list[dict[str, Any]]) -> None:
    listed = [{"folder": "/".join(one.path), "target": here, "there": one.count} for one, here in folders]
    results.append({"account": job.account, "ok": True, "error": None, "folders": listed})
    if not as_json:
        rows = [(one["folder"], one["target"], one["there"]) for one in listed]
        _output.emit(f"{job.account}:")
        _output.emit(_output.table(rows, ("FOLDER", "HERE AS", "MESSAGES")))


def _show(job: Job, counts: list[Count], as_json: bool, results: list[dict[str, Any]]) -> None:
    from dataclasses import asdict

    ok = all(count.ok for count in counts)
    results.append({"account": job.account, "ok": ok, "error": None, "folders": [asdict(c) for c in counts]})
    if as_json:
        return
    rows = [(c.folder, c.target, c.there, c.here, c.new, _remark(c)) for c in counts]
    _output.emit(f"{job.account}:")
    _output.emit(_output.table(rows, ("FOLDER", "HERE AS", "THERE", "HERE", "NEW", "")))
    there, new = sum(c.there for c in counts), sum(c.new for c in counts)
    _output.emit(
        f"{there:,} messages there, {new:,} new ones brought: {'all of it is here' if ok else 'NOT ALL OF IT IS HERE'}."
    )
    for count in counts:
        for reason in count.refused:
            _output.note(f"{count.folder}: {reason}")


def _remark(count: Count) -> str:
    parts = [] if count.ok else ["NOT ALL"]
    parts += [f"{count.deleted} deleted here since"] if count.deleted else []
    parts += [f"{count.removed} removed here"] if count.removed else []
    parts += [f"{count.gone} gone there since"] if count.gone and not count.removed else []
    return ", ".join(parts)
