# SPDX-License-Identifier: LGPL-3.0-or-later
"""Business cards: flux-core's bytes, and what is refused of another broker's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.broker.overlay.bootstrap import Card
from rosin.errors import FormatError

KEY = "mI{CcBdt%Km<>lx8SVY1C)kHylFxS#w.7zlMe.mw"
#: As flux-core 0.88 puts them, by FLUX_PMI_DEBUG.
CARDS = [
    (
        Card("vm", KEY, ["ipc:///tmp/flux-12ZwBq/tbon-0"]),
        '{"host":"vm","uri":["ipc:///tmp/flux-12ZwBq/tbon-0"],"pubkey":"mI{CcBdt%Km<>lx8SVY1C)kHylFxS#w.7zlMe.mw"}',
    ),
    (
        Card("vm", KEY, []),
        '{"host":"vm","uri":[],"pubkey":"mI{CcBdt%Km<>lx8SVY1C)kHylFxS#w.7zlMe.mw"}',
    ),
    (
        Card("node1", "", ["tcp://node1:8050"]),
        '{"host":"node1","uri":["tcp://node1:8050"]}',
    ),
]


@pytest.mark.parametrize(("card", "text"), CARDS)
def test_a_card_has_the_bytes_of_flux_core(card, text):
    assert card.encode() == text
    assert Card.decode(text) == card


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "business card: expected JSON"),
        ("[" * 100_000, "business card: expected JSON"),
        ("[]", "business card: expected an object, got an array"),
        ("{}", "host"),
        ('{"host":1,"uri":[]}', "host"),
        ('{"host":"a"}', "uri"),
        ('{"host":"a","uri":{}}', "uri"),
        ('{"host":"","uri":[]}', "'' is no host name"),
        ('{"host":"a b","uri":[]}', "is no host name"),
        ('{"host":"a[0-9]","uri":[]}', "is no host name"),
        ('{"host":"a,b","uri":[]}', "is no host name"),
        ('{"host":"a\\n","uri":[]}', "is no host name"),
        ('{"host":"a","uri":[],"pubkey":"short"}', "business card of a: 'short' is no public key"),
        ('{"host":"a","uri":[],"pubkey":null}', "pubkey"),
        ('{"host":"a","uri":["node1"]}', "expected up to 16 addresses"),
        ('{"host":"a","uri":[1]}', "expected up to 16 addresses"),
        ('{"host":"a","uri":["tcp://\\u0000"]}', "expected up to 16 addresses"),
        ('{"host":"a","uri":[' + ",".join(['"tcp://a:1"'] * 17) + "]}", "expected up to 16 addresses"),
    ],
)
def test_what_is_no_card(text, error):
    with pytest.raises(FormatError) as info:
        Card.decode(text)
    assert error in str(info.value)
    assert "\n" not in str(info.value)


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_a_card_or_a_format_error(text):
    try:
        card = Card.decode(text)
    except FormatError:
        return
    assert Card.decode(card.encode()) == card


NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True)
CARD = st.builds(
    Card,
    NAMES,
    st.sampled_from(["", KEY]),
    st.lists(
        NAMES.map(lambda name: f"tcp://{name}:1") | NAMES.map(lambda name: f"ipc:///{name}"), max_size=4
    ),
)


@given(CARD)
def test_there_and_back(card):
    assert Card.decode(card.encode()) == card


def test_on_one_host_a_socket_goes_before_the_network():
    both = Card("a", "", ["tcp://10.0.0.1:5000", "ipc:///run/tbon-0"])
    assert both.uri(local=True) == "ipc:///run/tbon-0"
    assert both.uri(local=False) == "tcp://10.0.0.1:5000"
    assert Card("a", "", ["tcp://10.0.0.1:5000"]).uri(local=True) == "tcp://10.0.0.1:5000"
    assert Card("a", "", []).uri(local=True) is None
