# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 32: the examples of the text, what is refused, the order of responses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.exec_protocol import StartRequest, StartResponse, StartStream, hello, service_name

ID = 1552593348
START = {"id": ID, "userid": 5588, "jobspec": {}, "R": {}, "reattach": False}


def response(kind: str, **data: Any) -> dict[str, Any]:
    return {"id": ID, "type": kind, "data": data}


RESPONSES = [
    response("start"),
    response("reattached"),
    response("release", ranks="0-2", final=True),
    response("exception", severity=0, type="timeout", note="resource allocation expired"),
    response("finish", status=143),
]
EXAMPLES: list[tuple[Any, dict[str, Any]]] = [
    (lambda obj: hello(service_name(obj)), {"service": "job-exec"}),
    (lambda obj: StartRequest.decode(obj).encode(), START),
    *((lambda obj: StartResponse.decode(obj).encode(), example) for example in RESPONSES),
]


@pytest.mark.rfc(32, "hello", "start", "response", "release", "exception", "finish")
@pytest.mark.rfc_vectors(32)
@pytest.mark.parametrize(("through", "obj"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples(through, obj):
    assert through(json.loads(json.dumps(obj))) == obj


def test_ids_begin_with_zero():
    assert (
        StartResponse.decode({**RESPONSES[0], "id": 0}).id == StartRequest.decode({**START, "id": 0}).id == 0
    )


@pytest.mark.rfc(32, "release")
def test_releases():
    release = StartResponse.decode(response("release", ranks="1-2", final=False))
    assert not release.final
    everything = StartResponse.decode(response("release", ranks="all", final=True))
    assert everything.final


@pytest.mark.parametrize(
    ("read", "obj", "text"),
    [
        (service_name, {}, "^exec-hello: missing field 'service'"),
        (service_name, {"service": ""}, "^exec-hello: field 'service': the name is empty"),
        (StartRequest.decode, [], "^start: expected an object, got an array"),
        (StartRequest.decode, {**START, "id": "1"}, "^start: field 'id': expected an integer, got '1'"),
        (StartRequest.decode, {**START, "R": None}, "^start: field 'R': expected an object, got null"),
        (
            StartRequest.decode,
            {k: v for k, v in START.items() if k != "reattach"},
            "^start: missing field 'reattach'",
        ),
        (StartResponse.decode, {"id": 1, "type": "start"}, "^start response: missing field 'data'"),
        (StartResponse.decode, response("stop"), "^start response: unknown type 'stop': expected start, "),
        (StartResponse.decode, response("release", ranks="0"), "^start response: missing field 'final'"),
        (StartResponse.decode, response("release", ranks="x", final=True), "field 'ranks': idset: "),
        (StartResponse.decode, response("exception", severity=8, type="x"), "'severity': expected 0 to 7"),
        (StartResponse.decode, response("exception", severity=0), "missing field 'type'"),
        (
            StartResponse.decode,
            response("exception", severity=0, type="x", note=1),
            "'note': expected a string",
        ),
        (StartResponse.decode, response("finish"), "missing field 'status'"),
        (StartResponse.decode, response("finish", status=-1), "'status': expected 0 to"),
    ],
)
def test_what_is_refused(read, obj, text):
    with pytest.raises(FormatError, match=text):
        read(obj)


def take(reattach: bool, *kinds: str) -> StartStream:
    stream = StartStream(reattach)
    data: dict[str, dict[str, Any]] = {
        "release": {"ranks": "0", "final": False},
        "last": {"ranks": "1", "final": True},
        "exception": {"severity": 0, "type": "x"},
        "finish": {"status": 0},
    }
    for kind in kinds:
        obj = response("release" if kind == "last" else kind, **data.get(kind, {}))
        stream.take(StartResponse.decode(obj))
    return stream


@pytest.mark.rfc(32, "one-start", "final-release", "exception")
@pytest.mark.parametrize(
    ("reattach", "kinds", "done"),
    [
        (False, ["start", "finish", "last"], True),
        (False, ["start", "release", "finish", "last"], True),
        (False, ["start", "finish", "release", "release", "last"], True),
        (False, ["exception", "last"], True),
        (False, ["last"], True),
        (True, ["reattached", "exception", "exception", "finish", "last"], True),
        (False, ["start", "finish", "release"], False),
    ],
)
def test_orders(reattach, kinds, done):
    assert take(reattach, *kinds).done is done


@pytest.mark.rfc(32, "one-start", "final-release")
@pytest.mark.parametrize(
    ("reattach", "kinds", "text"),
    [
        (False, ["start", "start"], "start occurs twice"),
        (True, ["reattached", "reattached"], "reattached occurs twice"),
        (False, ["reattached"], "reattached answers a request without reattach"),
        (True, ["start"], "start answers a request with reattach"),
        (False, ["finish", "finish"], "finish occurs twice"),
        (False, ["last", "finish"], "finish comes after the final release"),
        (False, ["last", "last"], "release comes after the final release"),
    ],
)
def test_orders_that_are_wrong(reattach, kinds, text):
    with pytest.raises(FormatError, match=f"^start response: {text}"):
        take(reattach, *kinds)


values = st.none() | st.booleans() | st.integers() | st.text("0-2,x", max_size=4) | st.just({}) | st.just([])
keys = st.sampled_from(["id", "type", "ranks", "final", "severity", "note", "status", "service"])
objects = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(-1, 9) | values,
        "type": st.sampled_from(["start", "reattached", "release", "exception", "finish"]) | values,
        "data": st.dictionaries(keys, values) | values,
        "userid": values,
        "jobspec": values,
        "R": values,
        "reattach": values,
        "service": values,
    },
)


@given(objects | values)
def test_any_input(obj):
    for read in (service_name, StartRequest.decode, StartResponse.decode):
        fault = ""
        try:
            read(obj)
        except FormatError as error:
            fault = str(error)
        assert "\n" not in fault
