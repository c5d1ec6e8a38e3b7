"""Around an order: what is looked at before, how often one is tried, what an authority says. Nobody is asked here."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from tests.tls import making

from posthouse.dns import caa
from posthouse.errors import PosthouseError
from posthouse.tls import self_signed
from posthouse.tls.acme import authority, keys, order
from posthouse.tls.acme.tries import A_DAY, Last, Tries

NAMES = ["mail.snorl.ax", "imap.snorl.ax"]
DAY = 86400.0

FAILED = """\
Saving debug log to /var/lib/posthouse/acme/logs/letsencrypt.log
Requesting a certificate for mail.snorl.ax and imap.snorl.ax

Certbot failed to authenticate some domains (authenticator: standalone). \
The Certificate Authority reported these problems:
  Domain: imap.snorl.ax
  Type:   connection
  Detail: Get "http://imap.snorl.ax/.well-known/acme-challenge/x": \x1b[31m connection refused

Hint: The Certificate Authority failed to download the challenge files from the temporary standalone webserver.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org.
"""


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((), None),
        (('0 issue "letsencrypt.org"',), None),
        (('0 issue "LetsEncrypt.org; accounturi=https://x/1"', '0 issue "other.example"'), None),
        (('0 iodef "mailto:x@example.org"',), None),
        (('0 issuewild ";"',), None),
        (('0 issue ";"',), "no authority at all"),
        (('0 issue "other.example"',), "other.example only"),
        (('128 tbs "unknown"',), 'demand "tbs"'),
        (("nonsense",), "cannot be read"),
    ],
)
def test_what_caa_records_allow(values: tuple[str, ...], why: str | None) -> None:
    found = caa.forbidden(values, "snorl.ax", {"letsencrypt.org"})
    assert found is None if why is None else found is not None and why in found


def test_an_authority_that_does_not_say_its_name_is_not_forbidden() -> None:
    assert caa.forbidden(('0 issue "letsencrypt.org"',), "snorl.ax", ()) is None
    assert caa.forbidden(('0 issue ";"',), "snorl.ax", ()) is not None


@given(st.lists(st.text(max_size=40), max_size=5))
def test_any_caa_record_is_read_or_refused(values: list[str]) -> None:
    found = caa.forbidden(tuple(values), "snorl.ax", {"letsencrypt.org"})
    assert found is None or isinstance(found, str)


def test_no_name_is_tried_more_than_five_times_a_day(tmp_path: Path) -> None:
    tries = Tries(tmp_path / "acme/tries.json")
    for at in range(A_DAY):
        assert tries.waits("a.example", 1000.0 + at) == 0
        tries.begin(["a.example"], 1000.0 + at)
    assert tries.waits("a.example", 1010.0) == 1000.0 + DAY
    assert tries.waits("b.example", 1010.0) == 0
    assert tries.waits("a.example", 1000.0 + DAY) == 0
    assert tries.waits("a.example", 500.0) == 0, "the clock was set back"


def test_how_the_last_order_ended_is_kept_and_a_damaged_file_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "tries.json"
    tries = Tries(path)
    assert tries.last() is None
    tries.begin(["a.example"], 5.0)
    tries.end(Last(7.0, False, {"a.example": "refused"}))
    assert tries.last() == Last(7.0, False, {"a.example": "refused"})
    for text in ("", "[]", '{"tries": 5, "last": {"said": 7}}', '{"tries": {"a.example": ["x", null]}}'):
        path.write_text(text)
        assert tries.last() is None
        assert tries.waits("a.example", 6.0) == 0
    tries.begin(["a.example"], 8.0)
    assert json.loads(path.read_text())["tries"] == {"a.example": [8.0]}


def test_whom_certbot_blames() -> None:
    found = order._blamed(FAILED, NAMES)
    assert list(found) == ["imap.snorl.ax"]
    assert "connection refused" in found["imap.snorl.ax"]
    assert "\x1b" not in found["imap.snorl.ax"] + order._reason(FAILED)
    assert "connection refused" in order._reason(FAILED)


@given(st.text(max_size=400))
def test_any_report_is_read(said: str) -> None:
    assert set(order._blamed(said, NAMES)) <= set(NAMES)
    assert order._reason(said).isprintable()
    assert order._blamed(FAILED + said, NAMES)


def test_a_request_is_for_all_names_and_the_key() -> None:
    private = self_signed.private_bytes(self_signed.make_key())
    found = x509.load_pem_x509_csr(order.request(private, NAMES))
    listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert listed.get_values_for_type(x509.DNSName) == NAMES
    assert found.is_signature_valid
    assert len(keys.pin(private)) == 64


class Directory:
    """An HTTPS server that answers everything with the same bytes."""

    def __init__(self, folder: Path) -> None:
        root, private = making.Root(), making.key()
        leaf = root.sign(private.public_key(), "localhost", ("localhost",))
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(making.pem(root.certificate))
        (folder / "chain").write_bytes(making.pem(leaf))
        (folder / "key").write_bytes(making.key_pem(private))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "chain", folder / "key")
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.answer = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self.listening.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(plain, server_side=True) as stream:
                    stream.recv(65536)
                    stream.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + self.answer)
            except OSError:
                pass

    @property
    def url(self) -> str:
        return f"https://localhost:{self.listening.getsockname()[1]}/dir"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    made = Directory(tmp_path)
    yield made
    made.listening.close()


def test_what_the_authority_says_of_itself(directory: Directory) -> None:
    meta: dict[str, object] = {"caaIdentities": ["Example.org", 7, "\x1b[31m", "a b"]}
    directory.answer = json.dumps({"newOrder": "https://x/", "meta": meta}).encode()
    assert authority.identities(directory.url, str(directory.ca)) == {"example.org"}
    for strange in (
        {"newOrder": "x"},
        {"newOrder": "x", "meta": 5},
        {"newOrder": "x", "meta": {"caaIdentities": "x"}},
    ):
        directory.answer = json.dumps(strange).encode()
        assert authority.identities(directory.url, str(directory.ca)) == frozenset()


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b'"x"', b'{"newOrder": 5}', b"[" * 70_000, b"\xff\xfe"]
)
def test_what_is_no_acme_server(directory: Directory, answer: bytes) -> None:
    directory.answer = answer
    with pytest.raises(PosthouseError, match="expected the directory of an ACME server"):
        authority.identities(directory.url, str(directory.ca))


def test_an_authority_that_cannot_be_reached_or_believed(directory: Directory, tmp_path: Path) -> None:
    with pytest.raises(PosthouseError, match=r"cannot be reached.*certificate"):
        authority.identities(directory.url, None)
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(PosthouseError, match="acme_ca_file"):
        authority.identities(directory.url, str(tmp_path / "none.pem"))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"https://localhost:{silent.getsockname()[1]}/dir"
        with pytest.raises(PosthouseError, match="cannot be reached"):
            authority.identities(url, str(directory.ca))


def test_every_name_that_is_blamed() -> None:
    block = "  Domain: {0}\n  Type:   connection\n  Detail: no answer from {0}\n"
    both = [block.format(name) for name in NAMES]
    expected = {name: f"no answer from {name}" for name in NAMES}
    assert order._blamed("\n".join(both), NAMES) == expected
    assert order._blamed("".join(both), NAMES) == expected
    assert order._blamed("\n" * 40_000 + " " * 40_000 + "\n" + "".join(both), NAMES) == expected
