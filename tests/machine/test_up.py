"""From a fresh machine to a proven service by the README's command, and said again."""

from __future__ import annotations

import json

import pytest
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server, awaited, letter

pytestmark = pytest.mark.machine


def test_up_ends_with_the_records_and_without_the_password(server: Server) -> None:
    output = server.up_output.stdout  # type: ignore[attr-defined]
    for part in (f"{HOST}.", "v=spf1", "v=DKIM1", "v=DMARC1"):
        assert part in output
    assert PASSWORD not in output + server.up_output.stderr  # type: ignore[attr-defined]


def test_up_again_says_there_is_nothing_to_do(server: Server) -> None:
    result = server.run(["posthouse", "up", DOMAIN, "--yes"])
    assert "nothing to do" in (result.stdout + result.stderr).lower()


def test_up_again_sets_the_password_and_starts_what_is_stopped(server: Server) -> None:
    server.service(
        "stop", "postfix", "postfix@-.service" if server.machine.spec.suite == "bookworm" else "postfix"
    )
    server.run(
        ["posthouse", "up", DOMAIN, "--account", USER, "--password-stdin", "--yes"],
        input="another one\n",
        timeout=300,
    )
    with server.imap(USER, "another one"):
        pass
    server.run(
        ["posthouse", "up", DOMAIN, "--account", USER, "--password-stdin", "--yes"], input=PASSWORD + "\n"
    )
    server.arrives(letter())


def test_another_directory_is_not_taken_unasked(server: Server) -> None:
    result = server.run(["posthouse", "up", DOMAIN, "--directory", "postgresql", "--yes"], check=False)
    assert result.returncode == 2
    assert "posthouse directory move postgresql" in result.stderr


def test_reading_commands_speak_json(server: Server) -> None:
    for command in (
        ["plan"],
        ["generations"],
        ["drift"],
        ["config", "show"],
        ["domain", "list"],
        ["user", "list"],
        ["alias", "list"],
        ["user", "show", USER],
        ["dns", "json"],
        ["status"],
        ["probe"],
    ):
        arguments = command if command[-1] == "json" else [*command, "--json"]
        json.loads(server.posthouse(*arguments, check=False).stdout)


def test_the_policy_of_the_operator_stands(server: Server) -> None:
    if server.machine.spec.policy_rc_d is None:
        assert server.run(["test", "-e", "/usr/sbin/policy-rc.d"], check=False).returncode != 0
    else:
        assert "exit 101" in server.machine.read("/usr/sbin/policy-rc.d")


def test_no_unit_failed(server: Server) -> None:
    if server.machine.spec.pid1 == "systemd":
        assert server.run(["systemctl", "--failed", "--no-legend", "--plain"]).stdout.strip() == ""


def test_probe_and_status(server: Server) -> None:
    assert server.posthouse("probe").returncode == 0
    shown = server.posthouse("status", check=False)
    assert "self-signed" in shown.stdout.lower()
    assert HOST in shown.stdout


def test_down_and_up(server: Server) -> None:
    server.posthouse("down", "--yes")
    for name in ("master", "dovecot", "rspamd", "unbound", "redis-server"):
        assert server.pids(name) == [], name
    server.run(["posthouse", "up", DOMAIN, "--yes"], timeout=300)
    server.arrives(letter())


def test_the_agent_survives_an_upgrade_of_python(server: Server) -> None:
    """As after an upgrade of Debian: the environment was made with a Python that is there no longer."""
    venv = server.run(["readlink", "-f", "/opt/posthouse/venv"]).stdout.strip()
    server.run(f"rm {venv}/complete && mv {venv}/lib/python3.* {venv}/lib/python3.0")
    # both managers start it again; supervisor's own control program is in that environment
    server.run("kill -KILL " + " ".join(map(str, server.pids("posthouse.agent"))))

    def made() -> bool:
        return server.run(["test", "-e", f"{venv}/complete"], check=False).returncode == 0

    def answers() -> bool:
        items = json.loads(server.posthouse("status", "--json", check=False).stdout)["items"]
        return any(item["name"] == "agent" and item["state"] == "ok" for item in items)

    # until then nothing of posthouse is called: its command would mend it too
    awaited(made, "the program's environment", 180)
    awaited(answers, "the agent")
    server.find(server.send(letter(USER, USER), port=587, user=USER))
