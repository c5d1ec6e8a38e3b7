"""Mail that leaves by smart hosts: for all, by sender's domain, by destination; and when a smart host will not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from tests.machine.server import DOMAIN, USER, Server, awaited, letter, unique

from posthouse.lab.internet import Internet
from posthouse.lab.internet.relay import Relay

pytestmark = [pytest.mark.machine, pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean")]
SITE_FILE = "/etc/posthouse/posthouse.toml"
SECRET = "/etc/posthouse/relay-password"


@dataclass
class Scene:
    """A server with a smart host for all mail, one for a domain of ours, one for a destination, each with a login."""

    server: Server
    internet: Internet
    relay: Relay
    second: Relay  # of the sender's domain `other`, on 465
    third: Relay  # of the destination
    other: str
    destination: str
    before: str
    passwords: list[str] = field(default_factory=list)

    def new_password(self, relay: Relay) -> str:
        """Give our login there a new password."""
        password = f"pw:#{unique()} {unique()}"
        self.passwords.append(password)
        relay.logins["us"] = password
        return password

    def site(self, host: str) -> str:
        """The site file, with `host` as the smart host for all mail."""
        return f"""{self.before}
[relay]
host = "{host}"
username = "us"
password_file = "{SECRET}"

[[relay.route]]
from = "{self.other}"
host = "{self.second.host.name}"
port = 465
username = "us"
password_file = "{SECRET}-2"

