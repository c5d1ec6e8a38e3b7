"""PostgreSQL at a URL: by TLS that is verified, with the password of a passfile, and in no other way."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests import postgresql

from posthouse import directory
from posthouse.directory import Server, Unreachable, domains, roles

Key = ec.EllipticCurvePrivateKey
PASSWORD = "it's:a\\secret"


def signed(subject: str, key: Key, issuer: str, by: Key, *, authority: bool) -> bytes:
    """A certificate for a day, as PEM."""
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
    )
    return made.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority() -> tuple[Key, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, signed("Authority", key, "Authority", key, authority=True)


@pytest.fixture(scope="module")
def elsewhere(authority: tuple[Key, bytes]) -> Iterator[tuple[postgresql.Cluster, int]]:
    """A server for the name localhost, at a port of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = signed("localhost", key, "Authority", authority[0], authority=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = "-c ssl=on -c listen_addresses=127.0.0.1"
    files = {"server.crt": certificate, "server.key": private}
    with postgresql.cluster(options, files, port) as made:
        quoted = PASSWORD.replace("'", "''")
        assert made.psql("postgres", f"ALTER ROLE posthouse PASSWORD '{quoted}'").returncode == 0
        yield made, port


@pytest.fixture
def server(
    elsewhere: tuple[postgresql.Cluster, int],
    authority: tuple[Key, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Server:
    monkeypatch.setattr("posthouse.paths.DIRECTORY_DB", tmp_path / "mails.sqlite")
    monkeypatch.setattr("posthouse.paths.AGENT_USER", "root")
    monkeypatch.setattr("posthouse.paths.DIRECTORY_GROUP", "root")
    (tmp_path / "authorities.pem").write_bytes(authority[1])
    monkeypatch.setattr("posthouse.directory.backend.AUTHORITIES", tmp_path / "authorities.pem")
    found = replace(Server.at(f"postgresql://posthouse@localhost:{elsewhere[1]}/mails"), unix_user="")
    roles.write_passfile(found, "root", PASSWORD, role="posthouse")
    return found


def test_it_is_asked_over_verified_tls(server: Server) -> None:
    assert server.settings["sslmode"] == "verify-full"
    assert not directory.migrate(server)
    assert (
        directory.writing(lambda connection: domains.add(connection, "snorl.ax"), server).name == "snorl.ax"
    )
    query = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    version = directory.reading(lambda connection: connection.execute(query).fetchone()[0], server)
    assert version in ("TLSv1.2", "TLSv1.3")


def test_a_certificate_for_another_name_is_refused(server: Server) -> None:
    with pytest.raises(Unreachable, match="does not match") as caught:
        directory.open_readonly(replace(server, host="127.0.0.1"))
    assert "certificate for the name 127.0.0.1" in str(caught.value)


def test_an_authority_that_is_not_known_is_refused(server: Server, tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "authorities.pem").write_bytes(signed("Other", other, "Other", other, authority=True))
    with pytest.raises(Unreachable, match="certificate verify failed"):
        directory.open_readonly(server)


def test_a_wrong_password_is_told_and_not_shown(server: Server) -> None:
    roles.write_passfile(server, "root", "wrong-one", role="posthouse")
    with pytest.raises(Unreachable) as caught:
        directory.open_readonly(server)
    assert "directory.password_file" in str(caught.value)
    assert "wrong-one" not in str(caught.value)


def test_a_server_without_tls_is_refused(server: Server, elsewhere: tuple[postgresql.Cluster, int]) -> None:
    cluster = elsewhere[0]
    cluster.stop()
    kept, cluster.options = cluster.options, cluster.options.replace("ssl=on", "ssl=off")
    cluster.start()
    try:
        with pytest.raises(Unreachable, match="SSL"):
            directory.open_readonly(server)
    finally:
        cluster.stop()
        cluster.options = kept
        cluster.start()
