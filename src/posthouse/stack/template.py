"""Templates that say why: rendering, and reading back where each setting comes from.

A template stands beside the code of its daemon. The comment right above a setting, or above a run of
settings without an empty line between, is its reason ("site: hostname", or a sentence); it is rendered
with them, and `origins` reads it back for `posthouse explain`. So the reason is written once, next to
the setting, and the operator reads the same in the file on his machine.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from posthouse.resources import File

if TYPE_CHECKING:
    from jinja2 import Environment

HEADER = "Written by posthouse; your own settings belong into /etc/posthouse/overrides."

_SETTING = re.compile(r"^\s*(?P<name>[A-Za-z_][\w.@/ \"*-]*?)\s*(?:[=:]|\s(?=[^={]*$))")
_SECTION = re.compile(r"^\s*(?P<name>[A-Za-z_][^={#]*?)\s*=?\s*\{\s*$")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - configuration files, not HTML
        auto_reload=False,
    )
    environment.filters["pattern"] = lambda name: name.replace(".", "\\.")  # a domain in a regexp_table(5)
    return environment


def render(template: str, **values: object) -> str:
    """Render `template` (a path below `stack/`).

    Raises:
        jinja2.UndefinedError: the template names a value that was not given: an error in Posthouse.
    """
    return _environment().get_template(template).render(HEADER=HEADER, **values)


def origins(text: str, marks: str = "#") -> tuple[tuple[str, str], ...]:
    """Settings of a rendered file with the comment above each; nested ones as "section/name".

    Knows `name = value`, `name: value` and `name value` lines and `section {` ... `}` blocks: the
    shapes of all files here. `marks` is what comments begin with. A setting named twice keeps the
    reason that was written last.
    """
    found: dict[str, str] = {}
    sections: list[str] = []
    reasons: list[str] = []
    block: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith(marks):
            if block:
                reasons, block = [], []
            reasons.append(bare.lstrip(marks + " "))
        elif not bare:
            reasons, block = [], []
        elif bare == "}":
            if sections:
                sections.pop()
        elif section := _SECTION.match(line):
            sections.append(section["name"].strip())
            if reasons:
                found["/".join(sections)] = " ".join(reasons)
            block.append(bare)
        elif setting := _SETTING.match(line):
            if reasons:
                found["/".join([*sections, setting["name"].strip()])] = " ".join(reasons)
            block.append(bare)
    return tuple(found.items())


def configured(
    path: Path,
    text: str,
    *,
    owner: str = "root",
    group: str = "root",
    mode: int = 0o644,
    marks: str = "#",
) -> File:
    """A configuration file whose origins are read from its own comments."""
    return File(path, text, owner, group, mode, origins=origins(text, marks))
