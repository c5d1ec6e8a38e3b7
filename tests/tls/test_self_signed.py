"""The self-signed certificate: strict clients take it once they trust it."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from posthouse.tls import self_signed

HOST = "mail.snorl.ax"


def certificate(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "fullchain.pem").read_bytes())


def test_a_strict_client_takes_it(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    assert self_signed.ensure(HOST, folder)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    client = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    near, far = socket.socketpair()

    def serve() -> None:
        with server.wrap_socket(far, server_side=True) as stream:
            stream.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(near, server_hostname=HOST) as stream:
        assert ("DNS", HOST) in stream.getpeercert()["subjectAltName"]  # type: ignore[index]
        stream.send(b"x")
    thread.join()


def test_only_root_reads_the_key(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    self_signed.ensure(HOST, folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "privkey.pem").stat().st_mode) == 0o600
    made = certificate(folder)
    assert timedelta(days=820) < made.not_valid_after_utc - datetime.now(UTC) < timedelta(days=826)
    for kind in (x509.SubjectKeyIdentifier, x509.KeyUsage, x509.ExtendedKeyUsage):
        assert made.extensions.get_extension_for_class(kind)


def test_said_again_it_changes_nothing_until_it_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    self_signed.ensure(HOST, tmp_path)
    first = certificate(tmp_path)
    assert not self_signed.ensure(HOST, tmp_path)
    assert certificate(tmp_path) == first
    assert self_signed.ensure("mx.snorl.ax", tmp_path)
    assert certificate(tmp_path) != first
    (tmp_path / "privkey.pem").write_text("broken")
    assert self_signed.ensure("mx.snorl.ax", tmp_path)
    monkeypatch.setattr(self_signed, "RENEW_DAYS", self_signed.DAYS + 1)
    assert self_signed.ensure("mx.snorl.ax", tmp_path)
    assert len(list(tmp_path.glob("self-signed-*"))) == 1


def test_another_s_certificate_is_left_alone(tmp_path: Path) -> None:
    folder, real = tmp_path / "tls", tmp_path / "live"
    real.mkdir()
    (real / "fullchain.pem").write_text("real")
    folder.mkdir()
    (folder / "current").symlink_to(real)
    assert not self_signed.ensure(HOST, folder)
    assert (folder / "fullchain.pem").read_text() == "real"


def test_a_long_host_name(tmp_path: Path) -> None:
    name = ".".join(["x" * 60, "y" * 60, "example"])
    assert self_signed.ensure(name, tmp_path)
    assert not self_signed.ensure(name, tmp_path)
