# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 3 messages: golden bytes of flux-core, round trips, any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.handle.framing import FrameReader, frame
from rosin.rfc.message import Message, decode, encode


def wire(text: str) -> bytes:
    return bytes.fromhex(text)


GOLDEN = {
    "request": (
        Message(1, "attr.get", '{"name":"rank"}', rolemask=1, aux1=0xFFFFFFFF, matchtag=1, route=[]),
        "1200ffee000000300008617474722e676574107b226e616d65223a2272616e6b227d00148e01010bffffffff00000001"
        "ffffffff00000001",
    ),
    "response": (
        Message(2, "attr.get", {"value": "0", "flags": 1}, rolemask=1, matchtag=1, route=[]),
        "1200ffee000000380008617474722e676574187b2276616c7565223a2230222c22666c616773223a317d00148e01020b"
        "ffffffff000000010000000000000001",
    ),
    "enodata": (
        Message(2, "log.dmesg", None, flags=0x40, aux1=61, matchtag=1, route=[]),
        "1200ffee0000002000096c6f672e646d657367148e010249ffffffff000000000000003d00000001",
    ),
    "routed": (
        Message(
            1,
            "kvs.ping",
            None,
            userid=5500,
            rolemask=6,
            aux1=1,
            matchtag=2,
            route=[b"8d6fbd2e-1d3f-4b8b-a3b9-5f2f0b0c6c11"],
        ),
        "1200ffee000000442438643666626432652d316433662d346238622d613362392d356632663062306336633131"
        "00086b76732e70696e67148e0101090000157c000000060000000100000002",
    ),
    "event": (
        Message(4, "heartbeat.pulse", None, userid=1000, rolemask=1, aux1=7),
        "1200ffee000000250f6865617274626561742e70756c7365148e010401000003e8000000010000000700000000",
    ),
    "control": (
        Message(8, aux1=1, matchtag=2),
        "1200ffee00000015148e010800ffffffff000000000000000100000002",
    ),
}


@pytest.mark.rfc_vectors(3)
@pytest.mark.rfc(
    3, "parts-order", "header", "network-order", "message-types", "framing", "short-part", "header-last"
)
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes(name: str) -> None:
    msg, text = GOLDEN[name]
    expected = wire(text.replace("1200ffee", "1200eeff", 1))
    assert frame(msg) == expected
    (again,) = FrameReader().feed(expected)
    assert frame(again) == expected
    assert again.topic == msg.topic
    assert again.route == msg.route


@pytest.mark.rfc_vectors(3)
@pytest.mark.rfc(3, "short-part", "long-part")
@pytest.mark.parametrize(
    ("size", "prefix", "total"), [(254, b"\xfe", 0x119), (255, b"\xff\x00\x00\x00\xff", 0x11E)]
)
def test_part_of_255_bytes_uses_the_long_form(size: int, prefix: bytes, total: int) -> None:
    body = encode(Message.request("a.b", b"x" * size, flags=0x04))
    assert len(body) == total
    assert body[5 : 5 + len(prefix) + 1] == prefix + b"x"
    assert decode(body).payload == b"x" * size


#: The parts of the messages in the figures: the topic ends in a NUL there. The last part is the header.
FIGURES = {
    "request": (
        [b"", b"attr.get\0", b'{"name":"rank"}\0'],
        "8e01010bffffffff00000001ffffffff00000001",
        GOLDEN["request"][0],
    ),
    "response": (
        [b"", b"attr.get\0", b'{"value":"0","flags":1}\0'],
        "8e01020bffffffff000000010000000000000001",
        GOLDEN["response"][0],
    ),
}


@pytest.mark.rfc_vectors(3)
@pytest.mark.rfc(3, "parts-order", "header", "header-last", "network-order", "message-types")
@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_the_text(name: str) -> None:
    parts, header, wanted = FIGURES[name]
    body = b"".join(bytes([len(part)]) + part for part in [*parts, wire(header)])
    msg = decode(body)
    assert (msg.topic, msg.payload, msg.route) == (wanted.topic, wanted.payload, [])
    assert encode(msg) == encode(wanted)
    assert encode(msg).endswith(wire("14" + header))


