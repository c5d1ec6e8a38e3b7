"""Changing the site file keeps everything else in it."""

from __future__ import annotations

import pytest

from posthouse.site import load
from posthouse.site.edit import with_directory
from posthouse.site.write import new_file

BASE = 'domain = "snorl.ax"\nhostname = "mail.snorl.ax" # why\npostmaster = "user@snorl.ax"\n'
URL = "postgresql://posthouse@db.snorl.ax:5432/mails"


@pytest.mark.parametrize(
    "text",
    [
        BASE,
        BASE
        + '# before\n[directory]  # beside\n# inside\nbackend = "sqlite" # behind\n\n[spam]\njunk_score = 3.0\n',
        BASE + 'directory.backend = "sqlite" # behind\n',
        BASE + 'directory = { backend = "sqlite" } # behind\n',
        new_file("snorl.ax", "mail.snorl.ax", "user@snorl.ax"),
    ],
)
def test_there_and_back(text: str) -> None:
    there = with_directory(text, "postgresql", URL, "/etc/posthouse/secret")
    site = load.parse(there)
    assert (site.directory.backend, site.directory.url) == ("postgresql", URL)
    back = with_directory(there, "sqlite")
    assert load.parse(back).directory == load.parse(text).directory
    for line in text.splitlines():
        comment = line.partition("#")[2]
        assert comment in there
        assert comment in back


def test_the_password_file_goes_with_its_server() -> None:
    there = with_directory(BASE, "postgresql", URL, "/etc/posthouse/secret")
    assert "secret" not in with_directory(there, "postgresql")
