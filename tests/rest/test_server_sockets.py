# SPDX-License-Identifier: LGPL-3.0-or-later
"""The socket that a server listens on when another was there before it, and TLS."""

import errno
import os
import socket
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rosin.rest.server_sockets import tcp_socket, tls_context, unix_socket


def leave_behind(path: Path) -> None:
    """A socket whose server has died."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


def test_what_a_dead_server_left_is_replaced(tmp_path: Path) -> None:
    leave_behind(tmp_path / "s")
    with unix_socket(str(tmp_path / "s")) as sock:
        sock.listen()
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
        with pytest.raises(OSError, match="another server listens there") as info:
            unix_socket(str(tmp_path / "s"))
        assert info.value.errno == errno.EADDRINUSE


def test_nothing_else_is_removed(tmp_path: Path) -> None:
    leave_behind(tmp_path / "s")
    (tmp_path / "link").symlink_to("s")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "file").write_text("x")
    for name in ("link", "dangling", "file"):
        with pytest.raises(OSError, match=f"cannot listen on .*{name}: it exists and is not a socket"):
            unix_socket(str(tmp_path / name))
    assert sorted(os.listdir(tmp_path)) == ["dangling", "file", "link", "s"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
def test_the_socket_of_another_user_stays(tmp_path: Path) -> None:
    leave_behind(tmp_path / "s")
    os.chown(tmp_path / "s", 1234, 1234)
    with pytest.raises(OSError, match="it is the socket of another user"):
        unix_socket(str(tmp_path / "s"))
    assert (tmp_path / "s").exists()


def test_a_directory_in_which_anybody_can_replace_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(OSError, match="everybody can write to"):
        unix_socket(str(tmp_path / "s"))
    tmp_path.chmod(0o1777)
    unix_socket(str(tmp_path / "s")).close()
    with pytest.raises(OSError, match="No such file"):
        unix_socket(str(tmp_path / "no" / "s"))


def test_whose_a_port_is() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            OSError, match=rf"in use by .* \(process {os.getpid()}\) \(choose another --port\)$"
        ):
            tcp_socket("127.0.0.1", port)
    with pytest.raises(OSError, match="--host is an address of this machine"):
        tcp_socket("192.0.2.1", 0)
    with pytest.raises(OSError, match=r"cannot listen on no\.such\.invalid:0: "):
        tcp_socket("no.such.invalid", 0)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost and 127.0.0.1, and its key."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    places = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(made.public_bytes(pem))
    plain = serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    key_path.chmod(0o600)
    secret = serialization.BestAvailableEncryption(b"x")
    locked = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, secret)
    (folder / "locked.pem").write_bytes(locked)
    (folder / "locked.pem").chmod(0o600)
    return cert_path, key_path


def test_what_tls_needs(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = tls_context(str(cert), str(key))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    both.chmod(0o640)
    tls_context(str(both), None)
    for mode in (0o604, 0o644, 0o660, 0o602):
        key.chmod(mode)
        with pytest.raises(ValueError, match=f"--tls-key: {key} holds a key that others can use: chmod 600"):
            tls_context(str(cert), str(key))
    both.chmod(0o644)
    with pytest.raises(ValueError, match=r"--tls-cert: .* others can use"):
        tls_context(str(both), None)
    key.chmod(0o600)
    for one, other in ((key, key), (tmp_path / "locked.pem", key), (cert, tmp_path / "locked.pem")):
        with pytest.raises(ValueError, match="--tls-cert: expected a chain of certificates"):
            tls_context(str(one), str(other))
    with pytest.raises(OSError, match="--tls-key: /nope: No such file"):
        tls_context(str(cert), "/nope")
    with pytest.raises(OSError, match="--tls-cert: /nope: No such file") as info:
        tls_context("/nope", str(key))
    assert info.value.errno == errno.ENOENT
