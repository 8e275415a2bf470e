# SPDX-License-Identifier: LGPL-3.0-or-later
"""BrokerCertificate files: what flux-core writes and reads, what is refused, and who can read them."""

import errno
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.broker.overlay.cert import BrokerCertificate, check_metadata, decode_key
from rosin.errors import FormatError

#: As `flux keygen` of flux-core 0.88 writes it.
FILE = """#  ZeroMQ CURVE **Secret** Certificate
#  DO NOT DISTRIBUTE

metadata
    name = "vm"
    keygen.flux-core-version = "0.88.0-59-g4a5e79f56"
    keygen.time = "2026-11-30T14:34:38"
curve
    public-key = ":R(]}Bc@k76#{-*+w!{Dan0g:CQ$k)+8y]gnHhqj"
    secret-key = "!g{%g&TZ27}Zgy*TY/iK+T*%X3vk:lWed/@N5bs["
"""
PUBLIC = ":R(]}Bc@k76#{-*+w!{Dan0g:CQ$k)+8y]gnHhqj"
SECRET = "!g{%g&TZ27}Zgy*TY/iK+T*%X3vk:lWed/@N5bs["


def test_a_file_of_flux_core():
    cert = BrokerCertificate.decode(FILE)
    assert (cert.public, cert.secret) == (PUBLIC, SECRET)
    assert cert.metadata == {
        "name": "vm",
        "keygen.flux-core-version": "0.88.0-59-g4a5e79f56",
        "keygen.time": "2026-11-30T14:34:38",
    }
    assert cert.encode() == FILE
    assert SECRET not in repr(cert)


def test_new_keys_are_written_and_read(tmp_path):
    path = str(tmp_path / "cert")
    cert = BrokerCertificate.generate({"name": "a b"})
    cert.write(path)
    again = BrokerCertificate.read(path)
    assert (again.public, again.secret, again.metadata) == (cert.public, cert.secret, {"name": "a b"})
    assert len(decode_key(cert.public)) == 32
    assert BrokerCertificate.generate().public != cert.public


@pytest.mark.parametrize("umask", [0, 0o777])
def test_only_the_owner_can_read_what_is_written(tmp_path, umask):
    """Whatever was there before, and whoever could read that."""
    path = tmp_path / "cert"
    path.write_text("old")
    path.chmod(0o666)
    before = path.open()
    was = os.umask(umask)
    try:
        BrokerCertificate.generate().write(str(path))
    finally:
        os.umask(was)
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert before.read() == "old"
    before.close()
    assert os.listdir(tmp_path) == ["cert"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "cert")
    BrokerCertificate.generate().write(str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    BrokerCertificate.read(str(tmp_path / "cert"))


def test_what_is_no_file_is_written_into(tmp_path):
    reading, writing = os.pipe()
    cert = BrokerCertificate.generate()
    cert.write(f"/dev/fd/{writing}")
    os.close(writing)
    with open(reading) as file:
        assert BrokerCertificate.decode(file.read()).public == cert.public


def test_nothing_is_left_of_a_write_that_fails(tmp_path, monkeypatch):
    def full(_fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        BrokerCertificate.generate().write(str(tmp_path / "cert"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_open_is_refused(tmp_path, mode):
    path = tmp_path / "cert"
    path.write_text(FILE)
    path.chmod(mode)
    with pytest.raises(OSError) as caught:
        BrokerCertificate.read(str(path))
    assert caught.value.errno == errno.EPERM
    text = f"certificate {path}: open to group or others; do: chmod 600 {path}"
    assert caught.value.strerror == text


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (FILE, "", "public-key is missing"),
        ("    secret-key", "#   secret-key", "secret-key is missing"),
        ('    public-key = ":', '    public-key = "', "public-key is not 40 characters of Z85"),
        ('    public-key = ":', '    public-key = "~', "public-key is not 40 characters of Z85"),
        (f'secret-key = "{SECRET}', 'secret-key = "' + "#" * 40, "secret-key is not 40 characters of Z85"),
        (PUBLIC, BrokerCertificate.generate().public, "public-key and secret-key are no pair"),
        ("    name", "name", 'line 5 is neither a section nor KEY = "VALUE" in one'),
        ('"vm"', "vm", 'line 5 is neither a section nor KEY = "VALUE" in one'),
        ('"vm"', f'"{"v" * 255}"', 'line 5 is neither a section nor KEY = "VALUE" in one'),
        ("metadata\n", "", 'line 4 is neither a section nor KEY = "VALUE" in one'),
        ("keygen.time", "name", "line 7: name is there twice"),
        ("curve\n", 'curve\n    other = ""\n', "only public-key and secret-key are known in section curve"),
        (FILE, "#" * (1 << 16) + "\n", "more than 65536 bytes"),
        ('"vm"', '"\xff"', "not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_certificate(tmp_path, old, new, text):
    path = tmp_path / "cert"
    assert old in FILE
    path.write_bytes(FILE.replace(old, new).encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(OSError) as caught:
        BrokerCertificate.read(str(path))
    assert (caught.value.errno, caught.value.strerror) == (errno.EINVAL, f"certificate {path}: {text}")


def test_a_path_that_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(OSError, match="not a regular file"):
        BrokerCertificate.read(str(tmp_path / "fifo"))
    with pytest.raises(FileNotFoundError):
        BrokerCertificate.read(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("key", "value"), [("a_b", ""), ("", ""), ("a", 'x"'), ("a", "x\n"), ("a", "v" * 250)]
)
def test_metadata_that_flux_core_would_not_read(key, value):
    with pytest.raises(FormatError, match=r"^metadata: "):
        check_metadata(key, value)
    with pytest.raises(FormatError, match=r"^metadata: "):
        BrokerCertificate(PUBLIC, SECRET, {key: value}).encode()


@pytest.mark.parametrize("key", ["", PUBLIC[1:], PUBLIC[1:] + "~", PUBLIC[1:] + "\xe9", "#" * 40])
def test_what_is_no_key(key):
    with pytest.raises(FormatError, match="40 characters of Z85"):
        decode_key(key)


@given(st.text() | st.text('metadata\ncurve=" #publicsret-key'))
def test_any_text(text):
    try:
        BrokerCertificate.decode(text)
    except FormatError:
        pass
