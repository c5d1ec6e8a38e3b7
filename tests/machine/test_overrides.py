"""Every file of /etc/posthouse/overrides is live in its daemon after an apply, and gone after the next."""

from __future__ import annotations

import json

import pytest
from tests.machine.server import HOST, Server, letter, trusting
from tests.machine.test_hardening import _raw

pytestmark = pytest.mark.machine

WHERE = "/etc/posthouse/overrides"
NAME = "overridden.example"
FILES = {
    "postfix/main.cf": "smtpd_banner = $myhostname ESMTP overridden\n",
    "postfix/master.cf": "2526 inet n - y - - smtpd\n    -o smtpd_banner=another.$myhostname\n",
    "dovecot/local.conf": "login_greeting = overridden\n",
    "rspamd/local.d/milter_headers.conf": 'use = ["authentication-results", "x-spamd-result", "x-rspamd-server"];\n',
    "unbound/local.conf": f'server:\n    local-data: "{NAME}. 60 IN A 192.0.2.9"\n',
}
EDITED = (
    "/etc/postfix/master.cf",
    "/etc/dovecot/dovecot.conf",
    "/etc/rspamd/local.d/actions.conf",
    "/etc/unbound/unbound.conf.d/posthouse.conf",
)


def greeting(server: Server, port: int) -> str:
    """The first line of a port; nothing where nobody answers."""
    try:
        with _raw(server, port) as sock:
            return sock.makefile().readline()
    except OSError:
        return ""


def imap_greeting(server: Server) -> str:
    with trusting().wrap_socket(_raw(server, 993)) as tls:
        return tls.makefile().readline()


@pytest.mark.grounds("13-supervisor-clean")
def test_each_reaches_its_daemon_and_goes_again(server: Server) -> None:
    for name, text in FILES.items():
        server.machine.write(f"{WHERE}/{name}", text)
    try:
        server.posthouse("apply", "--yes")
        assert greeting(server, 25) == f"220 {HOST} ESMTP overridden\n"
        assert greeting(server, 2526) == f"220 another.{HOST}\n"
        assert "overridden" in imap_greeting(server)
        assert server.sees(NAME, "A")
        assert server.arrives(letter())["X-Rspamd-Server"]
        assert server.posthouse("plan", "--exit-code").returncode == 0
        assert "override" in server.posthouse("explain", "dovecot.conf:login_greeting").stdout
    finally:
        server.run(["rm", "-r", *(f"{WHERE}/{name}" for name in FILES)])
        server.posthouse("apply", "--yes")
    assert "overridden" not in greeting(server, 25) + imap_greeting(server)
    assert greeting(server, 2526) == ""
    assert not server.sees(NAME, "A")
    assert server.arrives(letter())["X-Rspamd-Server"] is None


@pytest.mark.full
def test_a_hand_edit_of_any_file_is_seen_kept_and_discarded(server: Server) -> None:
    for path in EDITED:
        server.run(["sh", "-c", f"echo '# by hand' >>{path}"])
    seen = json.loads(server.posthouse("drift", "show", "--json").stdout)["drift"]
    assert set(EDITED) <= {item["path"] for item in seen}
    server.posthouse("apply", "--yes")
    for path in EDITED:
        assert "by hand" in server.machine.read(path)
        server.posthouse("drift", "discard", path, "--yes")
        assert "by hand" not in server.machine.read(path)
    assert server.posthouse("plan", "--exit-code").returncode == 0
    server.arrives(letter())
