"""policyd-spf: says what SPF finds (3.0, 3.1). Part of the classic chain.

Postfix starts it (spawn(8)) for each of its processes that takes mail from elsewhere, and asks once a message. It
refuses nothing by itself: what it finds is told in a header, which the gate reads. If it cannot be started, mail
waits ("451").
"""

from __future__ import annotations

from posthouse.resources import Blueprint, File, Package
from posthouse.stack import filters
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import configured, render


def blueprint(wanted: Wanted) -> Blueprint:
    """What policyd-spf needs."""
    service = filters.POLICYD_SPF
    return Blueprint(
        packages=(Package("postfix-policyd-spf-python"),),
        files=(
            configured(service.settings, render("policyd_spf/policyd-spf.conf.j2", **wanted.values)),
            File(service.program, render("policyd_spf/posthouse.py.j2"), mode=0o755),
        ),
    )
