"""`posthouse config`: check, show and explain the site file. Changes nothing, and needs no root."""

from __future__ import annotations

from pathlib import Path

import click

from posthouse import paths
from posthouse.cli import _output
from posthouse.errors import UsageError

_FILE = click.argument(
    "file", type=click.Path(path_type=Path), default=paths.SITE_FILE, required=False, metavar="[FILE]"
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def config() -> None:
    """Check, show and explain the site file."""


@config.command()
@_FILE
@_JSON
def check(file: Path, as_json: bool) -> None:
    """Say whether the file is right; every error with its line.

    JSON: {"file", "ok", "problems": [{"line", "column", "key", "message"}]}. Exit status 2 for a wrong file.
    """
    from posthouse.site import load

    try:
        site, problems = load.check(load.read(file))
    except load.SiteFileError as error:
        site, problems = None, error.problems
    if as_json:
        shown = [{"line": p.line, "column": p.column, "key": p.key, "message": p.message} for p in problems]
        _output.emit_json({"file": str(file), "ok": site is not None, "problems": shown})
        if site is None:
            raise click.exceptions.Exit(UsageError.exit_status)
    elif site is None:
        raise load.SiteFileError(str(file), problems)
    else:
        _output.emit(f"{file}: right; {site.hostname} serves {site.domain}")


@config.command()
@_FILE
@_JSON
def show(file: Path, as_json: bool) -> None:
    """Print every setting in force, the defaults too. JSON: the file's own shape."""
    from posthouse.site import load

    site = load.load(file)
    if as_json:
        _output.emit_json(site.model_dump())
        return
    from posthouse.site import reference

    rows = []
    values = site.model_dump()
    for field in reference.fields():
        value = values
        for part in field["key"].split("."):
            value = value[part]
        source = "default" if value == field["default"] and not field["required"] else "file"
        rows.append((field["key"], value, source))
    _output.emit(_output.table(rows, ("key", "value", "from")))


@config.command()
@_JSON
def reference(as_json: bool) -> None:
    """Explain every key of the file. JSON: [{"key", "kind", "required", "default", "bound", "meaning"}]."""
    from posthouse.site import reference as pages

    if as_json:
        _output.emit_json(pages.fields())
    else:
        _output.emit(pages.markdown().rstrip("\n"))
