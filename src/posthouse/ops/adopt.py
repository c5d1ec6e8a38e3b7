"""Turn an edit made by hand into an override, where the file's kind of override can say it.

An adopter takes the path, the text as the generation has it, the text as it is now, and the overrides;
it returns the override's name and its new text. Where an edit cannot be said that way it raises
`CannotAdopt` with what to do instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from pathlib import Path

from posthouse.errors import PosthouseError

Adopter = Callable[[Path, str, str, Mapping[str, str]], tuple[str, str]]

MAIN_CF, MASTER_CF = "postfix/main.cf", "postfix/master.cf"


class CannotAdopt(PosthouseError):
    """The edit cannot be said as an override."""


def adopted(path: Path, ours: str, theirs: str, overrides: Mapping[str, str]) -> tuple[str, str]:
    """Return (override's name, its whole new text) for an edit. CannotAdopt."""
    for pattern, adopter in _ADOPTERS:
        if path.match(pattern):
            return adopter(path, ours, theirs, overrides)
    raise CannotAdopt(
        f"{path} has no overrides",
        f"Set what you need in posthouse.toml, then `posthouse drift discard {path}`; a copy is kept.",
    )


def _main_cf(path: Path, ours: str, theirs: str, overrides: Mapping[str, str]) -> tuple[str, str]:
    from posthouse.stack.postfix import main_cf

    was = {item.name: item.value for item in main_cf.parse(ours, str(path))}
    now = {item.name: item.value for item in main_cf.parse(theirs, str(path))}
    if lost := [name for name in was if name not in now]:
        raise CannotAdopt(
            f"{path}: an override can set a parameter, not take one away: {', '.join(lost)}",
            "Put the line back with the value that you want (`postconf -d NAME` shows the default).",
        )
    changed = {name: value for name, value in now.items() if was.get(name) != value}
    old = main_cf.parse(overrides.get(MAIN_CF, ""))
    kept = [item.render() for item in old if item.name not in changed]
    return MAIN_CF, "".join(
        [*kept, *(f"{name} = {value}".rstrip() + "\n" for name, value in changed.items())]
    )


def _master_cf(path: Path, ours: str, theirs: str, overrides: Mapping[str, str]) -> tuple[str, str]:
    from posthouse.stack.postfix import master_cf

    was = {item.key: item.lines for item in master_cf.parse(ours, str(path))}
    now = {item.key: item.lines for item in master_cf.parse(theirs, str(path))}
    if lost := ["/".join(key) for key in was if key not in now]:
        raise CannotAdopt(
            f"{path}: an override can set a service, not take one away: {', '.join(lost)}",
            "Put the line back, and change the service as you need it.",
        )
    changed = {key: lines for key, lines in now.items() if was.get(key) != lines}
    old = master_cf.parse(overrides.get(MASTER_CF, ""))
    lines = [line for item in old if item.key not in changed for line in item.lines]
    lines += [line for service in changed.values() for line in service]
    return MASTER_CF, "\n".join(lines) + "\n"


def _whole_file(path: Path, ours: str, theirs: str, overrides: Mapping[str, str]) -> tuple[str, str]:
    """The file is an override and nothing else."""
    del ours, overrides
    return f"rspamd/local.d/{path.name}", theirs


def _settings(name: str | None) -> Adopter:
    """Settings said again win: added lines outside of blocks go to the end of the override `name`."""

    def adopt(path: Path, ours: str, theirs: str, overrides: Mapping[str, str]) -> tuple[str, str]:
        target = name or f"rspamd/local.d/{path.name}"
        added = "\n".join(_flat(path, ours, theirs))
        before = overrides.get(target, "").rstrip("\n")
        return target, f"{before}\n{added}\n".lstrip("\n")

    return adopt


_SETTING = re.compile(r"\s*([\w./-]+)\s*(?:[=:]|\s)")


def _flat(path: Path, ours: str, theirs: str) -> list[str]:
    """Return the lines that `theirs` adds, if all of it can be said by adding lines at the end."""
    old, new = ours.splitlines(), theirs.splitlines()
    added: list[str] = []
    gone: list[str] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        if _depth(new[:j1]) or _depth(new[j1:j2]):
            raise CannotAdopt(
                f"{path}: line {j1 + 1} stands inside a block, and an override goes to the end of the file",
                "Write the whole block into the override yourself, then `posthouse drift discard` the edit.",
            )
        gone += [line for line in old[i1:i2] if line.strip() and not line.lstrip().startswith("#")]
        added += new[j1:j2]
    names = {match[1] for line in added if (match := _SETTING.match(line))}
    lost = [line.strip() for line in gone if not ((match := _SETTING.match(line)) and match[1] in names)]
    if lost:
        raise CannotAdopt(
            f"{path}: an override can set a thing anew, not take it away: {lost[0]}",
            "Set it to what it should be in the override, then `posthouse drift discard` the edit.",
        )
    return added


def _depth(lines: list[str]) -> int:
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    return text.count("{") - text.count("}")


_ADOPTERS: tuple[tuple[str, Adopter], ...] = (
    ("/etc/postfix/main.cf", _main_cf),
    ("/etc/postfix/master.cf", _master_cf),
    ("/etc/rspamd/override.d/*", _whole_file),
    ("/etc/rspamd/local.d/*", _settings(None)),
    ("/etc/dovecot/dovecot.conf", _settings("dovecot/local.conf")),
    ("/etc/unbound/unbound.conf.d/posthouse.conf", _settings("unbound/local.conf")),
)
