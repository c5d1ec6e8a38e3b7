"""`posthouse completion SHELL`: the script that teaches a shell to complete posthouse's commands."""

from __future__ import annotations

import click

from posthouse.cli import _output


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    bash: installed by `up`. zsh: posthouse completion zsh > /usr/local/share/zsh/site-functions/_posthouse.
    fish: posthouse completion fish > ~/.config/fish/completions/posthouse.fish.
    """
    _output.emit(script(shell))


def script(shell: str) -> str:
    """Return the completion script of bash, zsh or fish."""
    from click.shell_completion import get_completion_class

    from posthouse.cli.main import cli

    completer = get_completion_class(shell)
    assert completer is not None
    return str(completer(cli, {}, "posthouse", "_POSTHOUSE_COMPLETE").source())
