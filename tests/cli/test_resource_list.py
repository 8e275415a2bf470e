# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin resource list, info, R and status on given input."""

import json

import pytest

from rosin.cli.resource.eventlog import Targets, context_matches, parse_matches
from rosin.cli.resource.listing import alike
from rosin.resource import ResourceSet
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet as Rset


def make(ranks="0-3", **properties):
    rset = Rset()
    for rank in Idset(ranks):
        rset.add_rank(rank, f"n{rank}", 0b11, 0b1 if rank == 0 else 0)
    for name, ids in properties.items():
        rset.set_property(name, ids)
    return rset.encode()


@pytest.fixture
def sched(command, tmp_path):
    """Run a listing on resources (all, down, allocated) and a configuration."""

    def run(*argv, all=None, down="3", allocated="1", config=None):
        everything = all or make()
        status = {
            "all": everything,
            "down": ResourceSet(everything).copy_ranks(down).to_dict() if down else None,
            "allocated": ResourceSet(everything).copy_ranks(allocated).to_dict() if allocated else None,
        }
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config or {}))
        return command("resource", *argv, "--from-stdin", f"--config-file={path}", stdin=json.dumps(status))

    return run


def test_list(sched):
    assert sched("list").out == (
        "     STATE NNODES NCORES NGPUS NODELIST\n"
        "      free      2      4     1 n[0,2]\n"
        " allocated      1      2     0 n1\n"
        "      down      1      2     0 n3\n"
    )


def test_list_shows_empty_states_unless_told_not_to(sched):
    assert sched("list", "-n", "-o{state}:{nnodes}", down="").out == "free:3\nallocated:1\ndown:0\n"
    assert sched("list", "-n", "-o{state}:{nnodes}", "--skip-empty", down="").out == "free:3\nallocated:1\n"
    assert sched("list", "-n", "-o{state}:{nnodes}", "-i", "1").out == "allocated:1\n"
    kept = sched("list", "-n", "-o{state}:{nnodes}", "-i", "1", "--no-skip-empty").out
    assert kept == "free:0\nallocated:1\ndown:0\n"


def test_list_includes_hosts_or_ranks(sched):
    for targets in ("2-3", "n[2-3]"):
        out = sched("list", "-n", "-s", "all", "-o{ranks}", "-i", targets).out
        assert out == "2-3\n"


def test_resources_with_other_properties_have_lines_of_their_own(sched):
    out = sched("list", "-n", "-s", "all", "-o{propertiesx}|{ranks}", all=make(a="0-1", b="1-2")).out
    assert out == "a|0\na,b|1\nb|2\n|3\n"
    one = sched("list", "-n", "-s", "all", "-o{ranks} {nnodes}", all=make(a="0-1", b="1-2")).out
    assert one == "0-3 4\n"


def test_queues_are_shown_by_what_they_require(sched):
    config = {
        "queues": {"batch": {"requires": ["a"]}, "debug": {"requires": ["b"]}, "v": {"parent": "batch"}}
    }
    R = make(a="0-2", b="3", c="0")
    out = sched(
        "list",
        "-n",
        "-s",
        "all",
        "-o{queue}|{propertiesx}|{ranks}",
        all=R,
        config={**config, "queues": {**config["queues"], "a": {"requires": ["a"]}}},
    ).out
    assert out == "batch,a|c|0\nbatch,a||1-2\ndebug|b|3\n"
    assert (
        sched("list", "-n", "-s", "all", "-o{queue} {ranks}", "-q", "debug", all=R, config=config).out
        == "debug 3\n"
    )
    assert (
        sched("list", "-n", "-s", "all", "-o{queue} {ranks}", "-q", "v", all=R, config=config).out
        == "v 0-2\n"
    )
    assert (
        sched("list", "-q", "nope", config=config).err
        == "rosin-resource: ERROR: --queue: nope: no such queue\n"
    )


def test_splitting_is_linear_in_what_is_there():
    names = {f"p{n}": str(n % 4) for n in range(40)}
    parts = list(alike(ResourceSet(make(**names))))
    assert sorted(part.ranks.encode() for _, part in parts) == ["0", "1", "2", "3"]


