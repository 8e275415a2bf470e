# SPDX-License-Identifier: LGPL-3.0-or-later
"""Mechanism curve: Ed25519 keys, certificates, authorities."""

import os
import stat
import subprocess
import sys
import time

import pytest

from rosin.errors import FormatError
from rosin.rfc import sigcert, sign
from rosin.security import curve
from rosin.security.signer import Config, Signer

pytest.importorskip("cryptography")

UID = os.getuid()
J = b'{"version":1}'


def altered(envelope):
    """The envelope with another payload."""
    header, _, signature = envelope.split(".")
    return f"{sign.signed_text(header, b'other')}.{signature}"


@pytest.fixture
def authority(tmp_path):
    certificate = curve.generate()
    curve.issue(certificate, certificate, UID, int(time.time()), 3600, 60, "test.", may_issue=True)
    curve.store(certificate, str(tmp_path / "ca"))
    return certificate


@pytest.fixture
def curve_site(tmp_path, authority):
    """A signer with a certificate of the authority, and the certificate."""
    certificate = curve.generate()
    curve.issue(authority, certificate, UID, int(time.time()), 600, 60, "test.")
    curve.store(certificate, str(tmp_path / "sig"))
    tables = {
        "sign": {
            "max-ttl": 60,
            "default-type": "curve",
            "allowed-types": ["curve"],
            "curve": {"require-ca": True, "cert-path": str(tmp_path / "sig")},
        },
        "ca": {"cert-path": str(tmp_path / "ca"), "revoke-dir": str(tmp_path / "revoked")},
    }
    return Signer(Config(tables)), certificate


def test_curve_with_an_authority(curve_site, tmp_path):
    signer, certificate = curve_site
    envelope = signer.wrap(J)
    assert signer.unwrap(envelope) == (J, UID, "curve")
    with pytest.raises(PermissionError, match="the content was changed"):
        signer.unwrap(altered(envelope))
    (tmp_path / "revoked").mkdir()
    (tmp_path / "revoked" / certificate.get("uuid", str)).touch()
    with pytest.raises(PermissionError, match="has been revoked"):
        signer.unwrap(envelope)


def forge(certificate, userid=UID, ctime=None, ttl=60):
    """An envelope signed with any certificate and claim."""
    more = sigcert.to_header(certificate, int(time.time()) if ctime is None else ctime, ttl)
    text = sign.signed_text(sign.header(userid, "curve", more), J)
    return sign.join(text, curve.sign(certificate, text.encode()))


def test_curve_refuses(curve_site, authority):
    signer, certificate = curve_site
    now = int(time.time())
    assert signer.unwrap(forge(certificate)) == (J, UID, "curve")
    with pytest.raises(PermissionError, match=f"that of user {UID}, not of user {UID + 1}"):
        signer.unwrap(forge(certificate, UID + 1))
    with pytest.raises(PermissionError, match="signature is older than its certificate allows"):
        signer.unwrap(forge(certificate, ctime=now - 100, ttl=600))
    with pytest.raises(PermissionError, match="signature has expired"):
        signer.unwrap(forge(certificate, ctime=now - 30, ttl=20))
    with pytest.raises(PermissionError, match="from the future"):
        signer.unwrap(forge(certificate, ctime=now + 100))
    stranger = curve.generate()
    with pytest.raises(PermissionError, match="not from the certificate authority"):
        signer.unwrap(forge(stranger))
    curve.issue(stranger, stranger, UID, now, 600, 60, "test.", may_issue=True)
    with pytest.raises(PermissionError, match="not from the certificate authority"):
        signer.unwrap(forge(stranger))
    curve.issue(certificate, stranger, UID, now, 600, 60, "test.")  # a user is no authority
    with pytest.raises(PermissionError, match="not from the certificate authority"):
        signer.unwrap(forge(stranger))
    expired = curve.generate()
    curve.issue(authority, expired, UID, now - 700, 600, 60, "test.")
    with pytest.raises(PermissionError, match="certificate has expired"):
        signer.unwrap(forge(expired))
    early = curve.generate()
    curve.issue(authority, early, UID, now, 600, 60, "test.", not_before=now + 100)
    with pytest.raises(PermissionError, match="not yet valid"):
        signer.unwrap(forge(early))


def test_changed_metadata_are_noticed(curve_site):
    signer, certificate = curve_site
    certificate.meta["userid"] = UID + 1
    with pytest.raises(PermissionError, match="not from the certificate authority"):
        signer.unwrap(forge(certificate, UID + 1))


@pytest.mark.parametrize("uuid", ["", "..", "../sig", "/etc/passwd"])
def test_a_uuid_names_a_file_of_the_directory(curve_site, authority, uuid):
    signer, certificate = curve_site
    certificate.meta["uuid"] = uuid
    certificate.signature = curve._sign(authority, certificate.signed_bytes())
    with pytest.raises(PermissionError, match="no valid uuid"):
        signer.unwrap(forge(certificate))


