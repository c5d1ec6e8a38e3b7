"""What apt may do to the daemons: within one Debian everything, from one Debian to the next nothing.

Each daemon's configuration is rendered for the version that its Debian has. So versions of other Debians (and of
backports and foreign archives) are out of apt's reach, for the operator's `apt full-upgrade` and for
unattended-upgrades alike; updates of the same Debian, security ones too, go on. `posthouse release upgrade`
puts the next Debian's file in its place when it takes the daemons over.
"""

from __future__ import annotations

from pathlib import Path

from posthouse.resources import Blueprint
from posthouse.site.release import Release
from posthouse.stack.daemon import Wanted
from posthouse.stack.template import configured, render

PREFERENCES = Path("/etc/apt/preferences.d/posthouse")
SETTINGS = Path("/etc/apt/apt.conf.d/80posthouse")
# The postgresql package is a pointer to its Debian's major version; the clusters' own are named by it.
SOURCES = (
    *("postfix", "dovecot", "rspamd", "redis", "unbound", "postgresql-common"),
    *("opendkim", "opendmarc", "spamassassin", "spf-engine"),
)
# What the names of their binary packages begin with.
BINARIES = (*SOURCES, "spamd", "spamc")


def preferences(release: Release) -> str:
    """The text by which apt keeps the daemons at a Debian."""
    sources = " ".join(f"src:{name}:any" for name in SOURCES)
    return render("apt/preferences.j2", suite=release.suite, debian=release.debian, sources=sources)


def blueprint(wanted: Wanted) -> Blueprint:
    """The two files."""
    return Blueprint(
        files=(
            configured(PREFERENCES, preferences(wanted.release)),
            configured(SETTINGS, render("apt/settings.j2"), marks="//"),
        )
    )
