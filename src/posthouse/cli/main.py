"""The `posthouse` command: a table of commands, each loaded only when it is called, and one end for errors.

Exit status: 0 fine, 1 it ran and found something wrong, 2 the call or the site file is wrong,
128 and more stopped by a signal (130: the keyboard). Only the result goes to stdout.
"""

from __future__ import annotations

import importlib
import os
import sys

import click

from posthouse import __version__
from posthouse.errors import PosthouseError

# name -> (module:function, one line for the overview)
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("posthouse.cli.up:up", "From a bare Debian to a proven mail service."),
    "status": ("posthouse.cli.status:status", "Say what runs, and what is wrong."),
    "probe": ("posthouse.cli.probe:probe", "Send real mail through every port, and read it."),
    "dns": ("posthouse.cli.dns:dns", "Show the DNS records to publish."),
    "cert": ("posthouse.cli.cert:cert", "List the certificate in use, and renew it."),
    "dkim": ("posthouse.cli.dkim:dkim", "List DKIM keys, and take domains to new ones."),
    "domain": ("posthouse.cli.domain:domain", "Add, list, change and remove mail domains."),
    "user": ("posthouse.cli.user:user", "Add, list, change and remove accounts."),
    "alias": ("posthouse.cli.alias:alias", "Add, list, change and remove aliases."),
    "mailbox": ("posthouse.cli.mailbox:mailbox", "Convert mailboxes between Maildir and mdbox."),
    "spam": ("posthouse.cli.spam:spam", "See what the spam filter learned and why it judged, and teach it."),
    "password": ("posthouse.cli.password:password", "Set an account's password."),
    "import": ("posthouse.cli.import_:import_", "Take in accounts and mail from elsewhere."),
    "directory": ("posthouse.cli.directory:directory", "Show where accounts live, and move them."),
    "queue": ("posthouse.cli.queue:queue", "See what waits and what is held, release it, delete it."),
    "relay": ("posthouse.cli.relay:relay", "Keep logins at smart hosts in the directory."),
    "ban": ("posthouse.cli.ban:ban", "See who is banned and why, ban and lift by hand."),
    "config": ("posthouse.cli.config:config", "Check, show and explain the site file."),
    "plan": ("posthouse.cli.plan:plan", "Show what apply would change."),
    "apply": ("posthouse.cli.apply:apply", "Make the machine what the site file says."),
    "rollback": ("posthouse.cli.rollback:rollback", "Go back to an earlier generation."),
    "generations": ("posthouse.cli.generations:generations", "List what was applied, and when."),
    "drift": ("posthouse.cli.drift:drift", "Show, adopt or discard edits made by hand."),
    "explain": ("posthouse.cli.explain:explain", "Say where a line of a daemon's file comes from."),
    "release": ("posthouse.cli.release:release", "Take the machine to the next Debian, in place."),
    "down": ("posthouse.cli.down:down", "Stop the mail service."),
    "completion": ("posthouse.cli.completion:completion", "Print the completion script of a shell."),
}


class _Lazy(click.Group):
    """A group that imports a command's module when the command is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), function)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=line)
            for name, (_, line) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return names or click.Command.shell_complete(self, ctx, incomplete)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="posthouse", message="%(prog)s %(version)s")
@click.option("--traceback", is_flag=True, help="Show the whole traceback of an error.")
def cli(traceback: bool) -> None:
    """Run a complete e-mail service on this Debian machine, from one file.

    Begin with: posthouse up DOMAIN
    """
    if traceback:
        os.environ["POSTHOUSE_DEBUG"] = "1"


def _say(text: str) -> None:
    from posthouse.cli import _output

    _output.note(text)


def _keep(text: str) -> str | None:
    """Write a traceback where only its owner reads it, and return the path; None if nowhere."""
    import tempfile

    from posthouse import paths

    for folder in (str(paths.LOG), None):
        try:
            number, name = tempfile.mkstemp(prefix="posthouse-error-", suffix=".txt", dir=folder)
        except OSError:
            continue
        with os.fdopen(number, "w", encoding="utf-8") as kept:
            kept.write(text)
        return name
    return None


def _report(error: BaseException) -> int:
    """Print an error for the operator and return the exit status."""
    if os.environ.get("POSTHOUSE_DEBUG") == "1":
        import traceback

        _say("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, PosthouseError):
        _say(f"posthouse: {error}")
        return error.exit_status
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        mend = (
            "\n  Free some space and say the same again."
            if error.strerror == "No space left on device"
            else ""
        )
        _say(f"posthouse: {where}{error.strerror}{mend}")
        return 1
    import traceback

    kept = _keep(
        f"posthouse {__version__}, Python {sys.version}\n" + "".join(traceback.format_exception(error))
    )
    where = f"; the details are in {kept}" if kept else "; POSTHOUSE_DEBUG=1 shows the details"
    _say(f"posthouse: this is a bug in posthouse: {type(error).__name__}: {str(error)[:200]}{where}")
    return 1


def _drop_output() -> None:
    """Let nothing that is still to be written fail once more when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status. Never raises but SystemExit from a command itself."""
    try:
        result = cli.main(arguments, prog_name="posthouse", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as stopped:
        _say("posthouse: stopped")
        # click raises its Abort from what stopped it; signal(7): 2 is SIGINT
        return 128 + int(getattr(stopped.__cause__ or stopped, "number", 2))
    except BrokenPipeError:
        _drop_output()  # whoever read our output has gone (`| head`): end quietly
        return 1
    except Exception as error:
        status = _report(error)
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        return status
    return result if isinstance(result, int) else 0


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
