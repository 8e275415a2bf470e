# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 28: the examples, what changes add up to, hostile input."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.acquire import Acquired, Change, first_response, transition
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

FIRST: dict[str, Any] = {
    "resources": {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0-5", "children": {"core": "0-5", "gpu": "0"}}],
            "starttime": 0.0,
            "expiration": 0.0,
            "nodelist": ["host[0-5]"],
        },
    },
    "up": "0-2",
}
# With the misspelt key of the text, and with what is meant.
NEXT: dict[str, Any] = {
    "up": "3-6",
    "down": "2,6",
    "shink": "6",
    "property-add": {"foo": "0-1"},
    "property-remove": {"bar": "3"},
}


@pytest.mark.rfc(28, "first", "up-first")
@pytest.mark.rfc_vectors(28)
@pytest.mark.parametrize("response", [FIRST])
def test_the_first_response(response):
    view = Acquired(response)
    assert (str(view.up), str(view.down), view.expiration) == ("0-2", "3-5", 0.0)
    assert first_response(view.resources(), view.up) == FIRST
    with pytest.raises(FormatError, match="up: ranks 6 are not among the resources"):
        first_response(view.resources(), Idset("6"))


@pytest.mark.rfc(28, "later", "properties")
@pytest.mark.rfc_vectors(28)
@pytest.mark.parametrize("response", [NEXT])
def test_a_later_response(response):
    change = Change.decode(response)
    assert (str(change.up), str(change.down), str(change.shrink)) == ("3-6", "2,6", "")
    assert (change.add, change.remove) == ({"foo": Idset("0-1")}, {"bar": Idset("3")})
    view = Acquired(FIRST)
    view.apply(change)
    assert (str(view.up), str(view.down)) == ("0-1,3-5", "2")  # there is no rank 6
    assert view.properties() == {"foo": Idset("0-1")}


@pytest.mark.rfc(28, "shrink", "shrink-precedence", "expiration", "only-up")
def test_what_is_gone_stays_so():
    view = Acquired(FIRST)
    change = Change(up=Idset("3-5"), shrink=Idset("4"), expiration=7.5)
    assert change.encode() == {"up": "3-5", "down": "4", "shrink": "4", "expiration": 7.5}
    view.apply(Change.decode(change.encode()))
    view.apply(Change(up=Idset("4"), add={"a": Idset("3-4")}))
    assert (str(view.up), str(view.down), str(view.removed)) == ("0-3,5", "", "4")
    assert view.expiration == view.resources().expiration == 7.5
    assert view.resources().ranks() == Idset("0-3,5")
    assert view.resources().get_properties() == {"a": "3"}
    view.apply(Change(remove={"a": Idset("3"), "b": Idset("1")}, down=Idset("0")))
    assert view.properties() == {}
    assert view.resources().ranks() == Idset("0-3,5")  # down is feasible still
    assert not Change()
    assert repr(Change(up=Idset("1"))) == "<Change {'up': '1'}>"
    assert Change() != 1


sets = st.sets(st.integers(0, 9), max_size=6).map(Idset)
names = st.dictionaries(st.sampled_from(["a", "+q", "b@gpu"]), sets.filter(bool), max_size=2)
changes = st.builds(Change, sets, sets, sets, names, names, st.none() | st.floats(0, 1e12, allow_nan=False))


@pytest.mark.rfc(28, "later", "up-down", "shrink")
@given(st.lists(st.tuples(sets, sets, st.booleans())))
def test_responses_add_up(steps):
    """Whatever a service tells of its state in turn, the scheduler knows the same."""
    resources = ResourceSet.decode(FIRST["resources"])
    mine = resources.ranks()
    up, gone = Idset("1"), Idset()
    view = Acquired(first_response(resources, up))
    for now, lost, shrinks in steps:
        more = (lost & mine) - gone if shrinks else Idset()
        gone |= more
        now = (now & mine) - gone
        change = transition(up, now, more)
        assert (now - up, up - now) == (change.up, change.down)
        up = now
        if change:
            assert change.shrink <= Idset(change.encode().get("down", ""))
            view.apply(Change.decode(json.loads(json.dumps(change.encode()))))
        assert (view.up, view.removed, view.down) == (up, gone, mine - up - gone)


@given(changes)
def test_round_trip(change):
    if change:
        again = Change.decode(json.loads(json.dumps(change.encode())))
        change.down |= change.shrink
        assert again == change


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (None, "^acquire: expected an object, got null"),
        ({}, "^acquire: expected one or more of up, down, shrink"),
        ({"shink": "6"}, "^acquire: expected one or more of up"),
        ({"up": 1}, "^acquire: up: expected an idset, got 1"),
        ({"up": "x"}, "^acquire: up: idset: unexpected 'x' at column 1"),
        ({"down": "0-1048576"}, "^acquire: down: idset: id at column 3 is above the limit"),
        ({"property-add": []}, "^acquire: property-add: expected an object, got an array"),
        ({"property-add": {"a b&": "1"}}, "^acquire: property-add: invalid character '&'"),
        ({"property-remove": {"a": 1}}, "^acquire: property-remove.a: expected an idset, got 1"),
        ({"expiration": "x"}, "^acquire: expiration: expected a time in seconds, got 'x'"),
        ({"expiration": -1.0}, "^acquire: expiration: expected a time in seconds, got -1.0"),
    ],
)
def test_faulty_changes(obj, text):
    with pytest.raises(FormatError, match=text):
        Change.decode(obj)


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        ([], "^acquire: expected an object, got an array"),
        ({"up": ""}, "^acquire: resources is missing"),
        ({"resources": FIRST["resources"]}, "^acquire: up is missing"),
        ({**FIRST, "resources": 1}, "^acquire: resources: expected an object, got 1"),
        ({**FIRST, "resources": {}}, "^acquire: resources: R: version is missing"),
        ({**FIRST, "up": "0-6"}, "^acquire: up: ranks 6 are not among the resources"),
        ({**FIRST, "up": None}, "^acquire: up: expected an idset, got null"),
    ],
)
def test_faulty_first_responses(obj, text):
    with pytest.raises(FormatError, match=text):
        Acquired(obj)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("0-3,", max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)
keys = ["up", "down", "shrink", "property-add", "property-remove", "expiration", "resources"]


@given(json_values | st.dictionaries(st.sampled_from(keys), json_values))
def test_any_input(obj):
    for function in (Change.decode, Acquired):
        try:
            function(obj)
        except FormatError as error:
            fault = str(error)
        else:
            fault = ""
        assert "\n" not in fault


def test_a_megabyte():
    many = ",".join(str(n) for n in range(0, 300_000, 2))
    change = Change.decode({"up": many, "property-add": {f"p{n}": "1048575" for n in range(2_000)}})
    assert len(change.up) == 150_000
    view = Acquired(FIRST)
    view.apply(change)
    assert str(view.up) == "0-2,4"
    assert view.properties() == {}
