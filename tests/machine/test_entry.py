"""`up` as the first process of a container: it stays, reaps, and stops the service in order."""

from __future__ import annotations

import pytest
from tests.machine.server import DOMAIN, Server, awaited, letter

pytestmark = pytest.mark.machine


def test_up_is_the_entry_point_of_a_container(server: Server) -> None:
    if server.machine.spec.pid1 == "systemd":
        pytest.skip("here PID 1 is systemd")
    server.posthouse("down", "--yes")
    try:
        running = server.machine.start(
            ["unshare", "--pid", "--fork", "--mount-proc", "posthouse", "up", DOMAIN, "--yes"]
        )
        assert running.popen.stderr is not None
        said = []
        for line in running.popen.stderr:
            said.append(line.decode())
            if "staying as the first process" in said[-1]:
                break
        else:
            pytest.fail("".join(said))
        (unshare,) = server.pids("unshare")
        first = server.children(unshare)[0]
        server.arrives(letter())
        # an orphan of our own becomes its child, and is reaped when it ends
        server.run(["nsenter", "-t", str(first), "-p", "-m", "sh", "-c", "(tac </dev/null &)"])
        awaited(lambda: not server.pids("tac"), "the orphan to be reaped")
        server.run(f"kill -TERM {first}")
        assert running.wait(120).returncode == 0
        assert server.pids("master") == []
    finally:
        server.posthouse("up", DOMAIN, "--yes")
