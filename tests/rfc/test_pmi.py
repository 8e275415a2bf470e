# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: both sides of the wire protocol."""

import pytest

from rosin.errors import FormatError
from rosin.rfc import pmi
from rosin.rfc.pmi import client as process
from rosin.rfc.pmi.client import Failure, PmiClient
from rosin.rfc.pmi.server import Abort, Server


def ask(server: Server, client: PmiClient, text: str) -> dict:
    """Send a request and hand the one answer back."""
    ((rank, line),) = [reply for part in text.splitlines() for reply in server.request(client.rank, part)]
    assert rank == client.rank
    return client.receive(line)


def test_the_client_has_its_former_name():
    assert process.Client is PmiClient


def program(size: int = 1, **more) -> tuple[Server, list[PmiClient]]:
    server = Server("kvs", size, size, {"PMI_process_mapping": f"(vector,(0,1,{size}))"}, **more)
    clients = [PmiClient(rank, size) for rank in range(size)]
    for client in clients:
        ask(server, client, client.init())
    return server, clients


SESSION = [
    ("cmd=init pmi_version=1 pmi_subversion=1", "cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1"),
    ("cmd=get_maxes", "cmd=maxes rc=0 kvsname_max=64 keylen_max=64 vallen_max=1024"),
    ("cmd=get_universe_size", "cmd=universe_size rc=0 size=1"),
    ("cmd=get_appnum", "cmd=appnum rc=0 appnum=0"),
    ("cmd=get_my_kvsname", "cmd=my_kvsname rc=0 kvsname=kvs"),
    ("cmd=get kvsname=kvs key=PMI_process_mapping", "cmd=get_result rc=0 value=(vector,(0,1,1))"),
    ("cmd=put kvsname=kvs key=a value=x=y z", "cmd=put_result rc=0"),
    ("cmd=barrier_in", "cmd=barrier_out rc=0"),
    ("cmd=get kvsname=kvs key=a", "cmd=get_result rc=0 value=x=y z"),
    ("cmd=publish_name service=s port=p", "cmd=publish_result rc=-1 msg=command not implemented"),
    ("cmd=unpublish_name service=s", "cmd=unpublish_result rc=-1 msg=command not implemented"),
    ("cmd=lookup_name service=s", "cmd=lookup_result rc=-1 msg=command not implemented"),
    ("cmd=finalize", "cmd=finalize_ack rc=0"),
]


@pytest.mark.rfc_vectors(13)
@pytest.mark.rfc(13, "newline", "tuples", "init-version", "rc", "msg", "kvs-put-get", "process-group")
@pytest.mark.parametrize("number", range(len(SESSION)))
def test_the_server_answers_as_flux_core_does(number):
    server = Server("kvs", 1, 1, {"PMI_process_mapping": "(vector,(0,1,1))"})
    for line, answer in SESSION[: number + 1]:
        assert server.request(0, line + "\n") == [(0, answer + "\n")]


@pytest.mark.rfc(13, "lock-step", "client-asks", "init-first", "finalize")
def test_both_sides_together():
    server, (client,) = program()
    assert client.initialized
    assert ask(server, client, client.get_maxes()) == {
        "kvsname_max": 64,
        "keylen_max": 64,
        "vallen_max": 1024,
    }
    assert ask(server, client, client.get_universe_size()) == {"size": 1}
    assert client.universe_size == 1
    assert ask(server, client, client.get_appnum()) == {"appnum": 0}
    assert client.appnum == 0
    assert ask(server, client, client.get_my_kvsname()) == {"kvsname": "kvs"}
    assert client.kvsname == "kvs"
    assert ask(server, client, client.put("kvs", "a", "x=y z")) == {}
    assert ask(server, client, client.barrier()) == {}
    assert ask(server, client, client.get("kvs", "a")) == {"value": "x=y z"}
    assert ask(server, client, client.finalize()) == {}
    assert server.finalized == {0}


def test_lock_step_is_kept():
    client = PmiClient()
    with pytest.raises(RuntimeError, match="before init"):
        client.get_maxes()
    client.init()
    with pytest.raises(RuntimeError, match="before the response to init"):
        client.init()
    with pytest.raises(FormatError, match="expected cmd=response_to_init"):
        client.receive("cmd=maxes")
    with pytest.raises(FormatError, match="answers no request"):
        client.receive("cmd=response_to_init rc=0")


