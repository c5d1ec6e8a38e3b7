"""What status says of the records that are published, and which line it gives."""

from __future__ import annotations

import pytest

from posthouse.dns.check import Finding
from posthouse.dns.judge import State
from posthouse.dns.record import Record
from posthouse.ops import dns_status

MX = Record("snorl.ax.", "MX", "10 mail.snorl.ax.", "", "mx")
PTR = Record("7.100.51.198.in-addr.arpa.", "PTR", "mail.snorl.ax.", "", "reverse")


@pytest.mark.parametrize(
    ("mx", "ptr", "by_update", "state", "mend"),
    [
        ("ok", "ok", True, "ok", ""),
        ("missing", "ok", False, "warning", "posthouse dns check snorl.ax"),
        ("missing", "wrong", True, "warning", "posthouse dns push snorl.ax"),
        ("ok", "wrong", True, "warning", "posthouse dns check snorl.ax"),  # no push helps there
        ("unknown", "ok", True, "unknown", "posthouse dns check snorl.ax"),
    ],
)
def test_the_line_is_one_that_helps(mx: State, ptr: State, by_update: bool, state: str, mend: str) -> None:
    found = [Finding(MX, mx, ""), Finding(PTR, ptr, "")]
    found_state, _, line = dns_status.published("snorl.ax", " snorl.ax", found, by_update=by_update)
    assert (found_state, line) == (state, mend)


def test_what_is_only_recommended_is_said_apart() -> None:
    srv = Record("_imaps._tcp.snorl.ax.", "SRV", "0 1 993 mail.snorl.ax.", "", "srv")
    found = [Finding(MX, "missing", ""), Finding(srv, "missing", "")]
    said = dns_status.published("snorl.ax", " snorl.ax", found, by_update=False)[1]
    assert said == (
        "snorl.ax: missing: MX (until then others refuse its mail, or send none); missing, but only recommended: SRV"
    )
