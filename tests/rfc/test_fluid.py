# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 19: FLUIDs."""

import hashlib
import itertools

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


@pytest.mark.rfc_vectors(19)
@pytest.mark.rfc(19, "decimal", "f58", "hex", "dothex", "words", "emoji", "emoji-order", "decoding-order")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_vectors(row):
    number = int(row[0])
    assert [fluid.encode(number, form) for form in ("dec", "f58", "hex", "dothex", "words", "emoji")] == row
    assert [fluid.parse(text) for text in row] == [number] * 6
    assert fluid.encode(number, "kvs") == "job." + row[3]
    assert fluid.encode(number, "f58plain") == "f" + row[1][1:]
    assert fluid.encode(number) == row[1]


@pytest.mark.rfc_vectors(19)
@pytest.mark.rfc(19, "f58", "emoji")
@pytest.mark.parametrize(
    ("number", "form", "text"),
    [(n, "f58", t) for n, t in F58.items()] + [(n, "emoji", t) for n, t in EMOJI.items()],
)
def test_more_f58_and_emoji(number, form, text):
    assert fluid.encode(number, form) == text
    assert fluid.parse(text) == number


#: SHA-256 of the table that accompanies the RFC, as one text.
DIGEST = "eee04299536d3f17f268cf1629514ec7e29c1e775a9d2ad6f6c53127486b1b2c"


@pytest.mark.rfc_vectors(19)
@pytest.mark.rfc(19, "emoji-selection", "emoji-order")
def test_the_table_of_emoji():
    from rosin.rfc.fluid.emoji import EMOJI as TABLE

    assert len(TABLE) == len(set(TABLE)) == 576
    assert {character.encode()[:2] for character in TABLE} == {b"\xf0\x9f"}
    assert TABLE[:2] == "😃😄"
    assert hashlib.sha256(TABLE.encode()).hexdigest() == DIGEST


@pytest.mark.rfc_vectors(19)
@pytest.mark.rfc(19, "layout")
def test_the_parts_of_an_id():
    number = 6731191091817518
    assert fluid.timestamp(number) == number >> 24 == 401210253
    assert (number >> 10 & 0x3FFF, number & 0x3FF) == (15451, 46)
    assert fluid.Generator(15451, 401210253).next(401210253) == number - 46


@pytest.mark.rfc_vectors(19)
@pytest.mark.parametrize("text", ["hungry-hippo-white-elephant", "hungry-hippos-white-elephant"])
def test_words_of_other_texts_are_no_id(text):
    with pytest.raises(FormatError):
        fluid.parse(text)


@pytest.mark.rfc_vectors(19)
@pytest.mark.rfc(19, "f58-ascii", "decoding-order")
@pytest.mark.parametrize(
    ("text", "number"), [("f111", 0), ("a.b.c.d", 2814797012533261), ("1.2.3.4", 281483566841860)]
)
def test_forms_that_are_not_written(text, number):
    assert fluid.parse(text) == number


@pytest.mark.rfc(19, "f58-ascii", "whitespace", "decoding-order")
@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("A.B.C.D", 2814797012533261),
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


@pytest.mark.rfc_vectors(19)
@pytest.mark.rfc(19, "decoding-order")
@pytest.mark.parametrize(
    "text",
    [
        *("", "boo", "f", "-1", "f0", "fO", "fI", "fl", "0.0.0", "0.0.0.0.0", "0.0.0.g", ".0.0.0"),
        *("a-b-c--d-e-f", "😀", "18446744073709551616"),
    ],
)
def test_invalid_vectors(text):
    with pytest.raises(FormatError, match="not a valid job id"):
        fluid.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("  f0", "'0' at column 4 is no base58 digit"),
        ("ƒ", "no digits after 'ƒ'"),
        ("f" + "1" * 13, "it has more than 12 digits"),
        ("fjpXCZedGfVR", "it does not fit into 64 bits"),
        ("12a4", "'a' at column 3 is no decimal digit"),
        ("-1", "it is negative"),
        ("0x", "no digits after '0x'"),
        ("0xfg", "'g' at column 4 is no hex digit"),
        ("0x" + "1" * 17, "it does not fit into 64 bits"),
        ("0.0.0", "expected 4 groups of hex digits between periods, got 3"),
        ("job.1.2.3.xx", "expected 1 to 4 hex digits at column 11, got 'xx'"),
        ("a-b", "expected 6 words, got 2"),
        ("academy-x-academy--academy-academy-academy", "unknown word 'x'"),
        ("amen-amen-amen--amen-amen-amen", "it does not fit into 64 bits"),
        ("😃x", "'x' at column 2 is no emoji digit"),
        ("🚹" * 7, "it does not fit into 64 bits"),
        ("😃" * 8, "it has more than 7 digits"),
        ("1" * 257, "it is longer than 256 characters"),
    ],
)
def test_errors_tell_why(text, why):
    with pytest.raises(FormatError) as caught:
        fluid.parse(text)
    assert str(caught.value).endswith(f" is not a valid job id: {why}")