@pytest.mark.rfc(13, "barrier", "barrier-without-put", "visible-after-barrier")
def test_a_barrier_waits_for_all_and_needs_no_keys():
    server, clients = program(4)
    for client in clients[:3]:
        assert server.request(client.rank, client.barrier()) == []
    replies = server.request(3, clients[3].barrier())
    assert [rank for rank, _ in replies] == [0, 1, 2, 3]
    for rank, line in replies:
        assert clients[rank].receive(line) == {}
    ask(server, clients[1], clients[1].put("kvs", "from.1", "1"))
    for client in clients[:3]:
        assert server.request(client.rank, client.barrier()) == []
    for rank, line in server.request(3, clients[3].barrier()):
        clients[rank].receive(line)
    assert ask(server, clients[3], clients[3].get("kvs", "from.1")) == {"value": "1"}


def test_a_program_of_two_servers():
    servers = [Server("kvs", 2, 1), Server("kvs", 2, 1)]
    collected: list[dict[str, str]] = []
    for rank, server in enumerate(servers):
        server.exchange = lambda keys: collected.append(dict(keys))
        server.request(rank, f"cmd=put kvsname=kvs key=k{rank} value={rank}")
        assert server.request(rank, "cmd=barrier_in") == []
    both = collected[0] | collected[1]
    for rank, server in enumerate(servers):
        assert server.barrier_complete(both) == [(rank, "cmd=barrier_out rc=0\n")]
        other = 1 - rank
        assert server.request(rank, f"cmd=get kvsname=kvs key=k{other}") == [
            (rank, f"cmd=get_result rc=0 value={other}\n")
        ]
    servers[0].request(0, "cmd=put kvsname=kvs key=late value=1")
    assert servers[0].barrier_complete(failed=True) == [(0, "cmd=barrier_out rc=-1\n")]
    assert servers[0].pending == {"late": "1"}


def test_local_keys_stay_here():
    server = Server("kvs", 2, 1)
    server.request(0, "cmd=put kvsname=kvs key=local::a value=1")
    assert server.pending == {}
    assert server.request(0, "cmd=get kvsname=kvs key=local::a") == [(0, "cmd=get_result rc=0 value=1\n")]


@pytest.mark.rfc(13, "return-codes", "rc")
@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("cmd=init pmi_version=2 pmi_subversion=0", "cmd=response_to_init rc=-1"),
        ("cmd=init pmi_version=1 pmi_subversion=0", "cmd=response_to_init rc=-1"),
        ("cmd=get kvsname=kvs key=none", "cmd=get_result rc=4"),
        (f"cmd=get kvsname=kvs key={'k' * 63}", "cmd=get_result rc=4"),
        (f"cmd=get kvsname=kvs key={'k' * 64}", "cmd=get_result rc=5"),
        (f"cmd=get kvsname={'n' * 64} key=a", "cmd=get_result rc=8"),
        (f"cmd=put kvsname={'n' * 64} key=a value=1", "cmd=put_result rc=8"),
        (f"cmd=put kvsname=kvs key={'k' * 64} value=1", "cmd=put_result rc=5"),
        (f"cmd=put kvsname=kvs key=a value={'v' * 1023}", "cmd=put_result rc=0"),
        (f"cmd=put kvsname=kvs key=a value={'v' * 1024}", "cmd=put_result rc=7"),
        ("cmd=put kvsname=kvs key=a value=", "cmd=put_result rc=0"),
    ],
)
def test_limits_and_refusals(line, answer):
    assert Server("kvs", 1, 1).request(0, line) == [(0, answer + "\n")]


@pytest.mark.rfc(13, "any-order", "extra-blanks", "extra-keys")
@pytest.mark.parametrize(
    "line",
    [
        "cmd=get kvsname=kvs key=a=b",
        "cmd=get key=a=b kvsname=kvs",
        "  cmd=get\tkvsname=kvs   extra=1 key=a=b ",
        "pkey=c cmd=get kvsname=kvs key=a=b key=c",
    ],
)
def test_the_parser_is_lenient(line):
    server = Server("kvs", 1, 1)
    server.request(0, "cmd=put kvsname=kvs key=a=b value=1=2 3")
    assert server.request(0, line) == [(0, "cmd=get_result rc=0 value=1=2 3\n")]


