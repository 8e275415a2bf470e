# SPDX-License-Identifier: LGPL-3.0-or-later
"""The wire protocol of PMI-2: messages, and what a server of version 1 makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.pmi.server import Abort, Server
from rosin.rfc.pmi.version2 import MAX_ATTRIBUTES, MAX_MESSAGE, Frames, Translator, encode, parse

HELLO = "cmd=init pmi_version=2 pmi_subversion=0"
WORDS = st.dictionaries(st.text("abc-", min_size=1), st.text("a;=ä ", max_size=9), min_size=1)


def made(size: int = 2, second: int = 2) -> Translator:
    """A program of so many processes, the first of which speak version 2."""
    server = Server("ƒ7", size, size, {"PMI_process_mapping": "(vector,(0,1,2))"})
    translator = Translator(server)
    for rank in range(size):
        translator.request(rank, HELLO if rank < second else HELLO.replace("2", "1", 1).replace("=0", "=1"))
    return translator


def ask(translator: Translator, rank: int, **words: str) -> list[tuple[int, dict[str, str]]]:
    """Ask by a message; returns the answers by rank."""
    text = "".join(f"{key}={value.replace(';', ';;')};" for key, value in words.items())
    return [(who, parse(Frames().feed(said.encode())[0])) for who, said in translator.request(rank, text)]


def answer(translator: Translator, rank: int, **words: str) -> dict[str, str]:
    ((who, said),) = ask(translator, rank, **words)
    assert who == rank
    return said


# --- messages


@given(WORDS)
def test_what_is_written_is_read(words: dict[str, str]) -> None:
    message = encode(words)
    (text,) = Frames().feed(message.encode())
    assert parse(text) == words


@given(st.lists(WORDS, max_size=4), st.integers(1, 20))
def test_messages_may_be_cut_anywhere(messages: list[dict[str, str]], size: int) -> None:
    data = "".join(map(encode, messages)).encode()
    frames = Frames()
    found = [text for at in range(0, len(data), size) for text in frames.feed(data[at : at + size])]
    assert [parse(text) for text in found] == messages


def test_the_layout() -> None:
    assert encode({"cmd": "kvs-put", "value": "a;b"}) == "    23cmd=kvs-put;value=a;;b;"
    assert parse("cmd=x;a=;a=2;") == {"cmd": "x", "a": ""}


@pytest.mark.parametrize(
    "data", [b"abcdef", b"   -1x", b"      ", f"{MAX_MESSAGE + 1:6d}".encode(), b"     1\xff", b"1 2 3 "]
)
def test_no_message(data: bytes) -> None:
    with pytest.raises(FormatError, match="pmi: "):
        Frames().feed(data)


@pytest.mark.parametrize("text", ["cmd", "cmd=x", "=x;", "a;b=c;", "cmd=x;;", "cmd=\ud800;"])
def test_no_pairs(text: str) -> None:
    with pytest.raises(FormatError, match="pmi: "):
        parse(text)


# --- the conversation


def test_the_first_line_chooses() -> None:
    translator = Translator(Server("k", 2, 2))
    assert translator.request(0, HELLO) == [(0, "cmd=response_to_init rc=0 pmi_version=2 pmi_subversion=0\n")]
    one = "cmd=init pmi_version=1 pmi_subversion=1"
    assert translator.request(1, one) == [(1, "cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1\n")]
    assert translator.second == {0}


def test_what_a_process_learns() -> None:
    translator = made()
    said = answer(translator, 1, cmd="fullinit", pmijobid="x", pmirank="1", threaded="FALSE")
    assert said == {
        "cmd": "fullinit-response",
        "pmi-version": "2",
        "pmi-subversion": "0",
        "rank": "1",
        "size": "2",
        "appnum": "0",
        "debugged": "FALSE",
        "pmiverbose": "FALSE",
        "rc": "0",
    }
    assert answer(translator, 0, cmd="job-getid") == {"cmd": "job-getid-response", "jobid": "ƒ7", "rc": "0"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("PMI_process_mapping", "(vector,(0,1,2))"), ("universeSize", "2"), ("nosuch", None)],
)
def test_attributes_of_the_job(key: str, value: str | None) -> None:
    said = answer(made(), 0, cmd="info-getjobattr", key=key)
    assert (said["found"], said.get("value"), said["rc"]) == (str(value is not None).upper(), value, "0")


def test_keys_and_fences_with_a_process_of_version_1() -> None:
    translator = made(3)
    assert answer(translator, 0, cmd="kvs-put", key="a", value="x;y", thrid="0x1")["rc"] == "0"
    assert translator.request(2, "cmd=put kvsname=k key=b value=z") == [(2, "cmd=put_result rc=0\n")]
    assert ask(translator, 0, cmd="kvs-fence", thrid="0x2") == []
    assert translator.request(2, "cmd=barrier_in") == []
    ended = translator.request(1, "cmd=kvs-fence;")
    assert dict(ended) == {
        0: encode({"cmd": "kvs-fence-response", "thrid": "0x2", "rc": "0"}),
        1: encode({"cmd": "kvs-fence-response", "rc": "0"}),
        2: "cmd=barrier_out rc=0\n",
    }
    said = answer(translator, 1, cmd="kvs-get", jobid="", srcid="-1", key="a", thrid="9")
    assert said == {
        "cmd": "kvs-get-response",
        "thrid": "9",
        "found": "TRUE",
        "value": "x;y",
        "rc": "0",
    }
    assert answer(translator, 0, cmd="kvs-get", key="b")["value"] == "z"
    assert answer(translator, 0, cmd="kvs-get", key="c") == {
        "cmd": "kvs-get-response",
        "found": "FALSE",
        "rc": "0",
    }


def test_a_fence_that_fails() -> None:
    translator = made()
    translator.server.exchange = lambda keys: None
    for rank in (0, 1):
        assert ask(translator, rank, cmd="kvs-fence") == []
    failed = encode({"cmd": "kvs-fence-response", "errmsg": "the fence has failed", "rc": "-1"})
    assert translator.barrier_complete(failed=True) == [(0, failed), (1, failed)]


def test_who_is_in_no_fence_is_let_out_of_none() -> None:
    """Another server's barrier is over, which a process of this one has never entered."""
    translator = made()
    ask(translator, 0, cmd="kvs-fence")
    assert [rank for rank, _ in translator.barrier_complete()] == [0]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"key": "a b", "value": "x"}, "no text"),
        ({"key": "a", "value": "x\ncmd=abort"}, "no text"),
        ({"key": "a" * 64, "value": "x"}, "PMI_ERR_INVALID_KEY_LENGTH"),
        ({"key": "a", "value": "x" * 1024}, "PMI_ERR_INVALID_VAL_LENGTH"),
    ],
)
def test_keys_that_are_refused(words: dict[str, str], text: str) -> None:
    said = answer(made(), 0, cmd="kvs-put", **words)
    assert said["rc"] != "0"
    assert text in said["errmsg"]


