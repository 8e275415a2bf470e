# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: spawning further programs, on the wire and at its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.pmi import spawn as pmi_spawn
from rosin.rfc.pmi.client import Failure
from rosin.rfc.pmi.server import Server
from rosin.rfc.pmi.spawn import Spawn

from .test_pmi import ask, program
from .test_pmi_lines import STRINGS, WORDS

FULL = Spawn("/bin/a b", ["-x", "", "y=z"], 4, [("k", "v w")], [("host", "a"), ("soft", "1:2")], 2, 1)


@pytest.mark.rfc_vectors(13)
@pytest.mark.rfc(13, "spawn-lines", "spawn-indices")
def test_spawn_on_the_wire():
    assert pmi_spawn.encode(FULL).splitlines() == [
        "mcmd=spawn",
        "nprocs=4",
        "execname=/bin/a b",
        "totspawns=2",
        "spawnssofar=1",
        "arg0=-x",
        "arg1=",
        "arg2=y=z",
        "argcnt=3",
        "preput_num=1",
        "preput_key_0=k",
        "preput_val_0=v w",
        "info_num=2",
        "info_key_0=host",
        "info_val_0=a",
        "info_key_1=soft",
        "info_val_1=1:2",
        "endcmd",
    ]
    assert pmi_spawn.decode(pmi_spawn.encode(FULL).splitlines()) == FULL


@given(
    st.builds(
        Spawn,
        STRINGS,
        st.lists(STRINGS),
        st.integers(0, 100),
        st.lists(st.tuples(WORDS, STRINGS)),
        st.lists(st.tuples(STRINGS, STRINGS)),
    )
)
def test_spawn_round_trip(spawn):
    assert pmi_spawn.decode(pmi_spawn.encode(spawn).splitlines(keepends=True)) == spawn


def test_spawn_is_refused_at_its_end_only():
    server, (client,) = program()
    assert server.request(0, "mcmd=spawn") == []
    assert server.request(0, "cmd=barrier_in") == []  # a line of the request now
    assert server.request(0, "endcmd") == [(0, "cmd=spawn_result rc=-1\n")]
    with pytest.raises(Failure, match="spawn: PMI_FAIL"):
        ask(server, client, client.spawn(FULL))


def test_spawn_where_the_owner_provides_it():
    server, (client,) = program()
    seen = []
    server.spawn = lambda rank, spawn: seen.append((rank, spawn)) or (0, [0, 0, -1])
    assert ask(server, client, client.spawn(FULL)) == {"errcodes": "0,0,-1"}
    assert seen == [(0, FULL)]


@pytest.mark.rfc(13, "spawn-indices")
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda lines: lines[:-1], "from mcmd=spawn to endcmd"),
        (lambda lines: lines[1:], "from mcmd=spawn to endcmd"),
        (lambda lines: [line.replace("arg1", "arg7") for line in lines], "arg1 is missing"),
        (lambda lines: [line for line in lines if "argcnt" not in line], "argcnt is missing"),
        (lambda lines: [line.replace("nprocs=4", "nprocs=four") for line in lines], "nprocs: expected"),
        (lambda lines: [line.replace("argcnt=3", "argcnt=9999999") for line in lines], "argcnt: expected 0"),
        (lambda lines: [*lines[:3], "what is this", *lines[3:]], "line 4: expected key=value"),
        (lambda lines: [*lines[:3], "nprocs=1", *lines[3:]], "line 4: 'nprocs' occurs twice"),
    ],
)
def test_broken_spawns(change, error):
    with pytest.raises(FormatError, match=error):
        pmi_spawn.decode(change(pmi_spawn.encode(FULL).splitlines()))


def test_spawns_have_a_limit():
    server = Server("kvs", 1, 1)
    server.request(0, "mcmd=spawn")
    for number in range(17):
        assert server.request(0, f"arg{number}={'x' * 60000}") == []
    with pytest.raises(FormatError, match="longer than 1048576"):
        server.request(0, f"arg17={'x' * 60000}")
    with pytest.raises(FormatError, match="cannot be sent"):
        pmi_spawn.encode(Spawn("a\nb"))
