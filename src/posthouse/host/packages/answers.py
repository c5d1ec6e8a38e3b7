"""Answers that a package asks for before it is unpacked (debconf-set-selections(1))."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence

from posthouse.host.run import run

# Postfix: write no main.cf of its own; ours follows.
# OpenDMARC: no database for reports, which would be asked for at a MySQL server on this machine.
_ANSWERS = {
    "postfix": ("postfix/main_mailer_type", "select", "No configuration"),
    "opendmarc": ("opendmarc/dbconfig-install", "boolean", "false"),
}


def give(names: Sequence[str], env: Mapping[str, str]) -> None:
    """Tell debconf the answers for those of these packages that ask.

    Raises:
        CommandFailed: debconf's database cannot be written.
    """
    asking = [(name, *_ANSWERS[name]) for name in names if name in _ANSWERS]
    if not asking:
        return
    given = "".join(" ".join(answer) + "\n" for answer in asking)
    if run(["debconf-set-selections"], input=given, env=env, check=False).returncode == 0:
        return
    # Of a package that was purged debconf may keep a question's wording, which nobody owns, and not the question: then
    # it knows of none, and makes none. Loading a wording makes one; the package brings its own with it.
    for name, question, kind, _ in asking:
        with tempfile.NamedTemporaryFile("w", suffix=".templates") as wording:
            wording.write(f"Template: {question}\nType: {kind}\nDescription: {name}\n")
            wording.flush()
            run(["debconf-communicate", name], input=f"X_LOADTEMPLATEFILE {wording.name}\n", env=env)
    run(["debconf-set-selections"], input=given, env=env)
