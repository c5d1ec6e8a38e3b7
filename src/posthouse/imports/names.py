"""What a foreign folder is called here."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from posthouse.imports.mail import Folder

# What programs call the folders that have a use, where the server does not say it (RFC 6154)
USUAL = {
    "\\Drafts": ("drafts", "draft", "entwürfe", "brouillons"),
    "\\Sent": (
        "sent",
        "sent items",
        "sent messages",
        "sent mail",
        "sent-mail",
        "gesendet",
        "gesendete objekte",
    ),
    "\\Junk": ("junk", "spam", "junk e-mail", "junk mail", "bulk mail", "junk email"),
    "\\Trash": ("trash", "deleted items", "deleted messages", "papierkorb", "gelöschte objekte", "bin"),
    "\\Archive": ("archive", "archives", "archiv"),
}


def targets(
    folders: Sequence[Folder], separator: str, special: Mapping[str, str], renamed: Mapping[str, str]
) -> dict[str, str]:
    """Return the local name of each folder, by its key.

    `special`: what a use is called here, such as "\\Sent": "Sent". `renamed`: the operator's own choice, by the
    foreign path with "/" between; it goes for the folders below as well. Two folders come together only where
    they have the same use, or the operator says so.
    """
    uses = _uses(folders)
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    for folder in sorted(folders, key=lambda one: one.path):
        use = uses.get(folder.key)
        chosen = _renamed(folder.path, renamed)
        if chosen is not None:
            name = _joined(chosen, separator)
        elif use in special:
            name = special[str(use)]
        else:
            name = _free(_joined(folder.path, separator), taken)
        found[folder.key] = name
        taken.setdefault(name, folder.key)
    return found


def _uses(folders: Sequence[Folder]) -> dict[str, str]:
    """The use of each folder: what the server says, else by its name where nothing else has the use."""
    uses = {folder.key: folder.special for folder in folders if folder.special}
    for use, names in USUAL.items():
        if use in uses.values():
            continue
        tops = {folder.path[-1].casefold(): folder for folder in reversed(folders) if len(folder.path) == 1}
        named = next((tops[name] for name in names if name in tops), None)
        if named is not None:
            uses.setdefault(named.key, use)
    return uses


def _renamed(path: tuple[str, ...], renamed: Mapping[str, str]) -> tuple[str, ...] | None:
    for length in range(len(path), 0, -1):
        new = renamed.get("/".join(path[:length]))
        if new is not None:
            return (*new.split("/"), *path[length:])
    return None


def _joined(path: Sequence[str], separator: str) -> str:
    if len(path) == 1 and path[0].upper() == "INBOX":
        return "INBOX"
    parts = [_component(part, separator) for part in path]
    if parts[0].upper() == "INBOX":
        parts[0] = "INBOX"
    return separator.join(parts)


def _component(text: str, separator: str) -> str:
    """A component that Dovecot's stores take: no separator, nothing that means a path or a pattern."""
    clean = "".join(
        "_"
        if char in (separator, "/", "*", "%", "\\") or unicodedata.category(char) in ("Cc", "Cs")
        else char
        for char in unicodedata.normalize("NFC", text)
    )
    if clean.startswith("~") or clean in ("", ".", ".."):
        clean = "_" + clean[1:]
    return clean


def _free(name: str, taken: Mapping[str, str]) -> str:
    """The name, or with a number behind it where another folder has it."""
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found
