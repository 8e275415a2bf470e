# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 39: signed envelopes."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import kvenc, sign

VECTOR = "dmVyc2lvbgBpMQBtZWNoYW5pc20Ac25vbmUAdXNlcmlkAGkxMDAwAA==.Zm9vCg==.none"


@pytest.mark.rfc_vectors(39)
@pytest.mark.rfc(39, "three-parts", "header-kvenc", "base64", "header-keys", "none-sign")
def test_vector():
    assert sign.wrap(b"foo\n", 1000) == VECTOR
    assert sign.wrap("foo\n", 1000) == VECTOR
    assert sign.unwrap(VECTOR) == (b"foo\n", 1000, "none")


@pytest.mark.rfc_vectors(39)
@pytest.mark.rfc(39, "munge-sign", "header-keys")
def test_munge_header_and_the_text_that_its_digest_covers():
    header = sign.header(1000, "munge")
    assert header == "dmVyc2lvbgBpMQBtZWNoYW5pc20Ac211bmdlAHVzZXJpZABpMTAwMAA="
    digest = hashlib.sha256(f"{header}.Zm9vCg==".encode()).hexdigest()
    assert digest == "29c294a0aaf77fb2cffe8b52cece6707d2b6fb20393ee2a3e1d8cc1f4b2dc810"
    assert sign.munge_payload(f"{header}.Zm9vCg==") == b"\1" + bytes.fromhex(digest)
    assert sign.unwrap(f"{header}.Zm9vCg==.MUNGE:x:") == (b"foo\n", 1000, "munge")


@pytest.mark.rfc(39, "any-payload", "three-parts")
@given(st.binary(), st.integers(0, 0xFFFFFFFE))
def test_round_trip(payload, userid):
    assert sign.unwrap(sign.wrap(payload, userid)) == (payload, userid, "none")


@pytest.mark.rfc(39, "payload-size")
def test_large_payload():
    payload = bytes(range(256)) * 4096
    assert sign.unwrap(sign.wrap(payload, 1))[0] == payload


HEADER = VECTOR.split(".")[0]


@pytest.mark.rfc(39, "three-parts", "header-keys", "base64", "signature-text")
@pytest.mark.parametrize(
    "envelope",
    [
        *("", "a", "..", "a.b", VECTOR + ".x", VECTOR[1:], VECTOR + "x", VECTOR.replace("none", "")),
        *(f"{HEADER}.Zm9vCg.none", f"{HEADER}.Zm9v Cg==.none", f"{HEADER}.é.none", ".Zm9vCg==.none"),
        "dmVyc2lvbgBpMgBtZWNoYW5pc20Ac25vbmUAdXNlcmlkAGkxMDAwAA==.Zm9vCg==.none",  # version 2
        "dmVyc2lvbgBpMQBtZWNoYW5pc20Ac25vbmUA.Zm9vCg==.none",  # no userid
        "dmVyc2lvbgBpMQB1c2VyaWQAaTEwMDAA.Zm9vCg==.none",  # no mechanism
        sign.header(1000, "munge") + ".Zm9vCg==.",
        sign.header(1000, "munge") + ".Zm9vCg==.MUNGE\0",
        f"{HEADER}.AAAA=.none",
        "." * (1 << 20),
        "A" * (1 << 20) + ".." + "none",
        VECTOR.replace(".", "." + "Zm9v" * (1 << 18)) + ".",
    ],
)
def test_malformed(envelope):
    with pytest.raises(FormatError):
        sign.unwrap(envelope)


@pytest.mark.parametrize("userid", [-1, 0xFFFFFFFF])
def test_no_envelope_for_an_unknown_user(userid):
    with pytest.raises(FormatError, match="not a valid user id"):
        sign.wrap(b"", userid)


@given(st.text())
def test_any_text_is_refused(text):
    with pytest.raises(FormatError):
        sign.unwrap(text)


@pytest.mark.rfc(39, "mechanism-keys")
def test_keys_of_a_mechanism():
    more = {"curve.ctime": kvenc.Timestamp(5), "x": True}
    envelope = sign.join(sign.signed_text(sign.header(7, "curve", more), "p"), "s")
    opened = sign.parse(envelope)
    assert opened.header == {"version": 1, "mechanism": "curve", "userid": 7, **more}
    assert (opened.text, opened.signature, opened.payload) == (envelope[:-2], "s", b"p")
    assert (opened.userid, opened.mechanism) == (7, "curve")


@pytest.mark.rfc(39, "signature-text")
@pytest.mark.parametrize("signature", ["", "a.b", "a\0"])
def test_signatures_that_cannot_be(signature):
    with pytest.raises(FormatError, match="the signature is empty or holds"):
        sign.join("a.b", signature)


@pytest.mark.rfc(39, "none-verify")
def test_what_none_proves():
    opened = sign.parse(sign.wrap(b"", 1000))
    assert sign.none_fault(opened, 1000) is None
    assert sign.none_fault(opened, 1001) == "user 1000 is claimed by user 1001"
    opened.signature = "x"
    assert sign.none_fault(opened, 1000) == "the signature is not the word none"
