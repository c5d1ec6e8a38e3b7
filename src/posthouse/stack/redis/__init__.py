"""Redis: the filter's memory (Bayes). Debian 12 has 7, Debian 13 has 8; both are the package redis-server.

A unix socket and nothing else. It has no checker of its own. If it is down, mail is judged without Bayes.
"""

from __future__ import annotations

from pathlib import Path

from posthouse.resources import Blueprint, Package, Program, Service
from posthouse.stack.daemon import Wanted, drop_in
from posthouse.stack.template import configured, render

CONFIG = Path("/etc/redis/redis.conf")
SOCKET = Path("/run/redis/redis-server.sock")


def blueprint(wanted: Wanted) -> Blueprint:
    """What Redis needs."""
    text = render("redis/redis.conf.j2", **wanted.values, socket=SOCKET)
    run = ("/usr/bin/install", "-d", "-o", "redis", "-g", "redis", "-m", "2755", str(SOCKET.parent))
    return Blueprint(
        packages=(Package("redis-server"),),
        files=(
            configured(CONFIG, text, owner="redis", group="redis", mode=0o640),
            *drop_in(wanted, "redis-server", render("redis/unit.conf.j2")),
        ),
        services=(
            Service(
                "redis",
                "redis-server.service",
                Program(("/usr/bin/redis-server", str(CONFIG)), user="redis", before=(run,)),
                restart_on=(CONFIG,),
                ready=(f"unix:{SOCKET}",),
            ),
        ),
    )
