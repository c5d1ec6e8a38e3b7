"""Change the site file's text and keep everything else in it: the operator's comments, order and spacing."""

from __future__ import annotations

import re
from collections.abc import MutableMapping

import tomlkit


def with_directory(text: str, backend: str, url: str | None = None, password_file: str | None = None) -> str:
    """Return a site file's text with another `[directory]`; the text must be right TOML.

    What is None is taken out; a table that is not there goes to the end.
    """
    values = {"backend": backend, "url": url, "password_file": password_file}
    for name in (name for name, value in values.items() if value is None):
        # tomlkit cannot take one of several dotted keys out
        text = re.sub(rf"(?m)^[ \t]*directory[ \t]*\.[ \t]*{name}[ \t]*=.*\n?", "", text)
    document = tomlkit.parse(text)
    table = document.get("directory")
    if table is None:
        table = tomlkit.table()
        document.append("directory", table)
    assert isinstance(table, MutableMapping)
    for name, value in values.items():
        if value is None:
            if name in table:
                del table[name]
        else:
            table[name] = value
    return tomlkit.dumps(document)