def test_curve_without_an_authority(tmp_path, monkeypatch):
    import pwd

    monkeypatch.setattr(
        pwd, "getpwuid", lambda uid: pwd.struct_passwd(("me", "x", uid, 0, "", str(tmp_path / str(uid)), ""))
    )
    for uid in (UID, UID + 1):
        (tmp_path / str(uid) / ".flux" / "curve").mkdir(parents=True)
    mine = curve.generate()
    curve.store(mine, str(tmp_path / str(UID) / ".flux" / "curve" / "sig"))
    tables = {"sign": {"default-type": "curve", "curve": {"require-ca": False}}}
    signer = Signer(Config(tables))
    assert signer.unwrap(signer.wrap(J)) == (J, UID, "curve")
    with pytest.raises(PermissionError, match=f"certificate of user {UID + 1} cannot be read"):
        signer.unwrap(forge(mine, UID + 1))
    os.mkfifo(tmp_path / str(UID + 1) / ".flux" / "curve" / "sig.pub")
    with pytest.raises(PermissionError, match="is not a file"):
        signer.unwrap(forge(mine, UID + 1))
    (tmp_path / str(UID + 1) / ".flux" / "curve" / "sig.pub").unlink()
    curve.store(curve.generate(), str(tmp_path / str(UID + 1) / ".flux" / "curve" / "sig"))
    with pytest.raises(PermissionError, match=f"is not that of user {UID + 1}"):
        signer.unwrap(forge(mine, UID + 1))
    signer.config.require_ca = True
    with pytest.raises(PermissionError, match="no certificate authority is configured"):
        signer.unwrap(forge(mine))


def test_a_user_without_a_home(monkeypatch):
    import pwd

    def nobody(uid):
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(FileNotFoundError, match=f"user {UID} is unknown"):
        Signer(Config({"sign": {"default-type": "curve"}})).wrap(J)


def test_key_files(tmp_path):
    certificate = curve.generate()
    path = str(tmp_path / "sig")
    curve.store(certificate, path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    again = curve.load(path, secret=True)
    assert again.same(certificate)
    assert again.secret == certificate.secret
    assert curve.load(path).secret is None
    curve.store(curve.generate(), str(tmp_path / "other"))
    os.replace(tmp_path / "other", path)
    with pytest.raises(FormatError, match=r"the secret key is not that of .*sig\.pub"):
        curve.load(path, secret=True)
    with pytest.raises(FileNotFoundError):
        curve.load(str(tmp_path / "none"))
    with pytest.raises(FormatError, match="no secret key"):
        curve.sign(curve.load(path), b"")
    (tmp_path / "sig.pub").write_text("what")
    with pytest.raises(FormatError, match=r"sig\.pub: sigcert: not valid TOML"):
        curve.load(path)
    assert sorted(os.listdir(tmp_path)) == ["other.pub", "sig", "sig.pub"]


def test_signatures_that_are_none(authority):
    signature = curve.sign(authority, b"data")
    assert curve.verify(authority, signature, b"data")
    for wrong in ("", "x", "=", signature[:-4], "A" * 88, "ü"):
        assert not curve.verify(authority, wrong, b"data")
    assert not curve.verify(authority, signature, b"Data")


def test_a_known_signature():
    """The second test vector of RFC 8032, section 7.1."""
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    expected = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert curve._sign(sigcert.Certificate(public, secret=seed + public), b"\x72") == expected


def test_without_the_package():
    program = (
        "import sys; sys.modules['cryptography.hazmat.primitives.asymmetric'] = None\n"
        "from rosin.security.signer import Signer\n"
        "from rosin.security import curve\n"
        "assert Signer().wrap(b'x').endswith('.none')\n"
        "try:\n    curve.generate()\n"
        "except OSError as error:\n    print(error.strerror)\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'rosin[curve]'" in told.stdout


# Made by flux-security's own code: a certificate, the authority that signed it, a signature of b"hello".
THEIRS = """\
[metadata]
    algorithm = "ed25519"
    uuid = "my uuid"
    userid = 1000
    x = 1.250000
    xtime = 2023-08-18T14:59:45Z
    b = false

[curve]
    public-key = "eZBFpfD0nS5FZf4/A3ezRkDXBA3rwDRPt9RT2IcydNA="
    signature = "xFAZ6nh6GjtfO2vxxcH5Us01tjOtpbj2PaStt0yI077Nd8gP80XjDtfwLazn3qKxxThyaO/I1Sp7bvLa1tmeBQ=="
"""
THEIR_AUTHORITY = """\
[metadata]
    algorithm = "ed25519"
    uuid = "ca-uuid"
    ca-capability = true

[curve]
    public-key = "WndjOnYnDTNmP+O7wzHoTZo90XxIzT1lPGbRg1t7N94="
    signature = "Tuy81EqK9qM0Rza2RisxBIgLQFnePqAv3aIVRhbDZj0i0I59A+F5RcpepdUi8RJTC7bPAW9jQbFpm2Nf94i4Dg=="
"""
THEIR_SIGNATURE = "ST7YHIHWQSc1eG6AzwWgDqoL1L0aG30gsREr/4M9iy7ZWvEAnW/0AXt7Vt6ntf/uT1u3bHULOqgtBoPKD0cVCQ=="


def test_a_certificate_of_flux_security():
    certificate, authority = sigcert.read_public(THEIRS), sigcert.read_public(THEIR_AUTHORITY)
    assert sigcert.write_public(certificate) == THEIRS
    assert sigcert.write_public(authority) == THEIR_AUTHORITY
    assert curve.issued_by(authority, certificate)
    assert curve.issued_by(authority, authority)
    assert not curve.issued_by(certificate, certificate)
    assert curve.verify(certificate, THEIR_SIGNATURE, b"hello")
    certificate.meta["userid"] = 0
    assert not curve.issued_by(authority, certificate)
