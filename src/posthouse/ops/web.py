"""Port 443 before it is ours: who has it already keeps it, and the operator decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse import paths
from posthouse.doctor import sockets
from posthouse.errors import UsageError
from posthouse.host import services as managers
from posthouse.stack.web import NAME, PORT

if TYPE_CHECKING:
    from posthouse.ops.context import Context


def check(context: Context) -> None:
    """UsageError where the site wants port 443 answered, and another program has it."""
    service = next((one for one in context.blueprint.services if one.name == NAME), None)
    if service is None or managers.manager(context.base.ground).states([service])[NAME].running:
        return
    taken = [one for one in sockets.listeners() if one.protocol == "tcp" and one.port == PORT]
    if not taken:
        return
    pids = set(sockets.holders({one.inode for one in taken}).values())
    who = " and ".join(sorted({sockets.name_of(pid) for pid in pids if sockets.name_of(pid)}))
    raise UsageError(
        f"{paths.SITE_FILE}: web: port {PORT} is taken by {who or 'another program'}; nothing was changed.",
        "Stop that; or serve nothing there: enabled = false in [web] (docs/web.md).",
    )
