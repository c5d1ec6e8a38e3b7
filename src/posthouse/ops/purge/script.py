"""The end of a purge, as a shell script: it takes away Python and the program itself, so it cannot be either.

It stands in the place of the `posthouse` command until its last line: cut off anywhere, saying any `posthouse`
command again goes on. Every step asks whether it is done already.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MARK = "# posthouse: the rest of a purge"  # the launcher looks for it


@dataclass(frozen=True)
class Rest:
    """What is left to do when files and services are as they were found.

    `packages` go in these groups, one after the other. `folders` are removed where they are empty and no package's,
    in this order; `restored` get their owner and mode back; `kept` moves state to where it stays, root's alone.
    """

    packages: Sequence[Sequence[str]]
    automatic: Sequence[str] = ()
    users: Sequence[str] = ()
    groups: Sequence[str] = ()
    folders: Sequence[Path] = ()
    restored: Mapping[Path, tuple[str, str, int]] = field(default_factory=dict)
    removed: Sequence[Path] = ()
    kept: Mapping[Path, Path] = field(default_factory=dict)


_HEAD = """\
#!/bin/sh
{mark}
# Made by `posthouse down --purge`, which was cut off where you can read this: say it again, and it goes on.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none
export PATH LC_ALL DEBIAN_FRONTEND DEBIAN_PRIORITY APT_LISTCHANGES_FRONTEND
cd /

say() {{ printf '%s\\n' "$*" >&2; }}
fail() {{
    say "posthouse: $1"
    say '  Mend that, and say `posthouse down --purge` again: it goes on from here.'
    exit 1
}}
[ "$(id -u)" = 0 ] || fail 'a purge was begun here; only root can end it.'

# left NAME...: those of which something is still here, configuration files too.
left() {{
    for name; do
        state=$(dpkg-query -W -f '${{db:Status-Status}}' "$name" 2>/dev/null) || continue
        [ "$state" = not-installed ] || printf ' %s' "$name"
    done
}}
# purge NAME...: those that are left, and nothing else.
purge() {{
    rounds=0
    while left=$(left "$@") && [ -n "$left" ]; do
        rounds=$((rounds + 1))
        [ "$rounds" -le 3 ] || fail "apt-get purge leaves$left; it says: $said"
        said=$(apt-get -q -s purge $left 2>&1) || fail "apt cannot plan the removal: $said"
        for gone in $(printf '%s\\n' "$said" | sed -n 's/^\\(Purg\\|Remv\\) \\([^ ]*\\).*/\\2/p'); do
            case " $left " in
            *" ${{gone%%:*}}:"*) ;;
            *) fail "apt would remove $gone as well, which was not brought by Posthouse." ;;
            esac
        done
        # A daemon that stays is restarted when a part of it is removed, before that part's settings are purged: Dovecot
        # 2.4 refuses to start with those of managesieved. When they are gone it does.
        # And apt counts the steps that dpkg tells of: a package whose removal was cut off in its last script it takes
        # for purged when it is only removed, and says that all is well. So look again.
        said=$(apt-get -q -y -o DPkg::Lock::Timeout=600 purge $left 2>&1) || dpkg --purge $left >/dev/null 2>&1
    done
}}
empty() {{ [ -d "$1" ] && ! dpkg -S "$1" >/dev/null 2>&1 && rmdir "$1" 2>/dev/null; return 0; }}

# A dpkg of a run that was cut off may still be at work; and apt knows nothing of what one that was killed has done.
tries=0
until said=$(dpkg --force-confdef --force-confold --configure -a 2>&1); do
    case $said in *'was locked by'*) ;; *) break ;; esac
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || fail "another program is at work with dpkg: $said"
    sleep 1
done
"""

_TAIL = """\
[ ! -d /run/systemd/system ] || systemctl daemon-reload
[ ! -d /run/systemd/system ] || systemctl reset-failed 2>/dev/null
say 'The machine is as it was found.'
rm -f -- "$0"
"""


def render(rest: Rest) -> str:
    """Return the script."""
    lines = [_HEAD.format(mark=MARK)]
    if any(rest.packages):
        lines.append(f"say 'removing {sum(map(len, rest.packages))} packages'")
    lines += [f"purge {_words(group)}" for group in rest.packages if group]
    for old, new in rest.kept.items():
        move = f"chown -R -h root:root {_quoted(old)} && chmod 0700 {_quoted(old)}"
        move += f" && mkdir -p -m 0700 {_quoted(new.parent)} && mv -T {_quoted(old)} {_quoted(new)}"
        lines.append(f"[ ! -d {_quoted(old)} ] || {{ {move}; }} || fail 'cannot keep {old}'")
    for user in rest.users:
        quoted = shlex.quote(user)
        lines.append(
            f"! getent passwd {quoted} >/dev/null || userdel {quoted} || fail 'cannot remove the user {user}'"
        )
    for group in rest.groups:
        quoted = shlex.quote(group)
        lines.append(
            f"! getent group {quoted} >/dev/null || groupdel {quoted} || fail 'cannot remove the group {group}'"
        )
    for folder, (owner, group, mode) in rest.restored.items():
        quoted = _quoted(folder)
        lines.append(f"[ ! -d {quoted} ] || {{ chown {owner}:{group} {quoted} && chmod {mode:o} {quoted}; }}")
    lines.append(f"rm -rf -- {_words(map(str, rest.removed))}")
    lines += [f"empty {_quoted(folder)}" for folder in rest.folders]
    if rest.automatic:
        lines.append(f"for name in {_words(rest.automatic)}; do")
        lines.append('    ! dpkg-query -W "$name" >/dev/null 2>&1 || apt-mark auto "$name" >/dev/null')
        lines.append("done")
    return "\n".join(lines) + "\n" + _TAIL


def _words(words: Iterable[str]) -> str:
    return shlex.join(list(words))


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