@pytest.mark.rfc_vectors(3)
@pytest.mark.rfc(3, "framing")
def test_the_framed_figure_is_refused_for_its_magic_and_its_length() -> None:
    body = b"\x00\x09attr.get\0\x10" + b'{"name":"rank"}\0\x14' + wire(FIGURES["request"][1])
    assert encode(decode(body)) == encode(GOLDEN["request"][0])
    literal = wire("ffee0012") + wire("00000039") + body
    assert len(literal) == 0x39
    with pytest.raises(FormatError, match="bad magic"):
        FrameReader().feed(literal)


@pytest.mark.rfc(3, "payload-any")
def test_empty_payload_differs_from_none() -> None:
    assert decode(encode(Message.request("a.b", b""))).payload == b""
    assert decode(encode(Message.request("a.b"))).payload is None


def test_topic_with_a_nul_is_tolerated() -> None:
    body = encode(Message.request("attr.get")).replace(b"\x08attr.get", b"\x09attr.get\0")
    assert decode(body).topic == "attr.get"


messages = st.builds(
    Message,
    st.sampled_from([1, 2, 4, 8]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=300),
    st.none() | st.binary(max_size=600),
    flags=st.sampled_from([0, 4, 0x10, 0x20, 0x40, 0x80, 0x44]),
    userid=st.integers(0, 2**32 - 1),
    rolemask=st.integers(0, 2**32 - 1),
    aux1=st.integers(0, 2**32 - 1),
    matchtag=st.integers(0, 2**32 - 1),
    route=st.none() | st.lists(st.binary(min_size=1, max_size=40), max_size=4),
)


@pytest.mark.rfc(3, "part-boundaries", "header", "payload-any", "route-stack")
@given(messages)
def test_round_trip(msg: Message) -> None:
    again = decode(encode(msg))
    for slot in ("type", "topic", "payload", "flags", "userid", "rolemask", "aux1", "matchtag", "route"):
        assert getattr(again, slot) == getattr(msg, slot)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_fail_cleanly(data: bytes) -> None:
    try:
        decode(data)
    except FormatError:
        pass


def meaning(data: bytes | memoryview) -> object:
    try:
        msg = decode(data)
    except FormatError as error:
        return str(error)
    return [getattr(msg, name) for name in ("type", "flags", "userid", "rolemask", "aux1", "matchtag")] + [
        msg.route,
        msg.topic,
        msg.payload,
    ]


HEADER = encode(Message(1, "a", {}, route=[]))[-21:]  # says that there are route, topic and payload
ODD = [
    # A topic in the long form, whose length and next 251 bytes would leave a payload behind as well.
    *(b"\0\xff\0\0\0\x7f" + b"t" * 127 + b"\x7e" + b"x" * 123 + b"\x02{}" + HEADER,),
    # The same of a hop.
    *(b"\xff\0\0\0\x7f" + b"h" * 127 + b"\0\x01a\x7e" + b"x" * 120 + b"\0\x01b\x02{}" + HEADER,),
    *(b"\xff\0\0\0\x01h\0\x01a\x02{}" + HEADER, b"\x01h" * 9 + b"\0\x01a\x02{}" + HEADER),
    *(b"\0\0\x02{}" + HEADER, b"\0\x01\0\x02{}" + HEADER, b"\0\x01\xff\x02{}" + HEADER),
    *(b"\0\x01a\x02{}\x01x" + HEADER, b"\0\x01a\x04{}" + HEADER, b"\0\x01a" + HEADER, b"\x01a" + HEADER),
    *(b"\0\x01a\xff\0\0\0\x02{}" + HEADER, b"\x01h\x01i\0\x01a\x02{}" + HEADER, b"\0\x01a\xff\0" + HEADER),
    *(b"\0\x01a\x02{}" + HEADER[:3] + bytes((value,)) + HEADER[4:] for value in range(16)),
    *(b"\0\x01a\x02{}" + HEADER[:at] + b"\x09" + HEADER[at + 1 :] for at in range(1, 20)),
]


@pytest.mark.parametrize("data", ODD)
def test_what_is_odd_means_what_it_means_in_general(data: bytes) -> None:
    assert meaning(data) == meaning(memoryview(data))


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from([0, 1, 2, 20, 61, 255]))),
    st.builds(lambda msg, end: encode(msg)[:end], messages, st.none() | st.integers(0, 80)),
)
def test_what_is_usual_means_what_it_means_otherwise(edits: list[tuple[int, int]], data: bytes) -> None:
    edited = bytearray(data)
    for at, value in edits:
        edited[at : at + 1] = bytes((value,))
    assert meaning(bytes(edited)) == meaning(memoryview(edited))


