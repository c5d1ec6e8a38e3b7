"""The parts of the probe that need no mail server: what is expected, what is verified, what is shown."""

from __future__ import annotations

import base64
import json
import socket
import threading

import pytest

from posthouse.dkim import keys
from posthouse.mailflow import pop3, queue, signature, talk
from posthouse.mailflow.dialogue import Dialogue
from posthouse.mailflow.managesieve import ManageSieve, Refused
from posthouse.mailflow.probe import ProbeReport, Step
from posthouse.mailflow.served import parse


def signed(key: keys.Key, message: bytes) -> bytes:
    import dkim

    header: bytes = dkim.sign(message, key.selector.encode(), key.domain.encode(), key.path.read_bytes())
    return header + message


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> keys.Key:
    return keys.ensure("snorl.ax", tmp_path_factory.mktemp("dkim"))


def test_a_good_signature_is_verified(key: keys.Key) -> None:
    message = signed(key, talk.letter("a@snorl.ax", "b@snorl.ax", "token"))
    records = {f"{key.selector}._domainkey.snorl.ax": key.public_record}
    assert signature.verified(b"Received: from x by y\r\n" + message, "snorl.ax", records) == key.selector


def test_a_bad_or_missing_signature_is_told(key: keys.Key) -> None:
    plain = talk.letter("a@snorl.ax", "b@snorl.ax", "token")
    records = {f"{key.selector}._domainkey.snorl.ax": key.public_record}
    with pytest.raises(talk.Unexpected, match="without any"):
        signature.verified(plain, "snorl.ax", records)
    with pytest.raises(talk.Unexpected, match="that verifies"):
        signature.verified(signed(key, plain).replace(b"see that", b"see This"), "snorl.ax", records)
    with pytest.raises(talk.Unexpected, match="that verifies"):
        signature.verified(signed(key, plain), "other.example", records)
    with pytest.raises(talk.Unexpected, match="that verifies"):
        signature.verified(signed(key, plain), "snorl.ax", {})


def test_a_reply_is_compared_by_its_code() -> None:
    assert talk.expect((250, b"2.0.0 Ok\nmore"), 250, "x") == "2.0.0 Ok more"
    assert talk.expect((554, b"5.7.1 no"), 5, "x") == "5.7.1 no"
    with pytest.raises(talk.Unexpected, match=r"expected a refusal \(5xx\), found: 250 Ok"):
        talk.expect((250, b"Ok"), 5, "a refusal")
    with pytest.raises(talk.Unexpected, match=r"expected x \(250\), found: 451 4.3.0 later"):
        talk.expect((451, b"4.3.0 later"), 250, "x")


def test_the_dialogue_is_printable_lines() -> None:
    heard = Dialogue()
    heard.note("S", b"250-a\n250 b\x1b[31m\xff")
    heard.note("C", "")
    assert heard.lines == ["S: 250-a", "S: 250 b?[31m\ufffd", "C: "]


def test_the_queue_is_counted() -> None:
    def message(name: str, arrived: int, *reasons: str) -> str:
        recipients = [
            {"address": "x@y", **({"delay_reason": reason} if reason else {})} for reason in reasons
        ]
        return json.dumps({"queue_name": name, "arrival_time": arrived, "recipients": recipients})

    text = "\n".join(
        [message("active", 20, ""), message("deferred", 10, "down", "down"), message("deferred", 30, "x")]
    )
    found = queue.parse(text + "\n")
    assert (found.messages, found.by_queue, found.oldest) == (3, {"active": 1, "deferred": 2}, 10.0)
    assert found.reasons == (("down", 1), ("x", 1))
    assert queue.parse("").messages == 0


def test_a_report_is_ok_only_as_a_whole() -> None:
    good, bad = Step("a", True, "", 0.1), Step("b", False, "why", 0.1, ("C: x",))
    assert ProbeReport(0.0, (good,)).ok
    report = ProbeReport(0.0, (good, bad))
    assert not report.ok
    assert report.failures == (bad,)
    assert json.loads(json.dumps(report.as_json()))["steps"][1]["dialogue"] == ["C: x"]


