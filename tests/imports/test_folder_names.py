"""Foreign folders under local names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.imports import names
from posthouse.imports.mail import Folder

SPECIAL = {
    "\\Sent": "Sent",
    "\\Junk": "Junk",
    "\\Trash": "Trash",
    "\\Drafts": "Drafts",
    "\\Archive": "Archive",
}


def targets(
    *paths: str, special: dict[str, str] | None = None, renamed: dict[str, str] | None = None
) -> list[str]:
    folders = [Folder(path, tuple(path.split("/")), 0, (special or {}).get(path)) for path in paths]
    found = names.targets(folders, ".", SPECIAL, renamed or {})
    return [found[folder.key] for folder in folders]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["INBOX", "Inbox/Sub", "Sent Items"], ["INBOX", "INBOX.Sub", "Sent"]),
        (["Deleted Messages", "Spam", "Work/Spam"], ["Trash", "Junk", "Work.Spam"]),
        (["v1.2", "v1_2"], ["v1_2", "v1_2_2"]),
        (["~root", "..", "a*b%", "x\ny"], ["_root", "__", "a_b_", "x_y"]),
        (["Sent", "Sent Items"], ["Sent", "Sent Items"]),
    ],
)
def test_names(paths: list[str], expected: list[str]) -> None:
    assert targets(*paths) == expected


def test_what_the_server_says_goes_before_the_name() -> None:
    assert targets("Sent", "Outgoing", special={"Outgoing": "\\Sent"}) == ["Sent_2", "Sent"]


def test_the_operators_choice_goes_before_all() -> None:
    assert targets("Sent Items", "Old/A/B", "Old", renamed={"Sent Items": "Mine", "Old/A": "New/X"}) == [
        "Mine", "New.X.B", "Old",
    ]  # fmt: skip


PATHS = st.lists(st.text(min_size=1, max_size=8).map(lambda t: t.replace("/", "-")), min_size=1, max_size=3)


@given(st.lists(PATHS, max_size=6, unique_by=tuple), st.sampled_from("./"))
def test_every_folder_gets_a_name_of_its_own_that_a_store_takes(
    paths: list[list[str]], separator: str
) -> None:
    folders = [Folder("\0".join(path), tuple(path), 0) for path in paths]
    found = names.targets(folders, separator, SPECIAL, {})
    inboxes = [f for f in folders if len(f.path) == 1 and f.path[0].upper() == "INBOX"]
    assert len(set(found.values())) >= len(folders) - max(0, len(inboxes) - 1)
    for name in found.values():
        for part in name.split(separator):
            assert part not in ("", ".", "..")
            assert not part.startswith("~")
            assert not set(part) & set("*%\r\n\0")