@pytest.mark.parametrize("unit", ["1", "f", "ƒ1", "0x", "a-", "1.", "😄", " ", "\n", "\ud800"])
def test_hostile_text_takes_no_time(unit):
    with pytest.raises(FormatError, match="not a valid job id") as caught:
        fluid.parse(unit * ((1 << 20) // len(unit)))
    assert len(str(caught.value)) < 500


@given(st.text())
def test_any_text_is_an_id_or_refused(text):
    try:
        assert 0 <= fluid.parse(text) < 2**64
    except FormatError as error:
        fault = str(error)
    else:
        return
    assert "not a valid job id: " in fault


@pytest.mark.parametrize("number", [-1, 2**64])
def test_encode_refuses_what_has_no_64_bits(number):
    with pytest.raises(FormatError):
        fluid.encode(number)


def test_encode_refuses_an_unknown_form():
    with pytest.raises(FormatError, match="known: dec, hex"):
        fluid.encode(1, "roman")


@pytest.mark.rfc(19, "layout")
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


@pytest.mark.rfc(19, "unique", "sequence")
def test_generator_never_waits_nor_repeats():
    gen = fluid.Generator(1)
    ids = [gen.next(0) for _ in range(3000)]
    assert len(set(ids)) == 3000
    assert ids == sorted(ids)
    assert ids[1024] == (1 << 24 | 1 << 10)


# Steps of a clock in milliseconds: mostly a few on, at times far on or back, as when somebody sets it.
STEPS = st.one_of(
    st.integers(0, 2),
    st.just(0),
    st.integers(-(10**6), 10**6),
    st.integers(-(10**12), 10**9),
)


@pytest.mark.rfc(19, "unique", "ordered", "layout")
@given(
    st.lists(st.tuples(STEPS, st.integers(1, 40)), min_size=1, max_size=60),
    st.integers(0, 2**14 - 1),
    st.none() | st.integers(0, 10**12),
)
def test_ids_increase_whatever_the_clock_does(steps, genid, start):
    now = 1_700_000_000_000
    gen = fluid.Generator(genid, 7, None if start is None else now - start)
    ids = []
    for step, count in steps:
        now += step
        shown = gen.timestamp(now)
        ids += [gen.next(now) for _ in range(count)]
        assert gen.timestamp(now) >= max(shown, fluid.timestamp(ids[-1]))
    assert all(a < b for a, b in itertools.pairwise(ids))
    assert {i >> 10 & 0x3FFF for i in ids} == {genid}
    # An instance that starts again behind the largest of its ids repeats none.
    again = fluid.Generator(genid, fluid.timestamp(ids[-1]) + 1)
    assert again.next(now - 10**9) > ids[-1]


@pytest.mark.rfc(19, "sequence")
def test_a_generator_whose_clock_stands_still():
    gen = fluid.Generator(3, 100, now_ms=0)
    ids = [gen.next(0) for _ in range(5000)]
    assert ids == sorted(set(ids))
    assert fluid.timestamp(ids[-1]) == 100 + 4  # ahead of the clock, by as little as there is
    assert gen.next(1) == ids[-1] + 1  # until the clock has caught up
    assert gen.next(10) == 110 << 24 | 3 << 10


@pytest.mark.rfc(19, "unique")
def test_generators_at_the_same_time():
    gens = [fluid.Generator(genid, 5, now_ms=0) for genid in (0, 1, 2, 16383)]
    ids = [gen.next(n // 700) for n in range(20_000) for gen in gens]
    assert len(set(ids)) == 80_000


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