@given(st.lists(messages, max_size=5), st.data())
def test_stream_may_be_split_anywhere(msgs: list[Message], data: st.DataObject) -> None:
    stream = b"".join(frame(msg) for msg in msgs)
    reader, got = FrameReader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        got += reader.feed(stream[:size])
        stream = stream[size:]
    assert [encode(msg) for msg in got] == [encode(msg) for msg in msgs]


@pytest.mark.rfc(3, "framing", "header")
@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"\xff\xee\x00\x12" + b"\0" * 8, "bad magic"),
        (b"\x12\x00\xee\xff" + b"\x80\0\0\0", "exceeds the limit"),
        (b"\x12\x00\xee\xff" + b"\0\0\0\0", "20-byte header"),
    ],
)
def test_broken_stream(data: bytes, cause: str) -> None:
    with pytest.raises(FormatError, match=cause):
        FrameReader().feed(data)


@pytest.mark.rfc(3, "json-object", "json-nul", "string-nul")
def test_payload_forms() -> None:
    assert Message.request("a.b", {"x": 1}).payload == b'{"x":1}\0'
    assert Message.request("a.b", '{"x": 1}').args == {"x": 1}
    assert Message.request("a.b", b"raw").raw == b"raw"
    assert Message.request("a.b").data is None
    for bad in (None, "[1]", "nonsense", b"\xff"):
        with pytest.raises(FormatError, match=r"a\.b"):
            _ = Message.request("a.b", bad).args


HEADER = bytes.fromhex("148e010108ffffffff00000000ffffffff00000001")


@pytest.mark.rfc(3, "header", "parts-order", "route-stack", "control-parts", "request-topic")
@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "the last part is not a 20-byte header"),
        (HEADER[1:], "the last part is not a 20-byte header"),
        (HEADER.replace(b"\x8e", b"\x8f"), "header magic is 0x8f, expected 0x8e"),
        (HEADER.replace(b"\x8e\1", b"\x8e\2"), "protocol version 2 is not supported"),
        (HEADER.replace(b"\x8e\1\1", b"\x8e\1\3"), "unknown message type 3"),
        (HEADER, "route delimiter is missing"),
        (b"\0" + HEADER, "topic is missing"),
        (b"\0\1a" + HEADER, "1 parts where the flags announce 0"),
        (b"\0\2\xff\xff" + HEADER.replace(b"\1\1\x08", b"\1\1\x09"), "topic is not UTF-8"),
        (b"\0\1\0" + HEADER.replace(b"\1\1\x08", b"\1\1\x09"), "topic is empty"),
        (b"\0\x09a" + HEADER, "part of 9 bytes runs past the end"),
        (b"\0\xff\0\0" + HEADER, "part size is cut off"),
        (b"\xff\xff\xff\xff\xff" + HEADER, "part of 4294967295 bytes runs past the end"),
    ],
)
def test_broken_messages(data: bytes, error: str) -> None:
    with pytest.raises(FormatError, match=f"message: {error}"):
        decode(data)


def test_hostile_messages_take_no_time() -> None:
    many = b"\1x" * 500_000 + b"\0" + HEADER
    for parts in (many, b"\1x" * 500_000 + HEADER):
        with pytest.raises(FormatError, match="more than 1100 parts"):
            decode(parts)
    deep = decode(encode(Message.request("a.b", "[" * 100_000)))
    with pytest.raises(FormatError, match=r"a\.b: payload nests deeper"):
        _ = deep.args
    nested = Message.request("a.b", '{"a":' * 200_000)
    with pytest.raises(FormatError, match=r"a\.b: payload nests deeper"):
        _ = nested.data


@pytest.mark.rfc(3, "response-copies", "route-stack")
def test_a_response_goes_back_the_way_of_its_request() -> None:
    request = Message.request("a.b", matchtag=7, flags=0x40)
    request.route = [b"client", b"hop"]
    response = decode(encode(request.response({"x": 1})))
    assert (response.topic, response.matchtag, response.route) == ("a.b", 7, [b"client", b"hop"])
    assert response.streaming
    assert response.sender == b"client"
    assert encode(response).startswith(b"\3hop\6client\0")  # the newest hop comes first
