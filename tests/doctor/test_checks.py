from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

import pytest

from posthouse.doctor import clock, debian, disk, identity, memory, outgoing, ports, resolver, sockets
from posthouse.doctor.check import Check, ask, failure, ok
from posthouse.doctor.preflight import preflight, stops


def states(checks: Iterable[Check]) -> list[str]:
    return [check.state for check in checks]


def test_a_question_that_raises_is_unknown() -> None:
    def broken() -> Iterable[Check]:
        yield ok("first", "")
        raise RuntimeError("no such luck")

    found = ask([("broken", broken), ("fine", lambda: [ok("fine", "")])])
    assert [(check.name, check.state) for check in found] == [("broken", "unknown"), ("fine", "ok")]
    assert "no such luck" in found[0].evidence


def test_what_stops() -> None:
    soft, hard = failure("soft", "", ""), failure("hard", "", "", fatal=True)
    assert stops([soft, hard, ok("fine", "")], yes=True) == [hard]
    assert stops([soft, hard], yes=False) == [soft, hard]


def test_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "meminfo"
    monkeypatch.setattr(memory, "_MEMINFO", info)
    monkeypatch.setattr(memory, "_LIMITS", (tmp_path / "limit",))
    for mib, swap, expected in (
        (256, 4096, "failure"),
        (480, 0, "warning"),
        (480, 1024, "ok"),
        (2048, 0, "ok"),
    ):
        info.write_text(f"MemTotal: {mib * 1024} kB\nSwapTotal: {swap * 1024} kB\nHugePages_Total: 0\n")
        assert states(memory.check()) == [expected]
    (tmp_path / "limit").write_text("max\n")
    assert states(memory.check()) == ["ok"]
    (tmp_path / "limit").write_text(f"{256 * 2**20}\n")
    (found,) = memory.check()
    assert (found.state, found.fatal) == ("failure", True)


def test_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs("/")

    class Full:
        f_bavail, f_frsize, f_files, f_favail = 10, 4096, 1_000_000, 500_000

    class NoInodes:
        f_bavail, f_frsize, f_files, f_favail = 10_000_000, 4096, 1_000_000, 100

    assert real.f_bavail
    monkeypatch.setattr(os, "statvfs", lambda _: Full)
    assert all(check.fatal and "MiB free" in check.evidence for check in disk.check())
    monkeypatch.setattr(os, "statvfs", lambda _: NoInodes)
    assert all(check.fatal and "inodes" in check.evidence for check in disk.check())


def test_a_taken_port_names_its_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "MAIL_PORTS", {port: "mail from other servers"})
        monkeypatch.setattr(ports, "RESOLVER_PORT", 0)
        (found,) = ports.check()
        assert (found.state, found.fatal, found.name) == ("failure", True, f"port {port}")
        assert f"process {os.getpid()}" in found.evidence
        assert "mail from other servers" in found.evidence
    (found,) = ports.check()
    assert found.state == "ok"


def test_listeners_of_both_families() -> None:
    six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with six, udp:
        udp.bind(("127.0.0.1", 0))
        found = {(one.protocol, one.address, one.port) for one in sockets.listeners()}
        assert ("tcp", ip_address("::1"), six.getsockname()[1]) in found
        assert ("udp", ip_address("127.0.0.1"), udp.getsockname()[1]) in found


def test_the_stub_of_resolved_is_no_clash() -> None:
    def at(address: str) -> bool:
        return ports._clashes_with_resolver(sockets.Listener("udp", ip_address(address), 53, "1"))

    assert not at("127.0.0.53")
    assert not at("192.168.122.1")
    assert at("127.0.0.1")
    assert at("0.0.0.0")
    assert at("::")


def test_resolver(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    for text, expected in (
        ("nameserver 8.8.8.8\n", "warning"),
        ("# nameserver 8.8.8.8\nnameserver 192.168.1.1\n", "ok"),
        ("nameserver 2606:4700:4700::1111\n", "warning"),
        ("nameserver fe80::1%eth0\n", "ok"),
        ("nameserver\nsearch x\n", "warning"),
        ("nameserver what\n", "ok"),
    ):
        conf.write_text(text)
        assert states(resolver.check(conf)) == [expected], text
    assert states(resolver.check(tmp_path / "none")) == ["warning"]


def greeter(greeting: bytes) -> int:
    """A mail server that greets once; answer its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        with server, server.accept()[0] as connection:
            connection.sendall(greeting)

    threading.Thread(target=greet, daemon=True).start()
    return int(server.getsockname()[1])


def test_outgoing_port() -> None:
    assert states(outgoing.check("127.0.0.1", greeter(b"220 mx.example ESMTP\r\n"))) == ["ok"]
    assert states(outgoing.check("127.0.0.1", greeter(b"554 go away\r\n"))) == ["warning"]
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    (found,) = outgoing.check("127.0.0.1", port)
    assert (found.state, found.fatal) == ("warning", False)
    assert "provider" in found.mend


@pytest.mark.parametrize(
    "name", ["mail", "https://mail.snorl.ax", "mail snorl.ax", "192.0.2.1", "", "a" * 300]
)
def test_no_host_name(name: str) -> None:
    (found,) = identity.host_name(name)
    assert (found.state, found.fatal) == ("failure", True)


def test_forward() -> None:
    one, two, other = (ip_address(text) for text in ("198.18.0.1", "2001:2::1", "203.0.113.9"))
    for wanted, named, expected in (
        ([one, two], [one, two], "ok"),
        ([one, two], [one], "warning"),
        ([one], [one, other], "warning"),
        ([one], [], "warning"),
        ([], [other], "ok"),
        ([], [], "warning"),
    ):
        assert identity._forward("mail.snorl.ax", wanted, named).state == expected
    assert "mail.snorl.ax. AAAA 2001:2::1" in identity._forward("mail.snorl.ax", [one, two], [one]).mend


def test_public_addresses() -> None:
    (found,) = identity.public_addresses("198.18.0.1", None)
    assert found.state == "ok"
    assert "198.18.0.1" in found.evidence


def test_debian_and_clock_answer() -> None:
    assert [check.name for check in debian.check()] == ["Debian", "root"]
    assert [check.name for check in clock.check()] == ["clock"]


def test_preflight_is_total(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise OSError("nothing works here")

    for module, name in ((os, "statvfs"), (memory, "_lines"), (sockets, "listeners"), (identity, "lookup")):
        monkeypatch.setattr(module, name, broken)
    found = preflight("snorl.ax", "mail.snorl.ax", outgoing_target="no-such-name.invalid")
    unknown = {check.name for check in found if check.state == "unknown"}
    assert {"disk", "memory", "ports", "MX", "forward and reverse DNS"} <= unknown
    assert all(check.mend for check in found if check.state in ("failure", "warning"))