@pytest.mark.rfc(13, "protocol-error")
@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", "unknown command in ''"),
        ("nonsense", "expected key=value at column 1"),
        ("cmd=get  kvsname=a nonsense", "expected key=value at column 20"),
        ("cmd=get =a", "expected key=value at column 9"),
        ("cmd=dance", "unknown command in 'cmd=dance'"),
        ("cmd=put kvsname=a key=b", "value is missing"),
        ("cmd=init pmi_version=x", "pmi_version: expected an integer, got 'x'"),
        ("cmd=init pmi_version=1", "pmi_subversion is missing"),
        ("cmd=init pmi_version=1 pmi_subversion=99999999999", "expected an integer"),
        ("cmd=get\ncmd=get", "exactly one line"),
        ("x=" + "y" * 70000, "longer than 65536"),
        ("cmd=put kvsname=\ud800 key=a value=x", "no text at column 17"),
        ("cmd=put kvsname=a key=a value=\udcff", "no text at column 31"),
    ],
)
def test_broken_lines(line, error):
    with pytest.raises(FormatError, match=error):
        Server("kvs", 1, 1).request(0, line)


CODES = [
    *("PMI_FAIL", "PMI_SUCCESS", "PMI_ERR_INIT", "PMI_ERR_NOMEM", "PMI_ERR_INVALID_ARG"),
    *("PMI_ERR_INVALID_KEY", "PMI_ERR_INVALID_KEY_LENGTH", "PMI_ERR_INVALID_VAL"),
    *("PMI_ERR_INVALID_VAL_LENGTH", "PMI_ERR_INVALID_LENGTH", "PMI_ERR_INVALID_NUM_ARGS"),
    *("PMI_ERR_INVALID_ARGS", "PMI_ERR_INVALID_NUM_PARSED", "PMI_ERR_INVALID_KEYVALP"),
    "PMI_ERR_INVALID_SIZE",
]


@pytest.mark.rfc_vectors(13)
@pytest.mark.rfc(13, "return-codes")
@pytest.mark.parametrize(("code", "name"), list(enumerate(CODES, -1)))
def test_return_codes(code, name):
    assert pmi.error_name(code) == name


@pytest.mark.rfc(13, "abort")
@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        pytest.param("cmd=abort", 1, "aborted", marks=pytest.mark.rfc_vectors(13)),
        ("cmd=abort exitcode=7", 7, "aborted"),
        ("cmd=abort exit_code=3 error_msg=going down = now", 3, "going down = now"),
        ("cmd=abort exitcode=x", 1, "aborted"),
    ],
)
def test_abort(line, code, text):
    with pytest.raises(Abort) as caught:
        Server("kvs", 1, 1).request(0, line)
    assert (caught.value.code, str(caught.value)) == (code, text)


def test_a_client_aborts():
    with pytest.raises(Abort) as caught:
        Server("kvs", 1, 1).request(0, PmiClient().abort(7, "down\nand\tout"))
    assert (caught.value.code, str(caught.value)) == (7, "down and out")
    with pytest.raises(FormatError):
        PmiClient().abort(-1)


def test_a_warning_for_pmi_2():
    server = Server("kvs", 2, 2)
    server.request(1, "cmd=init pmi_version=2 pmi_subversion=0")
    assert server.warnings == []
    server.request(0, "cmd=init pmi_version=2 pmi_subversion=0")
    assert len(server.warnings) == 1


# -- client ---------------------------------------------------------------------------------------


@pytest.mark.rfc(13, "environment")
def test_a_client_from_the_environment():
    client, fd = PmiClient.from_environ({"PMI_FD": "9", "PMI_RANK": "3", "PMI_SIZE": "4", "PMI_SPAWNED": "1"})
    assert (fd, client.rank, client.size, client.spawned) == (9, 3, 4, True)
    client, fd = PmiClient.from_environ({"PMI_FD": "9", "PMI_RANK": "0", "PMI_SIZE": "1", "HOME": "/"})
    assert not client.spawned


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        ({}, "PMI_FD is missing"),
        ({"PMI_FD": "9", "PMI_RANK": "0"}, "PMI_SIZE is missing"),
        ({"PMI_FD": "-1", "PMI_RANK": "0", "PMI_SIZE": "1"}, "no file descriptor"),
        ({"PMI_FD": "9", "PMI_RANK": "1", "PMI_SIZE": "1"}, "not below the size 1"),
        ({"PMI_FD": "9", "PMI_RANK": "x", "PMI_SIZE": "1"}, "expected an integer"),
    ],
)
def test_environments_without_pmi(environ, error):
    with pytest.raises(FormatError, match=error):
        PmiClient.from_environ(environ)


