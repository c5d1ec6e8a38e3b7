"""SpamAssassin: judges mail from elsewhere (4.0.1 in both Debians). Part of the classic chain.

spamd on a unix socket, asked by the gate and by who teaches (`spamc -U SOCKET --learntype=spam|ham`); one database
of what was learned for all. If it is down, the gate answers "try again later".
"""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.resources import Blueprint, Checker, Directory, File, Group, Package, Program, Service
from posthouse.stack.daemon import Limits, Wanted, drop_in
from posthouse.stack.overrides import appended
from posthouse.stack.template import configured, render

ETC = Path("/etc/spamassassin")
CONFIG = ETC / "local.cf"
PLUGINS = ("posthouse.pm", "prefilter.pm")
OVERRIDE = "spamassassin/local.cf"
CHILDREN = 2
CHECK_SECONDS = 90  # the gate waits for 105
# A rule that comes to no end hears no alarm (perlipc(1), "Deferred Signals"): the kernel ends its process.
CPU_SECONDS = 600

# What `spamassassin --lint` does, but for the folder that it makes in root's home (Mail::SpamAssassin(3perl)).
LINT = """\
my ($rules, $home) = @ARGV;
my $own = "$home/.spamassassin";
mkdir $own;
my %given = (site_rules_filename => $rules, userstate_dir => $own, home_dir_for_helpers => $home, dont_copy_prefs => 1);
exit !!Mail::SpamAssassin->new(\\%given)->lint_rules;
"""

PROGRAM = (
    "/usr/sbin/spamd",
    f"--socketpath={paths.SPAMD}",
    "--socketowner=debian-spamd",
    f"--socketgroup={paths.LEARNING_USER}",
    "--socketmode=0660",
    "--username=debian-spamd",
    "--nouser-config",
    "--allow-tell",
    # Two processes, neither more nor fewer: a fresh one costs more than a message.
    f"--min-children={CHILDREN}",
    f"--max-children={CHILDREN}",
    "--max-spare=2",
    "--max-conn-per-child=1000",
    f"--timeout-child={CHECK_SECONDS}",
    "--syslog=stderr",
    "--log-timestamp-fmt=",
)


def _limits(wanted: Wanted) -> Limits:
    """Its rules, and a message in several forms; both children may have one of the largest at once."""
    scanned = min(wanted.site.spam.scan_size, wanted.site.limits.message_size)
    each = 402_653_184 + 24 * scanned
    return Limits(each, 268_435_456 + 2 * 24 * scanned, CPU_SECONDS)


def blueprint(wanted: Wanted) -> Blueprint:
    """What SpamAssassin needs."""
    values = {**wanted.values, "learned": paths.SPAMD_LEARNED}
    text = appended(render("spamassassin/local.cf.j2", **values), wanted.overrides, OVERRIDE)
    folder = (
        "/usr/bin/install",
        "-d",
        "-o",
        "debian-spamd",
        "-g",
        paths.LEARNING_USER,
        "-m",
        "750",
        str(paths.SPAMD.parent),
    )
    limits = _limits(wanted)
    stale = ("/bin/rm", "-f", str(paths.SPAMD))
    return Blueprint(
        packages=tuple(map(Package, ("spamassassin", "spamd", "spamc", "libre-engine-re2-perl"))),
        groups=(Group(paths.LEARNING_USER),),
        directories=(Directory(paths.SPAMD_LEARNED, "debian-spamd", "debian-spamd", 0o700),),
        files=(
            configured(CONFIG, text),
            *(File(ETC / name, render(f"spamassassin/{name}.j2")) for name in PLUGINS),
            *drop_in(
                wanted,
                "spamd",
                render(
                    "spamassassin/unit.conf.j2",
                    program=PROGRAM,
                    folder=folder,
                    stale=stale,
                    socket=paths.SPAMD,
                    limits=limits,
                ),
            ),
        ),
        checkers=(
            Checker(
                "spamassassin --lint",
                ("/usr/bin/perl", "-MMail::SpamAssassin", "-e", LINT, "{stage}" + str(ETC), "{stage}"),
                refuse=r"^(?!perl:)[a-z_]+: |[Ee]rror",
            ),
        ),
        services=(
            Service(
                "spamd",
                "spamd.service",
                Program((*limits.limited, *PROGRAM), before=(folder, stale)),
                restart_on=(CONFIG, *(ETC / name for name in PLUGINS)),
                ready=(f"unix:{paths.SPAMD}",),
            ),
        ),
    )