@pytest.mark.parametrize(
    ("said", "served"),
    [
        ("protocols = imap pop3 lmtp sieve\n", {"imap", "pop3", "lmtp", "sieve"}),
        ("protocols = imap lmtp\n", {"imap", "lmtp"}),
        ("other = pop3\n", set()),
    ],
)
def test_what_dovecot_serves_is_read(said: str, served: set[str]) -> None:
    assert parse(said) == served


class Sieve:
    """A ManageSieve server that says what it is told to say, in its turn."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.heard: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self) -> Sieve:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join()
        self.listener.close()

    def serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rb") as lines:
            for answer in self.answers:
                connection.sendall(answer)
                if answer.endswith(b"\n"):  # else it hangs up in the middle of a line
                    self.heard.append(lines.readline())


def test_managesieve_is_understood() -> None:
    greeting = b'"IMPLEMENTATION" "Dovecot"\r\n"SASL" ""\r\n"STARTTLS"\r\nOK "ready"\r\n'
    heard = Dialogue()
    with Sieve(greeting, b"OK\r\n", b"NO {7}\r\nline 1\n\r\n") as server:
        client = ManageSieve(heard, "127.0.0.1", server.port, "127.0.0.1", 10)
        assert client.capabilities == {"IMPLEMENTATION": "Dovecot", "SASL": "", "STARTTLS": ""}
        client.login("a@b", "secret")
        with pytest.raises(Refused, match="line 1"):
            client.check("x")
        client.close()
    secret = base64.b64encode(b"\0a@b\0secret").decode()
    assert server.heard[0].decode() == f'AUTHENTICATE "PLAIN" "{secret}"\r\n'
    assert secret not in "\n".join(heard.lines)
    assert 'C: AUTHENTICATE "PLAIN" [not shown]' in heard.lines


def test_a_port_that_opens_in_a_moment_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Exception | str] = [ConnectionRefusedError(), ConnectionRefusedError(), "open"]

    def connect() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert talk.opened(connect) == "open"
    monkeypatch.setattr(talk, "OPENING_SECONDS", 0.0)
    answers[:] = [ConnectionRefusedError(), ConnectionRefusedError(), "open"]
    with pytest.raises(ConnectionRefusedError):
        talk.opened(connect)


def test_a_managesieve_server_that_hangs_up_is_told() -> None:
    with Sieve(b'"SASL" "PL') as server, pytest.raises(EOFError):
        ManageSieve(Dialogue(), "127.0.0.1", server.port, "127.0.0.1", 10)


def test_no_password_is_ever_kept() -> None:
    """Both kinds of SMTP login, IMAP's and POP3's, as the standard library says them."""
    from posthouse.mailflow import dialogue as module

    class Wire:
        replies: list[tuple[int, bytes]]

        def putcmd(self, cmd: str, args: str = "") -> None:
            """Nobody listens."""

        def getreply(self) -> tuple[int, bytes]:
            return self.replies.pop(0)

        def send(self, data: bytes) -> None:
            """Nobody listens."""

        def _putline(self, line: bytes) -> None:
            """Nobody listens."""

    class Pop(pop3._Heard, Wire):
        """The part under test, over nothing."""

    class Smtp(module._Heard, Wire):
        """The part under test, over nothing."""

    class Imap(module._HeardImap, Wire):
        """The part under test, over nothing."""

    word = base64.b64encode(b"secret").decode()
    client = Smtp()
    client.dialogue = heard = Dialogue()
    client.replies = [(334, b"VXNlcm5hbWU6"), (334, b"UGFzc3dvcmQ6"), (235, b"ok"), (250, b"ok")]
    for command, args in (("AUTH", f"LOGIN {word}"), (word, ""), (word, ""), ("MAIL", "FROM:<a@b>")):
        client.putcmd(command, args)
        client.getreply()
    imap = Imap()
    imap.dialogue = heard
    imap.send(b'A1 LOGIN "user" "secret"\r\n')
    imap.send(b"A2 authenticate PLAIN " + word.encode() + b"\r\n")
    imap.send(b"A3 SELECT INBOX\r\n")
    pop = Pop()
    pop.dialogue = heard
    pop._putline(b"PASS secret")
    assert heard.lines[-1] == "C: PASS [not shown]"
    assert "secret" not in "\n".join(heard.lines)
    assert word not in "\n".join(heard.lines)
    assert "C: A3 SELECT INBOX" in heard.lines
    assert "C: MAIL FROM:<a@b>" in heard.lines
