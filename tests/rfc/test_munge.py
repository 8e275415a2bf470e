# SPDX-License-Identifier: LGPL-3.0-or-later
"""The messages of munged, in both directions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import munge
from rosin.rfc.munge import Reply

# As libmunge 0.5.15 and its daemon sent them.
ENCODE = bytes.fromhex("00606d4b0402000000001601010100" + "00000000" + "ff" * 8 + "000000026869")
DECODED = (
    bytes.fromhex("0000040500000000012c047f000001" + "6b02fa48" * 2 + "00000000" * 2 + "ff" * 8 + "00000005")
    + b"hello"
)


def test_an_encode_request_as_libmunge_sends_it():
    assert munge.encode_request(b"hi") == ENCODE
    assert munge.parse_header(ENCODE[:11]) == (munge.ENC_REQ, 0, 22)
    assert munge.parse_request(munge.ENC_REQ, ENCODE[11:]) == (b"hi", 0)


def test_a_decode_response_as_munged_sends_it():
    reply = munge.parse_reply(munge.DEC_RSP, DECODED)
    assert (reply.status, reply.data, reply.uid, reply.gid, reply.ttl) == (0, b"hello", 0, 0, 300)
    assert (reply.encode_time, reply.decode_time) == (1795357256, 1795357256)


BYTES32 = st.integers(0, 0xFFFFFFFF)


@given(
    st.binary(max_size=99),
    BYTES32,
    BYTES32,
    BYTES32,
    BYTES32,
    BYTES32,
    st.integers(0, 255),
    st.text(max_size=50),
)
def test_round_trip_of_responses(data, uid, gid, begun, ended, ttl, status, text):
    text = text.replace("\0", "")
    message = munge.encode_reply(munge.DEC_RSP, Reply(status, data, text, uid, gid, begun, ended, ttl))
    kind, _, length = munge.parse_header(message[:11])
    reply = munge.parse_reply(kind, message[11:])
    assert length == len(message) - 11
    assert (reply.status, reply.data, reply.text, reply.uid) == (status, data, text, uid)
    assert (reply.gid, reply.encode_time, reply.decode_time, reply.ttl) == (gid, begun, ended, ttl)
    assert reply.error()


@given(st.binary(max_size=99), st.integers(0, 300))
def test_round_trip_of_requests(payload, retry):
    message = munge.encode_request(payload, 7, 1, 2, retry)
    assert munge.parse_header(message[:11])[1] == min(retry, 255)
    assert munge.parse_request(munge.ENC_REQ, message[11:]) == (payload, 7)
    message = munge.decode_request("MUNGE:abc:")
    assert munge.parse_request(munge.DEC_REQ, message[11:]) == (b"MUNGE:abc:", 0)


@given(st.sampled_from([munge.ENC_REQ, munge.ENC_RSP, munge.DEC_REQ, munge.DEC_RSP]), st.binary(max_size=80))
def test_any_body(kind, body):
    for parse in (munge.parse_reply, munge.parse_request):
        try:
            assert parse(kind, body)
        except FormatError as error:
            fault = str(error)
        else:
            continue
        assert fault.startswith("munge: ")


@pytest.mark.parametrize("cut", range(len(DECODED)))
def test_cut_off_bodies(cut):
    with pytest.raises(FormatError, match=f"ends at byte {cut}, within the"):
        munge.parse_reply(munge.DEC_RSP, DECODED[:cut])


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (b"", "has 11 bytes, got 0"),
        (bytes(11), "magic is 0x00000000"),
        (ENCODE[:4] + b"\3" + ENCODE[5:11], "version 3"),
        (ENCODE[:5] + b"\6" + ENCODE[6:11], "type 6"),
        (ENCODE[:7] + b"\xff" * 4, "4294967295 bytes"),
    ],
)
def test_broken_headers(header, error):
    with pytest.raises(FormatError, match=error):
        munge.parse_header(header)


def test_what_cannot_be_sent():
    with pytest.raises(FormatError, match="larger than"):
        munge.encode_request(bytes(munge.MAX_BODY))
    for credential in ("ü", "a\0b"):
        with pytest.raises(FormatError, match="not ASCII"):
            munge.decode_request(credential)
    with pytest.raises(FormatError, match="longer than 254"):
        munge.encode_reply(munge.ENC_RSP, Reply(1, text="x" * 255))
    with pytest.raises(FormatError, match="4 bytes are left"):
        munge.parse_reply(munge.ENC_RSP, bytes(10))


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff", b"a.b", b"a\0b"])
def test_no_credential(data):
    with pytest.raises(FormatError, match="is no credential"):
        munge.credential(Reply(0, data))


def test_texts_of_errors():
    assert Reply(17).error() == "replayed credential"
    assert Reply(99).error() == "error 99"
    assert Reply(8, text="Failed").error() == "Failed"
