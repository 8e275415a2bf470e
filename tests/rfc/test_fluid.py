# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 19: FLUIDs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import fluid

TABLE = """
6731191091817518 ƒuZZybuNNy 0x17e9fb8df16c2e 0017.e9fb.8df1.6c2e
    reform-remote-galileo--heart-package-academy 👩💅📓😸👑🚓
4181414752813056 ƒZemgA8Bzf 0xedaf97d000000 000e.daf9.7d00.0000
    random-idea-yoyo--sugar-printer-academy 💕🆙🔑🙅🍠👘
8213253243011072 ƒ278oEf7zGf 0x1d2de90a000000 001d.2de9.0a00.0000
    peace-turbo-barcode--cement-pretend-academy 💃🚥🔐🌛🍬🔞
32031603597246464 ƒ5K8AuopHZ9 0x71cc92e2000000 0071.cc92.e200.0000
    loyal-demo-love--famous-druid-active 🚹💂🙌😳💱🏃
39601885002334208 ƒ6LEmNENaf9 0x8cb1b460000000 008c.b1b4.6000.0000
    spain-garage-puma--gilbert-yogurt-actor 😄😹🎇📥🏧🙉🔞
32031692986253312 ƒ5K8DFzpK2P 0x71cca7b2000000 0071.cca7.b200.0000
    harbor-domingo-isabel--hexagon-druid-active 🚹💂🈳💰🎩🏃
0 ƒ1 0x0 0000.0000.0000.0000
    academy-academy-academy--academy-academy-academy 😃
1 ƒ2 0x1 0000.0000.0000.0001
    acrobat-academy-academy--academy-academy-academy 😄
18446744073709551615 ƒjpXCZedGfVQ 0xffffffffffffffff ffff.ffff.ffff.ffff
    natural-analyze-verbal--natural-analyze-verbal 🚹💗💧👗😷📷📚
"""
VECTORS = TABLE.split()
ROWS = [VECTORS[i : i + 6] for i in range(0, len(VECTORS), 6)]
F58 = {
    57: "ƒz",
    1234: "ƒNH",
    1888: "ƒZZ",
    3363: "ƒzz",
    3364: "ƒ211",
    4369: "ƒ2JL",
    65535: "ƒLUv",
    4294967295: "ƒ7YXq9G",
    633528662: "ƒxyzzy",
    18446744073709551614: "ƒjpXCZedGfVP",
}
EMOJI = {57: "🙊", 1234: "😁👌", 1888: "😆🐻", 4369: "😊🌀", 65535: "💁📚", 4294967295: "😳🏪🍖🍸"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_vectors(row):
    number = int(row[0])
    assert [fluid.encode(number, form) for form in ("dec", "f58", "hex", "dothex", "words", "emoji")] == row
    assert [fluid.parse(text) for text in row] == [number] * 6
    assert fluid.encode(number, "kvs") == "job." + row[3]
    assert fluid.encode(number, "f58plain") == "f" + row[1][1:]
    assert fluid.encode(number) == row[1]


def test_more_f58_and_emoji():
    assert {n: fluid.encode(n, "f58") for n in F58} == F58
    assert {n: fluid.encode(n, "emoji") for n in EMOJI} == EMOJI
    assert {fluid.parse(text): text for text in F58.values()} == F58
    assert {fluid.parse(text): text for text in EMOJI.values()} == EMOJI


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("f111", 0),
        ("a.b.c.d", 2814797012533261),
        ("A.B.C.D", 2814797012533261),
        ("1.2.3.4", 281483566841860),
        ("job.0000.0000.0000.0001", 1),
        ("  42\n", 42),
        (" ƒ2 ", 1),
        ("0X1f", 31),
        ("0x1F", 31),
        ("007", 7),
        ("ACADEMY academy acrobat academy-academy-academy", 1626 * 1626),
    ],
)
def test_liberal_forms(text, number):
    assert fluid.parse(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "boo",
            "f",
            "ƒ",
            "-1",
            "+1",
            "1_0",
            "١",
            "f0",
            "fO",
            "fI",
            "fl",
            "0x",
            "0xg",
            "0x-1",
            "0x1_0",
        ),
        *("0.0.0", "0.0.0.0.0", "0.0.0.g", ".0.0.0", "1.2.3.", "1.2.3.+4", "1.2.3.10000", "job.1"),
        *("a-b-c--d-e-f", "academy-academy-academy--academy-academy", "amen-amen-amen--amen-amen-amen"),
        *("😀", "😃x", "18446744073709551616", "0x10000000000000000", "fjpXCZedGfVR", "f" + "1" * 13),
        *("9" * 10_000, "😄" * 8, "1.5", "1e3", "\0"),
    ],
)
def test_invalid(text):
    with pytest.raises(FormatError, match="not a valid job id"):
        fluid.parse(text)


@given(st.integers(0, 2**64 - 1), st.sampled_from(fluid.FORMS))
def test_round_trip(number, form):
    assert fluid.parse(fluid.encode(number, form)) == number


@given(st.text())
def test_any_text_is_an_id_or_refused(text):
    try:
        assert 0 <= fluid.parse(text) < 2**64
    except FormatError as error:
        assert "not a valid job id" in str(error)  # noqa: PT017


@pytest.mark.parametrize("number", [-1, 2**64])
def test_encode_refuses_what_has_no_64_bits(number):
    with pytest.raises(FormatError):
        fluid.encode(number)


def test_encode_refuses_an_unknown_form():
    with pytest.raises(FormatError, match="known: dec, hex"):
        fluid.encode(1, "roman")


def test_generator_lays_out_its_fields():
    gen = fluid.Generator(15451, 401210253, now_ms=1000)
    ids = [gen.next(1001) for _ in range(47)]
    assert ids[0] == (401210254 << 24 | 15451 << 10)
    assert ids[46] == ids[0] + 46
    assert fluid.timestamp(ids[46]) == 401210254


def test_generator_starts_at_its_timestamp_on_first_use():
    gen = fluid.Generator(0, 500)
    assert gen.next(1_700_000_000_000) == 500 << 24
    assert gen.next(1_700_000_000_003) == 503 << 24
    assert gen.timestamp(1_700_000_000_010) == 510


def test_generator_never_waits_nor_repeats():
    gen = fluid.Generator(1)
    ids = [gen.next(0) for _ in range(3000)]
    assert len(set(ids)) == 3000
    assert ids == sorted(ids)
    assert ids[1024] == (1 << 24 | 1 << 10)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200), st.integers(0, 2**14 - 1))
def test_ids_increase_whatever_the_clock_does(clock, genid):
    gen = fluid.Generator(genid, 7)
    ids = [gen.next(now) for now in clock]
    assert ids == sorted(set(ids))
    assert {i >> 10 & 0x3FFF for i in ids} == {genid}


def test_generator_limits():
    with pytest.raises(FormatError):
        fluid.Generator(1 << 14)
    with pytest.raises(FormatError):
        fluid.Generator(0, 1 << 40)
    with pytest.raises(FormatError):
        fluid.Generator(0, -1)
    gen = fluid.Generator(0, (1 << 40) - 1, now_ms=0)
    gen.next(0)
    with pytest.raises(FormatError, match="exhausted"):
        gen.next(1)