def test_attributes_of_the_node() -> None:
    translator = made(3, 3)
    assert ask(translator, 0, cmd="info-getnodeattr", key="shm", wait="TRUE", thrid="5") == []
    assert answer(translator, 2, cmd="info-getnodeattr", key="shm", wait="FALSE")["found"] == "FALSE"
    told = ask(translator, 1, cmd="info-putnodeattr", key="shm", value="/x")
    assert [rank for rank, _ in told] == [1, 0]
    assert told[1][1] == {
        "cmd": "info-getnodeattr-response",
        "thrid": "5",
        "found": "TRUE",
        "value": "/x",
        "rc": "0",
    }
    assert answer(translator, 2, cmd="info-getnodeattr", key="shm", wait="TRUE")["value"] == "/x"


def test_attributes_have_a_limit() -> None:
    translator = made()
    for number in range(MAX_ATTRIBUTES):
        translator.request(0, f"cmd=info-putnodeattr;key={number};value=x;")
    assert answer(translator, 0, cmd="info-putnodeattr", key="more", value="x")["rc"] == "-1"
    assert answer(translator, 0, cmd="info-putnodeattr", key="7", value="y")["rc"] == "0"
    for _ in range(MAX_ATTRIBUTES):
        translator.request(1, "cmd=info-getnodeattr;key=none;wait=TRUE;")
    assert answer(translator, 1, cmd="info-getnodeattr", key="none", wait="TRUE")["found"] == "FALSE"


@pytest.mark.parametrize(
    "command", ["spawn", "name-publish", "name-unpublish", "name-lookup", "job-connect", "job-disconnect"]
)
def test_what_there_is_not(command: str) -> None:
    said = answer(made(), 0, cmd=command, thrid="1")
    assert (said["cmd"], said["thrid"], said["rc"]) == (f"{command}-response", "1", "-1")
    assert said["errmsg"] == f"{command} is not supported"


def test_the_end() -> None:
    translator = made()
    assert answer(translator, 1, cmd="finalize") == {"cmd": "finalize-response", "rc": "0"}
    assert translator.server.finalized == {1}
    with pytest.raises(Abort, match="why"):
        translator.request(0, "cmd=abort;isworld=TRUE;msg=why;")


@pytest.mark.parametrize("text", ["cmd=nosuch;", "a=b;", "cmd=kvs-get;", "x", "cmd=barrier_in"])
def test_what_breaks_the_protocol(text: str) -> None:
    with pytest.raises(FormatError, match="pmi: "):
        made().request(0, text)


def test_a_fence_within_a_fence() -> None:
    translator = made()
    ask(translator, 0, cmd="kvs-fence")
    with pytest.raises(FormatError, match="a fence within a fence"):
        ask(translator, 0, cmd="kvs-fence")
