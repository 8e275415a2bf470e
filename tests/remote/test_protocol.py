# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: what clients send, and what they read of responses."""

import pytest

from rosin.errors import FormatError
from rosin.remote import protocol
from rosin.remote.command import Command
from rosin.rfc.ioencode import encode_data


def test_a_command_is_what_the_server_reads():
    plain = protocol.command(["true"], {})
    assert plain == {"cmdline": ["true"], "env": {}, "opts": {}, "channels": []}
    full = protocol.command(["a", "b"], {"x": "y"}, {"o": "p"}, "/", "me")
    read = Command.decode(full)
    assert (read.cmdline, read.env, read.opts, read.cwd, read.label) == (
        ["a", "b"],
        {"x": "y"},
        {"o": "p"},
        "/",
        "me",
    )


def test_requests():
    cmd = protocol.command(["true"], {})
    assert protocol.exec_request(cmd) == {"cmd": cmd, "flags": 3, "local_flags": 0}
    assert protocol.attach_request("12", 1) == {"flags": 1, "pid": 12}
    assert protocol.attach_request("name") == {"flags": 3, "pid": -1, "label": "name"}
    assert protocol.attach_request("²")["label"] == "²"
    assert protocol.kill_request(5, 15) == {"pid": 5, "signum": 15}
    end = protocol.write_request(7, "stdin", b"", True)
    assert end == {"matchtag": 7, "io": {"stream": "stdin", "rank": "0", "eof": True}}
    assert protocol.write_request(7, "stdin", b"x", False)["io"]["data"] == "x"


@pytest.mark.parametrize(
    ("payload", "parts"),
    [
        ({"type": "started", "pid": 12}, {"pid": 12}),
        ({"type": "attached", "pid": 12, "cmd": {}}, {"pid": 12}),
        ({"type": "stopped"}, {}),
        ({"type": "finished", "status": 0}, {"status": 0}),
        ({"type": "add-credit", "channels": {"stdin": 4096}}, {"credit": {"stdin": 4096}}),
    ],
)
def test_responses(payload, parts):
    response = protocol.Response(payload)
    assert response.type == payload["type"]
    names = ("pid", "io", "status", "credit")
    assert {name: getattr(response, name) for name in names} == {**dict.fromkeys(names), **parts}


def test_output():
    response = protocol.Response({"type": "output", "pid": 3, "io": encode_data("stderr", 2, b"x\n")})
    assert response.io is not None
    assert (response.io.stream, response.io.data, response.io.eof) == ("stderr", b"x\n", False)
    assert response.pid is None


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        ({}, "type"),
        ({"type": 3}, "type"),
        ({"type": "started"}, "pid"),
        ({"type": "started", "pid": 0}, "pid"),
        ({"type": "finished", "status": None}, "status"),
        ({"type": "output", "io": 3}, "io"),
        ({"type": "add-credit", "channels": {"stdin": "x"}}, "stdin"),
    ],
)
def test_malformed_responses(payload, key):
    with pytest.raises(FormatError, match=f"'{key}'|{key}"):
        protocol.Response(payload)
