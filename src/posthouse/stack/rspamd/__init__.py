"""Rspamd: judges mail from outside, signs mail of ours (Rspamd 3.4, 3.12). The "filter" of the stack.

Everything is said in local.d; the operator's files in overrides/rspamd/local.d become override.d, which wins.
If it is down, Postfix answers "try again later"; if its redis is, mail is judged without Bayes. GTUBE goes to
Junk in 3.12; 3.4 refuses it by itself (554) and has no switch for that.
"""

from __future__ import annotations

from pathlib import Path

from posthouse import bounds, paths
from posthouse.resources import (
    Blueprint,
    Checker,
    Directory,
    File,
    Package,
    Program,
    Service,
    User,
)
from posthouse.stack import redis
from posthouse.stack.daemon import Wanted, drop_in
from posthouse.stack.overrides import below
from posthouse.stack.template import configured, render

ETC = Path("/etc/rspamd")
OVERRIDES = "rspamd/local.d"
LUA = ETC / "posthouse"  # what local.d/rspamd.lua is made of
LUA_FILES = ("bounds.lua", "utf8.lua", "authors.lua", "outgoing.lua")
AS_ITSELF = ("/usr/bin/setpriv", "--reuid=_rspamd", "--regid=_rspamd", "--clear-groups")
STOP_SECONDS = 3
# What it finds addresses with, compiled and unpacked below /var/lib/rspamd; at once where it is there already.
UNPACK = f"for turn in 1 2; do rspamadm mime urls {ETC}/rspamd.conf >/dev/null; done || true"

# Named as systemd names the architecture (%a): read there alone.
ENVIRONMENT = "x86-64.env"

SETTINGS = (
    "options.inc",
    "worker-proxy.inc",
    "worker-normal.inc",
    "worker-controller.inc",
    "logging.inc",
    "actions.conf",
    "arc.conf",
    "headers_group.conf",
    "dkim_signing.conf",
    "dmarc.conf",
    "milter_headers.conf",
    "rbl.conf",
    "regexp.conf",
    "redis.conf",
    "classifier-bayes.conf",
    "settings.conf",
)

# Modules that cost more than they give here, with the reason that stands in their file.
OFF = {
    "asn.conf": "One DNS question a message, for a number that nothing here uses.",
    "elastic.conf": "No such service here.",
    "fuzzy_check.conf": "Digests of private mail would be sent to a service elsewhere.",
    "greylist.conf": "No mail is made to wait: greylisting delays log-in codes.",
    "hfilter.conf": "Costs more than what it adds to SPF, DKIM, DMARC and the block lists.",
    "history_redis.conf": "The log has it.",
    "neural.conf": "Takes memory and thousands of learned messages before it helps.",
    "phishing.conf": "Costs more than it finds.",
    "ratelimit.conf": "Postfix bounds what comes in, the agent what goes out.",
    "replies.conf": "Nothing is kept of who wrote to whom.",
    "rspamd_update.conf": "Rules come with Debian's packages only.",
    "url_redirector.conf": "The filter opens no pages.",
}

# Block lists that Debian's Rspamd would ask and that are left out (rbl.conf says why), by Debian's release.
LISTS_OFF = ("sem", "semIPv6", "virusfree", "SEM_URIBL_UNKNOWN", "SEM_URIBL_FRESH15_UNKNOWN")
LISTS_OFF_IN = {12: ("senderscore", "nixspam"), 13: ("senderscore_reputation",)}


def _memory(wanted: Wanted) -> int:
    """Bytes that all its processes may hold together: both may judge a message of the largest size."""
    return 402_653_184 + 2 * 10 * wanted.site.limits.message_size


def _address_space(wanted: Wanted) -> int:
    """Bytes that each may map (getrlimit(2)); Lua's allocator maps a gigabyte and more, and uses little of it."""
    return 2_147_483_648 + 16 * wanted.site.limits.message_size


def blueprint(wanted: Wanted) -> Blueprint:
    """What Rspamd needs. Raises UsageError for an override in a folder that is not read."""
    values = {
        **wanted.values,
        "milter": paths.RSPAMD_MILTER,
        "controller": paths.RSPAMD_CONTROLLER,
        "learner": paths.LEARNING_USER,
        "dkim": paths.DKIM,
        "redis": redis.SOCKET,
        "lua": LUA,
        "bounds": bounds,
        "memory": _memory(wanted),
        "address_space": _address_space(wanted),
        "unpack": UNPACK,
        "python": paths.PROGRAM / "venv/bin/python",
        "stop_seconds": STOP_SECONDS,
        "lists_off": (*LISTS_OFF, *LISTS_OFF_IN[wanted.release.debian]),
        # Whatever Postfix lets in is scanned, headers and all.
        "max_message": max(wanted.site.limits.message_size, wanted.site.spam.scan_size) + 1_048_576,
    }
    files = [
        configured(ETC / "local.d" / name, render(f"rspamd/local.d/{name}.j2", **values)) for name in SETTINGS
    ]
    files += [
        configured(ETC / "local.d" / name, render("rspamd/local.d/off.conf.j2", reason=reason))
        for name, reason in OFF.items()
    ]
    files.append(File(ETC / "local.d/rspamd.lua", render("rspamd/local.d/rspamd.lua.j2", **values)))
    files += [File(LUA / name, render(f"rspamd/lua/{name}.j2", **values)) for name in LUA_FILES]
    if wanted.release.debian == 13:
        files.append(configured(ETC / ENVIRONMENT, render("rspamd/x86-64.env.j2", **values)))
    for name, text in below(wanted.overrides, OVERRIDES).items():
        origin = ((name, f"override: {OVERRIDES}/{name}"),)
        files.append(File(ETC / "override.d" / name, text, origins=origin))
    return Blueprint(
        packages=(Package("rspamd"),),
        users=(User("_rspamd", group="_rspamd", groups=("redis", paths.DKIM_GROUP), create=False),),
        directories=(
            Directory(paths.RSPAMD_MILTER.parent, "_rspamd", "postfix", 0o2750),
            Directory(paths.RSPAMD_CONTROLLER.parent, "_rspamd", paths.LEARNING_USER, 0o2750),
        ),
        files=(*files, *drop_in(wanted, "rspamd", render("rspamd/unit.conf.j2", **values))),
        checkers=(
            Checker(
                "rspamadm configtest",
                # Its own files are Debian's; ours and the operator's are the staged ones.
                ("/usr/bin/rspamadm", "--var=LOCAL_CONFDIR={stage}" + str(ETC), "configtest"),
                refuse=r"syntax BAD|error",
            ),
        ),
        services=(
            Service(
                "rspamd",
                "rspamd.service",
                Program(
                    (
                        *("/usr/bin/prlimit", f"--as={values['address_space']}"),
                        *("/usr/bin/rspamd", "-c", str(ETC / "rspamd.conf"), "-f"),
                    ),
                    user="_rspamd",
                    before=(
                        ("/usr/bin/install", "-d", "-o", "_rspamd", "-g", "_rspamd", "/run/rspamd"),
                        ("/bin/rm", "-f", str(paths.RSPAMD_MILTER)),
                        (*AS_ITSELF, "/bin/sh", "-c", UNPACK),
                    ),
                    stop_seconds=STOP_SECONDS,
                ),
                restart_on=(ETC,),
                ready=(f"unix:{paths.RSPAMD_MILTER}",),
            ),
        ),
    )