def ready() -> PmiClient:
    client = PmiClient()
    client.init()
    client.receive("cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1")
    return client


@pytest.mark.rfc(13, "rc", "msg")
def test_failures_name_the_code():
    client = ready()
    client.get("kvs", "none")
    with pytest.raises(Failure, match="get: PMI_ERR_INVALID_KEY") as caught:
        client.receive("cmd=get_result rc=4")
    assert caught.value.code == 4
    client.lookup("s")
    with pytest.raises(Failure, match="lookup_name: not here"):
        client.receive("cmd=lookup_result rc=-1 msg=not here")
    client.barrier()
    assert client.receive("cmd=barrier_out") == {}  # rc may be left out
    client.get("kvs", "a")
    assert client.receive("cmd=get_result rc=0 value=x found=TRUE") == {"value": "x"}
    client.get("kvs", "a")
    assert client.receive("cmd=get_result rc=0 msg=success value=x=y value=z") == {"value": "x=y value=z"}
    client.get("kvs", "a")
    with pytest.raises(Failure, match="key_a_not_found"):
        client.receive("cmd=get_result rc=-1 msg=key_a_not_found value=unknown")


@pytest.mark.parametrize(
    "line",
    [
        "cmd=maxes",
        "cmd=maxes rc=0 kvsname_max=1 keylen_max=64 vallen_max=1024",
        "cmd=maxes rc=0 kvsname_max=x keylen_max=64 vallen_max=1024",
        "cmd=appnum rc=0 appnum=0",
        "",
    ],
)
def test_wrong_responses(line):
    client = ready()
    client.get_maxes()
    with pytest.raises(FormatError):
        client.receive(line)


@pytest.mark.parametrize("version", ["pmi_version=2 pmi_subversion=0", "pmi_version=1 pmi_subversion=0"])
def test_a_server_of_another_version(version):
    client = PmiClient()
    client.init()
    with pytest.raises(FormatError, match=r"wants version (2.0|1.0), not 1.1"):
        client.receive(f"cmd=response_to_init rc=0 {version}")


def test_a_server_that_knows_more():
    """As MPICH 5 does: what is new in it is not asked for."""
    client = PmiClient()
    client.init()
    client.receive("cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=2")
    assert client.get_maxes() == "cmd=get_maxes\n"


@pytest.mark.rfc(13, "length-max")
def test_a_client_keeps_the_limits_of_its_server():
    client = ready()
    client.get_maxes()
    client.receive("cmd=maxes rc=0 kvsname_max=16 keylen_max=4 vallen_max=5")
    for key, value, error in (("abcd", "", "key of 4 bytes"), ("a", "12345", "value of 5 bytes")):
        with pytest.raises(FormatError, match=error):
            client.put("kvs", key, value)
    for key, value in (("a b", "1"), ("", "1"), ("a", "1\n2"), ("a", "\0")):
        with pytest.raises(FormatError, match="cannot be sent"):
            client.put("kvs", key, value)
    assert client.put("kvs", "abc", "1234") == "cmd=put kvsname=kvs key=abc value=1234\n"


def test_names_are_published_where_the_owner_provides_it():
    server, (client,) = program()
    server.names = {}
    ask(server, client, client.publish("s", "tcp://1"))
    assert ask(server, client, client.lookup("s")) == {"port": "tcp://1"}
    with pytest.raises(Failure, match="already"):
        ask(server, client, client.publish("s", "tcp://2"))
    ask(server, client, client.unpublish("s"))
    for request in (client.unpublish, client.lookup):
        with pytest.raises(Failure, match="not published"):
            ask(server, client, request("s"))


# -- spawn ----------------------------------------------------------------------------------------


# -- lines ----------------------------------------------------------------------------------------


def test_there_are_no_other_return_codes():
    assert sorted(pmi.CODES) == list(range(-1, 14))
    assert pmi.error_name(99) == "99"


# -- process mapping ------------------------------------------------------------------------------
