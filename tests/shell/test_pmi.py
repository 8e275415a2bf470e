# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: the PMI-1 server, line by line."""

import sys

import pytest

from rosin.errors import FormatError
from rosin.rfc.pmi import parse
from rosin.rfc.pmi.server import Abort, Server


@pytest.fixture
def server():
    return Server("kvs", size=2, local_size=2, keys={"PMI_process_mapping": "(vector,(0,1,2))"})


def test_the_example_session():
    server = Server("kvs", 1, 1, {"PMI_process_mapping": "(vector,(0,1,1))"})
    session = [
        (
            "cmd=init pmi_version=1 pmi_subversion=1",
            "cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1",
        ),
        ("cmd=get_maxes", "cmd=maxes rc=0 kvsname_max=64 keylen_max=64 vallen_max=1024"),
        ("cmd=get_my_kvsname", "cmd=my_kvsname rc=0 kvsname=kvs"),
        ("cmd=get kvsname=kvs key=PMI_process_mapping", "cmd=get_result rc=0 value=(vector,(0,1,1))"),
        ("cmd=put kvsname=kvs key=a value=x=y z", "cmd=put_result rc=0"),
        ("cmd=barrier_in", "cmd=barrier_out rc=0"),
        ("cmd=get kvsname=kvs key=a", "cmd=get_result rc=0 value=x=y z"),
        ("cmd=get_universe_size", "cmd=universe_size rc=0 size=1"),
        ("cmd=get_appnum", "cmd=appnum rc=0 appnum=0"),
        ("cmd=finalize", "cmd=finalize_ack rc=0"),
    ]
    for line, answer in session:
        assert server.request(0, line) == [(0, answer + "\n")]


def test_a_barrier_waits_for_everybody(server):
    assert server.request(0, "cmd=barrier_in") == []
    assert server.request(1, "cmd=barrier_in") == [
        (0, "cmd=barrier_out rc=0\n"),
        (1, "cmd=barrier_out rc=0\n"),
    ]
    assert server.request(1, "cmd=barrier_in") == []


def test_keys_of_other_shells(server):
    exchanged = []
    server.exchange = exchanged.append
    server.request(0, "cmd=put kvsname=kvs key=a value=1")
    server.request(0, "cmd=barrier_in")
    assert server.request(1, "cmd=barrier_in") == []
    assert exchanged == [{"a": "1"}]
    assert server.barrier_complete({"b": "2"}) == [
        (0, "cmd=barrier_out rc=0\n"),
        (1, "cmd=barrier_out rc=0\n"),
    ]
    assert server.request(1, "cmd=get kvsname=kvs key=b") == [(1, "cmd=get_result rc=0 value=2\n")]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("cmd=init pmi_version=2 pmi_subversion=0", "cmd=response_to_init rc=-1"),
        ("cmd=init pmi_version=1 pmi_subversion=0", "cmd=response_to_init rc=-1"),
        ("cmd=get kvsname=kvs key=none", "cmd=get_result rc=4"),
        (f"cmd=get kvsname=kvs key={'k' * 64}", "cmd=get_result rc=5"),
        (f"cmd=put kvsname={'n' * 64} key=a value=1", "cmd=put_result rc=8"),
        (f"cmd=put kvsname=kvs key={'k' * 64} value=1", "cmd=put_result rc=5"),
        (f"cmd=put kvsname=kvs key=a value={'v' * 1024}", "cmd=put_result rc=7"),
        ("cmd=publish_name service=a port=b", "cmd=publish_result rc=-1 msg=command not implemented"),
        ("cmd=lookup_name service=a", "cmd=lookup_result rc=-1 msg=command not implemented"),
    ],
)
def test_refusals(server, line, answer):
    assert server.request(0, line) == [(0, answer + "\n")]


def test_spawn_is_refused_at_its_end(server):
    for line in ("mcmd=spawn", "nprocs=1", "execname=x y=z"):
        assert server.request(0, line) == []
    assert server.request(0, "endcmd") == [(0, "cmd=spawn_result rc=-1\n")]


def test_abort(server):
    with pytest.raises(Abort, match="going down") as caught:
        server.request(0, "cmd=abort exitcode=7 error_msg=going down")
    assert caught.value.code == 7


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", "cmd=get kvsname=kvs", "cmd=dance", "cmd=put kvsname=a", "cmd=init pmi_version=x"],
)
def test_broken_lines(server, line):
    with pytest.raises(FormatError):
        server.request(0, line)


def test_parsing():
    assert parse("cmd=get pkey=1 key=2") == {"cmd": "get", "pkey": "1", "key": "2"}
    assert parse("cmd=x value=") == {"cmd": "x", "value": ""}


VERSION_2 = """
import os, sys
fd = int(os.environ["PMI_FD"])

def ask(text):
    if not text.startswith("cmd=init "):
        text = f"{len(text):6d}{text}"
    os.write(fd, text.encode())
    return os.read(fd, 4096).decode()

rank = os.environ["PMI_RANK"]
ask("cmd=init pmi_version=2 pmi_subversion=0\\n")
ask(f"cmd=fullinit;pmirank={rank};threaded=FALSE;")
ask(f"cmd=kvs-put;key=k{rank};value=v{rank};")
ask("cmd=kvs-fence;")
print(*(ask(f"cmd=kvs-get;key=k{each};")[6:] for each in (0, 1)))
ask("cmd=finalize;")
"""


def test_tasks_that_speak_version_2(run, broker):
    assert run([sys.executable, "-c", VERSION_2], ntasks=2) == 0
    line = b" ".join(b"cmd=kvs-get-response;found=TRUE;value=v%d;rc=0;" % rank for rank in (0, 1))
    assert broker.output() == (line + b"\n") * 2
    assert broker.messages() == []