def test_info_and_R(sched):
    assert sched("info").out == "4 Nodes, 8 Cores, 1 GPUs\n"
    assert sched("info", "-s", "free").out == "2 Nodes, 4 Cores, 1 GPUs\n"
    R = json.loads(sched("R", "-s", "free,down").out)
    assert ResourceSet(R).ranks.encode() == "0,2-3"


@pytest.mark.parametrize("name", ["list", "info", "R"])
def test_a_queue_without_a_name(sched, name):
    result = sched(name, "-q", "")
    assert (result.code, result.err) == (1, "rosin-resource: ERROR: --queue: : no such queue\n")


@pytest.mark.parametrize("name", ["list", "info", "R"])
def test_unknown_state(sched, name):
    result = sched(name, "-s", "foo")
    assert (result.code, result.err) == (1, "rosin-resource: ERROR: Invalid resource state foo specified\n")


STATUS = {
    "R": make(),
    "online": "0-2",
    "offline": "3",
    "exclude": "0",
    "torpid": "1",
    "drain": {"1": {"timestamp": 1.7e9, "reason": "fan"}, "3": {"timestamp": 1.7e9 + 60, "reason": ""}},
}


@pytest.fixture
def status(command):
    def run(*argv, source=STATUS):
        return command("resource", "status", *argv, "--from-stdin", stdin=json.dumps(source))

    return run


def test_status(status):
    assert status().out == (
        "       STATEUP NNODES NODELIST\n"
        "       avail ✔      1 n2\n"
        "     exclude ✔      1 n0\n"
        "     drained ✔      1 n1\n"
        "    drained* ✗      1 n3\n"
    )


def test_status_of_drained_ranks_has_reasons(status):
    out = status("-s", "drained", "-n", "-o{ranks} {reason} {timestamp!d:%F} {up.ascii}").out
    assert out == "1 fan 2023-11-14 y\n3  2023-11-14 n\n"


def test_status_finds_hosts_by_rank(status):
    """R need not begin at rank 0, and a broker that it does not know may be drained."""
    drain = {"3,7": {"timestamp": 1.7e9, "reason": "fan"}}
    source = {**STATUS, "R": make("2-3"), "exclude": "", "torpid": "", "drain": drain}
    out = status("-n", "-o{state}:{nnodes}:{nodelist}", source=source).out
    assert out == "avail:1:n2\ndrained*:2:n3\n"


def test_status_of_offline_ranks(status):
    assert status("-s", "offline", "-n", "-o{state} {ranks}", "--skip-empty").out == "drained* 3\n"


def test_status_with_states_shows_empty_lines(status):
    assert status("-s", "avail,allocated", "-n", "-o{state} {nnodes}").out == "avail 1\nallocated 0\n"


def test_torpid_ranks_that_are_drained_are_not_shown_twice(status):
    assert status("-s", "torpid", "-n", "-o{nnodes}").out == "1\n"
    assert status("-s", "torpid,drained", "-n", "-o{statex} {ranks}").out == "torpid \ndrained 1,3\n"


def test_status_colors_the_mark_only_when_asked(status):
    assert "\x1b[01;32m ✔\x1b[0;0m" in status("-L").out
    assert "\x1b" not in status("--color=never").out


def test_status_error_names_the_valid_states(status):
    result = status("-s", "foo")
    assert result.code == 1
    assert "valid states: all,online,avail" in result.err


def test_event_targets():
    targets = Targets("1-2", "a,b,c")
    assert targets.match({"idset": "2-5"})
    assert not targets.match({"idset": "0", "nodelist": "b"})
    hosts = Targets("b", "a,b,c")
    assert hosts.match({"nodelist": "b"})
    assert hosts.match({"idset": "1"})
    assert not hosts.match({})


def test_event_contexts():
    wanted = parse_matches(["a=1", "b=x", "c=1.5"])
    assert context_matches({"a": 1, "b": "x", "c": 1.500001}, wanted)
    assert context_matches({"a": "1", "b": "x", "c": 1.5}, wanted)
    assert not context_matches({"a": 1, "b": "y", "c": 1.5}, wanted)
    with pytest.raises(ValueError, match="'a' is not KEY=VAL"):
        parse_matches(["a"])


def test_status_of_a_queue_without_a_name(status):
    assert status("-q", "").err == "rosin-resource: ERROR: --queue: : no such queue\n"