[[relay.route]]
to = "{self.destination}"
host = "{self.third.host.name}"
username = "us"
password_file = "{SECRET}-3"
"""

    def apply(self, host: str | None = None) -> str:
        """Apply, for another smart host where one is named; return what was said."""
        if host is not None:
            self.server.machine.write(SITE_FILE, self.site(host))
        done = self.server.posthouse("apply", "--yes")
        return done.stdout + done.stderr

    def write(self, to: str, sender: str = USER) -> str:
        """One of ours writes; returns the subject."""
        return self.server.send(letter(sender, to), port=587, user=sender)

    def waits(self, reason: str) -> None:
        """Await that mail waits in the queue for this reason."""
        awaited(lambda: reason in "".join(self.server.queue()), f"mail to wait because of {reason!r}")

    def said(self) -> str:
        """What `status` says of the smart host for all mail."""
        items = json.loads(self.server.posthouse("status", "--json", check=False).stdout)["items"]
        mine = next(item for item in items if item["name"] == "relay" and ":465" not in item["detail"])
        return f"{mine['state']}: {mine['detail']}; {mine['mend']}"


@pytest.fixture(scope="module")
def scene(server: Server) -> Iterator[Scene]:
    before = server.run(["cat", SITE_FILE]).stdout
    server.posthouse("domain", "add", other := f"{unique()}.example")
    with Internet(server.net) as internet:
        server.machine.write("/usr/local/share/ca-certificates/simulated.crt", internet.authority.pem)
        server.run("update-ca-certificates >/dev/null 2>&1")
        relays = [internet.relay(f"smtp.{unique()}.example", {}) for _ in range(3)]
        scene = Scene(server, internet, *relays, other, f"{unique()}.example", before)
        for relay, path in zip(relays, (SECRET, f"{SECRET}-2", f"{SECRET}-3"), strict=True):
            server.machine.write(path, scene.new_password(relay) + "\n", mode=0o600)
        said = scene.apply(relays[0].host.name)
        assert said.count("takes our mail") == 3, said
        yield scene
        server.machine.write(SITE_FILE, before)
        server.posthouse("apply", "--yes")


def test_all_mail_leaves_by_the_smart_host(scene: Scene) -> None:
    subject = scene.write(f"ann@{unique()}.example")
    login, sender, _, content = scene.relay.received(subject)
    assert (login, sender) == ("us", USER)
    assert b"DKIM-Signature:" in content
    assert scene.server.find(scene.write(USER))["DKIM-Signature"]  # ours stays here
    assert scene.said().startswith("ok: ")


def test_a_domain_of_ours_has_its_own(scene: Scene) -> None:
    scene.server.posthouse(
        "user", "add", kim := f"kim@{scene.other}", "--password-stdin", input="x" * 16, check=False
    )
    with scene.server.smtp(587, kim, "x" * 16) as client:
        message = letter(kim, f"ann@{unique()}.example")
        client.send_message(message)
    assert scene.second.received(str(message["Subject"]))[:2] == ("us", kim)


def test_a_destination_has_its_own_also_for_what_is_forwarded(scene: Scene) -> None:
    ann = f"ann@{scene.destination}"
    assert scene.third.received(scene.write(ann))[:3] == ("us", USER, (ann,))
    scene.server.posthouse("alias", "add", alias := f"{unique()}@{DOMAIN}", ann)
    stranger = scene.internet.sender(f"honest-{unique()}.example")
    awaited(lambda: scene.server.sees(stranger.domain), "the server to see the stranger's domain")
    message = stranger.letter(alias)
    assert stranger.send(scene.server.address, alias, message)[0] == 250
    _, sender, recipients, content = scene.third.received(str(message["Subject"]))
    assert sender.startswith("SRS0="), "it must have passed the check of what is forwarded"
    assert recipients == (ann,)
    assert b"forward.invalid" not in content


def test_a_login_that_is_refused_waits_for_the_right_password(scene: Scene) -> None:
    server, password = scene.server, scene.new_password(scene.relay)
    subject = scene.write(f"ann@{unique()}.example")
    scene.waits("535")
    assert scene.said().startswith("warning: ")
    assert "refuses the login us: 535" in scene.said()
    assert "password_file" in scene.said()

    server.machine.write(SECRET, password + "\n", mode=0o600)
    plan = server.posthouse("plan").stdout
    assert f"the password in {SECRET} is new" in plan
    assert password not in plan
    assert "takes our mail" in scene.apply()
    assert scene.relay.received(subject)[0] == "us"
    assert "Nothing to do" in scene.apply()


@pytest.mark.grounds("13-supervisor-clean")
def test_a_login_of_the_directory_is_in_force_at_once(scene: Scene) -> None:
    server, relay = scene.server, scene.relay
    host, old = relay.host.name, f'username = "us"\npassword_file = "{SECRET}"\n'

    def keep(password: str) -> str:
        words = ["relay", "login", "set", host, "--username", "us", "--password-stdin"]
        return server.posthouse(*words, input=f"{password}\n").stderr

    server.machine.write(SITE_FILE, scene.site(host).replace(old, 'credentials = "directory"\n', 1))
    refused = server.posthouse("apply", "--yes", check=False)
    assert refused.returncode == 2
    assert f"the directory has no login of {host}" in refused.stderr
    assert f"posthouse relay login set {host}" in refused.stderr
    assert "takes our mail" not in keep(relay.logins["us"])  # the file is still what is in use
    assert "takes our mail" in scene.apply()
    assert relay.received(scene.write(f"ann@{unique()}.example"))[0] == "us"

    password = scene.new_password(relay)
    subject = scene.write(f"ann@{unique()}.example")
    scene.waits("535")
    assert f"posthouse relay login set {host}" in scene.said()
    assert f"{host}:587 takes our mail" in keep(password)
    assert relay.received(subject)[0] == "us"
    assert server.posthouse("plan", "--exit-code").returncode == 0

    listed = json.loads(server.posthouse("relay", "login", "list", "--json").stdout)
    assert [(one["name"], one["username"], one["used_for"]) for one in listed] == [(host, "us", ["all mail"])]
    server.machine.write("/root/patterns", "".join(f"{one}\n" for one in scene.passwords), mode=0o600)
    assert server.run("grep -rlaF -f /root/patterns /var/lib/posthouse/directory", check=False).stdout == ""
    server.run("rm /root/patterns")
    for user in ("postfix", "dovecot", "posthouse"):
        read = ["setpriv", f"--reuid={user}", "--clear-groups", "cat", "/var/lib/posthouse/relay/key"]
        assert server.run(read, check=False).returncode != 0
    in_use = server.posthouse("relay", "login", "remove", host, check=False)
    assert in_use.returncode == 2
    assert "in use for all mail" in in_use.stderr
    server.machine.write(SECRET, password + "\n", mode=0o600)
    scene.apply(host)
    server.posthouse("relay", "login", "remove", host)


def test_a_wrong_certificate_gets_nothing(scene: Scene) -> None:
    false = scene.internet.relay(f"smtp.{unique()}.example", {}, named=f"smtp.{unique()}.example")
    false.logins["us"] = scene.relay.logins["us"]
    said = scene.apply(false.host.name)
    assert "Applied" in said
    assert "WARNING: relay" in said
    subject = scene.write(f"ann@{unique()}.example")
    scene.waits("not verified")
    assert "certificate that is not to be trusted" in scene.said()
    assert not false.taken
    scene.apply(scene.relay.host.name)
    assert scene.relay.received(subject)[0] == "us"


@pytest.mark.grounds("13-supervisor-clean")
def test_a_smart_host_that_is_away_or_has_no_name_bounces_nothing(scene: Scene) -> None:
    dead = scene.internet.relay(f"smtp.{unique()}.example", {})
    dead.host.stop()
    nowhere = f"smtp.{unique()}.invalid"
    for host, reason in ((dead.host.name, "refused"), (nowhere, "not found")):
        assert "Mail waits in the queue" in scene.apply(host)
        subject = scene.write(f"ann@{unique()}.example")
        scene.waits(host)
        assert f"warning: {host}:587" in scene.said()
        assert reason in scene.said()
        scene.apply(scene.relay.host.name)
        scene.relay.received(subject)


def test_passwords_stand_in_no_file_that_others_read(scene: Scene) -> None:
    server = scene.server
    listed = server.run("find /var/lib/posthouse/relay -printf '%u %m %y\n'").stdout.split("\n")
    assert set(listed) <= {"root 700 d", "root 600 f", ""}
    assert listed.count("root 600 f") >= 3
    server.machine.write("/root/patterns", "".join(f"{one}\n" for one in scene.passwords), mode=0o600)
    where = "/var/lib/posthouse/engine /var/log /etc/postfix /proc/[0-9]*/cmdline"
    assert server.run(f"grep -rlaF -f /root/patterns {where}", check=False).stdout == ""
    if server.machine.spec.pid1 == "systemd":
        assert server.run("journalctl --no-pager | grep -cF -f /root/patterns", check=False).stdout == "0\n"
    server.run("rm /root/patterns")


def test_a_password_file_that_others_read_is_not_read(scene: Scene) -> None:
    """One that was read before stays in use, so that the service can start; a new one is refused."""
    scene.server.run(["chmod", "644", SECRET])
    done = scene.server.posthouse("apply", "--yes")
    scene.server.run(["chmod", "600", SECRET])
    assert "others than root may read" in done.stderr
    assert "stays in use" in done.stderr
    assert "Nothing to do" in done.stdout

    site = scene.site(scene.relay.host.name)
    scene.server.machine.write(SITE_FILE, site.replace(f'"{SECRET}"', '"/etc/posthouse/nowhere"'))
    done = scene.server.posthouse("apply", "--yes", check=False)
    scene.server.machine.write(SITE_FILE, site)
    assert done.returncode == 2
    assert "relay.password_file: /etc/posthouse/nowhere: No such file" in done.stderr
    assert "Nothing to do" in scene.apply()
