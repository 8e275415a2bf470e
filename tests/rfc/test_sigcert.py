# SPDX-License-Identifier: LGPL-3.0-or-later
"""Certificates of signing mechanism curve: pairs, files, header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import kvenc, sigcert
from rosin.rfc.kvenc import Timestamp
from rosin.rfc.sigcert import Certificate

PUBLIC, SIGNATURE, SECRET = bytes(range(32)), bytes(range(64)), bytes(64)
META = {
    "algorithm": "ed25519",
    "uuid": "a-b",
    "xtime": Timestamp(1692370785),
    "userid": 1000,
    "ca-capability": True,
    "x": 1.5,
}
CERTIFICATE = Certificate(PUBLIC, META, SIGNATURE)

FILE = """\
[metadata]
    algorithm = "ed25519"
    uuid = "a-b"
    xtime = 2023-08-18T14:59:45Z
    userid = 1000
    ca-capability = true
    x = 1.500000

[curve]
    public-key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    signature = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
"""


def content(certificate):
    return certificate.public, list(certificate.meta.items()), certificate.signature


def test_the_public_file():
    assert sigcert.write_public(CERTIFICATE) == FILE
    assert content(sigcert.read_public(FILE)) == content(CERTIFICATE)
    assert type(sigcert.read_public(FILE).meta["xtime"]) is Timestamp
    unsigned = Certificate(PUBLIC)
    assert content(sigcert.read_public(sigcert.write_public(unsigned))) == content(unsigned)


def test_the_secret_file():
    text = sigcert.write_secret(Certificate(PUBLIC, secret=SECRET))
    assert text == f'[curve]\n    secret-key = "{"A" * 86}=="\n'
    assert sigcert.read_secret(text) == SECRET
    with pytest.raises(FormatError, match="no secret key"):
        sigcert.write_secret(CERTIFICATE)


def test_pairs_in_the_order_of_flux_security():
    assert list(CERTIFICATE.pairs()) == [
        *(f"meta.{key}" for key in META),
        "curve.public-key",
        "curve.signature",
    ]
    assert content(sigcert.from_pairs(CERTIFICATE.pairs())) == content(CERTIFICATE)
    assert CERTIFICATE.signed_bytes().startswith(b"curve.public_key\0sAAEC")
    assert b"signature" not in CERTIFICATE.signed_bytes()
    assert CERTIFICATE.same(Certificate(PUBLIC, META)) and not CERTIFICATE.same(Certificate(PUBLIC))  # noqa: PT018


def test_the_header():
    more = sigcert.to_header(CERTIFICATE, 100, 50)
    again = kvenc.decode(kvenc.encode(more))
    certificate, ctime, xtime = sigcert.from_header(again)
    assert (content(certificate), ctime, xtime) == (content(CERTIFICATE), 100, 150)
    for key in (sigcert.CTIME, sigcert.XTIME, "curve.cert.curve.public-key"):
        with pytest.raises(FormatError, match=key.removeprefix("curve.cert.")):
            sigcert.from_header({k: v for k, v in again.items() if k != key})
        with pytest.raises(FormatError, match=key.removeprefix("curve.cert.")):
            sigcert.from_header({**again, key: 5})


@given(
    st.dictionaries(
        st.text("abcXYZ09-_", min_size=1),
        st.text().filter(str.isprintable)
        | st.integers(-(2**63), 2**63 - 1)
        | st.booleans()
        | st.integers(0, 253402300799).map(Timestamp),
    ),
    st.none() | st.binary(min_size=64, max_size=64),
)
def test_round_trips(meta, signature):
    certificate = Certificate(PUBLIC, meta, signature)
    for again in (
        sigcert.read_public(sigcert.write_public(certificate)),
        sigcert.from_pairs(kvenc.decode(kvenc.encode(certificate.pairs()))),
    ):
        assert content(again) == content(certificate)
        assert [type(value) for value in again.meta.values()] == [type(value) for value in meta.values()]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", r"table \[metadata\] is missing"),
        ("[metadata]\n", r"table \[curve\] is missing"),
        ("metadata = 3\n", r"table \[metadata\] is missing"),
        (FILE.replace("AAEC", "AAE", 1), "public-key: expected the base64 of 32 bytes"),
        (FILE.replace("public-key", "publickey"), "public-key: expected the base64 of 32 bytes"),
        (FILE.replace("PD0+Pw==", "PD0+"), "signature: expected the base64 of 64 bytes"),
        (FILE.replace("1000", "[1000]"), "metadata: userid: expected a value"),
        (FILE.replace("45Z", "45"), "metadata: xtime: expected a value or a time with its zone"),
        (FILE.replace("true", "maybe"), "not valid TOML"),
        ("a=" + "[" * 60_000, "not valid TOML"),
        ("[" * 1_000_000, "more than the limit"),
    ],
)
def test_broken_files(text, error):
    with pytest.raises(FormatError, match=f"sigcert: .*{error}"):
        sigcert.read_public(text)


@given(st.text(max_size=200))
def test_any_text(text):
    for read in (sigcert.read_public, sigcert.read_secret):
        with pytest.raises(FormatError):
            read(text)


@pytest.mark.parametrize("meta", [{"a.b": 1}, {"": 1}, {"ü": 1}, {"a": "x\ny"}])
def test_metadata_that_no_file_holds(meta):
    with pytest.raises(FormatError, match="metadata: "):
        sigcert.write_public(Certificate(PUBLIC, meta))


ISSUED = {"xtime": Timestamp(200), "not-valid-before-time": Timestamp(100), "userid": 5, "max-sign-ttl": 30}


@pytest.mark.parametrize(
    ("userid", "ctime", "now", "fault"),
    [
        (5, 120, 150, None),
        (5, 120, 151, "older than its certificate allows"),
        (6, 120, 150, "that of user 5, not of user 6"),
        (5, 190, 201, "the certificate has expired"),
        (5, 90, 99, "not yet valid"),
    ],
)
def test_certificates_of_an_authority(userid, ctime, now, fault):
    found = sigcert.issued_fault(Certificate(PUBLIC, dict(ISSUED)), userid, ctime, now)
    assert (found is None) == (fault is None)
    assert (fault or "") in (found or "")


@pytest.mark.parametrize("key", list(ISSUED))
def test_metadata_of_an_authority_is_needed(key):
    for meta in ({k: v for k, v in ISSUED.items() if k != key}, {**ISSUED, key: "x"}):
        with pytest.raises(FormatError, match=f"metadata: {key}: expected"):
            sigcert.issued_fault(Certificate(PUBLIC, meta), 5, 120, 150)


@pytest.mark.parametrize(
    ("now", "fault"), [(100, None), (150, None), (151, "expired"), (99, "from the future"), (141, "expired")]
)
def test_times_of_signatures(now, fault):
    found = sigcert.signature_fault(100, 150, now, 40 if now == 141 else 999)
    assert (found is None) == (fault is None)
    assert (fault or "") in (found or "")
