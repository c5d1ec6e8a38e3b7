"""The machines that the tests run on: which of the eight grounds, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class GroundCase:
    """One kind of machine: suite, what PID 1 is, an operator's policy-rc.d, and the filter chain."""

    suite: str
    pid1: str
    policy_rc_d: int | None
    filter: str = "rspamd"

    @property
    def name(self) -> str:
        """Name in test ids and of the machine: 12-systemd-clean."""
        debian = {"bookworm": "12", "trixie": "13"}[self.suite]
        manager = {"systemd": "systemd", "other": "supervisor"}[self.pid1]
        if self.filter != "rspamd":
            return f"{debian}-{manager}-classic"
        return f"{debian}-{manager}-{'clean' if self.policy_rc_d is None else 'policy'}"


# Every pair of {12, 13}, {systemd, supervisor}, {clean, policy-rc.d} occurs in these four. The first starts
# from a bare Debian; the others from a snapshot taken after apt.
PAIRWISE = (
    GroundCase("trixie", "systemd", 101),
    GroundCase("bookworm", "systemd", None),
    GroundCase("bookworm", "other", 101),
    GroundCase("trixie", "other", None),
)
MATRIX = (
    *PAIRWISE,
    GroundCase("trixie", "systemd", None),
    GroundCase("bookworm", "systemd", 101),
    GroundCase("bookworm", "other", None),
    GroundCase("trixie", "other", 101),
)
# What both chains must do (marked `both_chains`) runs on these as well.
CLASSIC = (
    GroundCase("trixie", "systemd", None, "spamassassin"),
    GroundCase("bookworm", "other", None, "spamassassin"),
)
# The others of that chain, by --ground alone.
ASKED = (
    GroundCase("bookworm", "systemd", None, "spamassassin"),
    GroundCase("trixie", "other", None, "spamassassin"),
)
BARE = PAIRWISE[0]
# Machines with a disk of limited size.
DISKS = (
    pytest.param("13-systemd-disk", id="13-systemd-disk"),
    pytest.param("12-systemd-disk", id="12-systemd-disk", marks=pytest.mark.full),
)
