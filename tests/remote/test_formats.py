# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: command objects, credit, retained output, signed requests."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin import _json
from rosin.errors import FormatError
from rosin.remote import signed
from rosin.remote.command import DEFAULT_BUFSIZE, Command
from rosin.remote.credit import Credit
from rosin.remote.retained import RETAINED_OUTPUT_MAX, RetainedOutput
from rosin.rfc import sign

HOSTNAME = {"cwd": "/", "cmdline": ["hostname"], "env": {"PATH": "/bin"}, "opts": {}, "channels": []}


def test_command_round_trip() -> None:
    obj = {**HOSTNAME, "label": "x", "msgchan": [{"name": "M", "uri": "local:///tmp/x"}]}
    assert Command.decode(obj).encode() == obj


@pytest.mark.rfc(42, "cmd-cmdline", "cmd-strings", "cmd-label")
@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"cmdline": []}, "command string is empty"),
        ({"cmdline": [1]}, "cmdline"),
        ({"cmdline": ["a\0b"]}, "NUL"),
        ({"env": None}, "env"),
        ({"env": {"A": 1}}, "env"),
        ({"opts": []}, "opts"),
        ({"channels": ["stdin"]}, "channels"),
        ({"channels": ["a", "a"]}, "channels"),
        ({"label": ""}, "label"),
        ({"cwd": 1}, "cwd"),
        ({"msgchan": [{"name": "M", "uri": "interthread://x"}]}, "interthread"),
        ({"msgchan": [{"name": "M"}]}, "uri"),
    ],
)
def test_bad_commands(change: dict[str, Any], text: str) -> None:
    with pytest.raises(FormatError, match=text):
        Command.decode({**HOSTNAME, **change})


@pytest.mark.rfc(42, "cmd-msgchans")
def test_environment() -> None:
    command = Command.decode({**HOSTNAME, "msgchan": [{"name": "M", "uri": "local:///x"}]})
    env = command.environment({"A": "1"}, "local:///broker")
    assert env == {"PATH": "/bin", "FLUX_URI": "local:///broker", "M": "local:///x"}
    command = Command.decode({**HOSTNAME, "env": {}})
    server = {
        "A": "1",
        "FLUX_URI": "old",
        "NOTIFY_SOCKET": "x",
        "FLUX_PROXY_REMOTE": "y",
        "INVOCATION_ID": "z",
    }
    assert command.environment(server, "local:///broker") == {"A": "1", "FLUX_URI": "local:///broker"}


@pytest.mark.rfc(42, "buffer-minimum")
@pytest.mark.parametrize(
    ("text", "size"), [("64k", 65536), ("1.5M", 3 << 19), ("100000", 100000), ("1", 4096), ("1G", 1 << 30)]
)
def test_bufsize(text: str, size: int) -> None:
    assert Command.decode({**HOSTNAME, "opts": {"stdin_BUFSIZE": text}}).bufsize("stdin") == size
    assert Command.decode(HOSTNAME).bufsize("stdin") == DEFAULT_BUFSIZE


@pytest.mark.parametrize("text", ["", "k", "4x", "1kk", "nan", "inf"])
def test_bad_bufsize(text: str) -> None:
    with pytest.raises(FormatError, match="stdin_BUFSIZE"):
        Command.decode({**HOSTNAME, "opts": {"stdin_BUFSIZE": text}}).bufsize("stdin")


def test_title_names_the_subcommand() -> None:
    assert Command.decode({**HOSTNAME, "cmdline": ["flux", "broker", "x"]}).title == "flux broker"
    assert Command.decode({**HOSTNAME, "cmdline": ["sleep", "1"]}).title == "sleep"


def test_first_grant_is_the_whole_buffer() -> None:
    credit = Credit(4096)
    assert credit.grant() == 4096
    assert credit.grant() == 0


def test_overflow() -> None:
    credit = Credit(10)
    credit.received(10)
    with pytest.raises(OSError, match="No space") as error:
        credit.received(1)
    assert error.value.errno == errno.ENOSPC


@given(st.integers(1, 1000), st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000))))
def test_a_client_that_keeps_to_its_credit_never_overflows(size: int, steps: list[tuple[int, int]]) -> None:
    credit = Credit(size)
    client = credit.grant()
    pending = 0
    for wanted, taken in steps:
        sent = min(wanted, client)
        client -= sent
        credit.received(sent)
        pending = max(0, pending + sent - taken)
        credit.drained(pending)
        client += credit.grant()
        assert client + pending == size


@given(st.lists(st.integers(1, 3000)))
def test_retained_output_is_bounded_and_keeps_the_end(sizes: list[int]) -> None:
    retained = RetainedOutput()
    for number, size in enumerate(sizes):
        retained.add(size, {"n": number})
    kept = [io["n"] for io in retained.encode()]
    assert kept == list(range(len(sizes)))[len(sizes) - len(kept) :]
    assert sum(sizes[n] for n in kept) <= RETAINED_OUTPUT_MAX
    if sizes:
        assert kept


def test_one_large_record_is_kept_whole() -> None:
    retained = RetainedOutput()
    retained.add(100000, {"n": 0})
    assert retained.encode() == [{"n": 0}]


UID = os.getuid()


@pytest.mark.rfc(42, "signed")
def test_signed_payload_replaces_the_rest() -> None:
    inner = {"topic": "rexec.kill", "pid": 5, "signum": 9}
    args = {"signature": sign.wrap(_json.dumps(inner), UID), "pid": 1}
    assert signed.payload(args, "rexec.kill", UID, UID, False) == inner
    assert signed.payload({"pid": 1}, "rexec.kill", UID, UID, False) == {"pid": 1}


@pytest.mark.rfc(42, "signature-user", "signature-topic", "signature-bad")
@pytest.mark.parametrize(
    ("inner", "topic", "signer", "sender", "required"),
    [
        ({"topic": "rexec.kill"}, "rexec.exec", UID, UID, False),  # replayed for another method
        ({}, "rexec.exec", UID, UID, False),
        ({"topic": "rexec.exec"}, "rexec.exec", UID + 1, UID, False),
        ({"topic": "rexec.exec"}, "rexec.exec", UID + 1, UID + 1, False),
        ({"topic": "rexec.exec"}, "rexec.exec", UID, UID, True),  # mechanism none proves nothing
    ],
)
def test_unacceptable_signatures(
    inner: dict[str, Any], topic: str, signer: int, sender: int, required: bool
) -> None:
    args = {"signature": sign.wrap(_json.dumps(inner), signer)}
    with pytest.raises(PermissionError):
        signed.payload(args, topic, sender, UID, required)


@pytest.mark.rfc(42, "signature-type", "signature-bad", "signature-invalid", "signature-required")
def test_malformed_signatures() -> None:
    with pytest.raises(FormatError):
        signed.payload({"signature": 1}, "rexec.exec", UID, UID, False)
    with pytest.raises(PermissionError):
        signed.payload({"signature": "x.y.none"}, "rexec.exec", UID, UID, False)
    with pytest.raises(FormatError):
        signed.payload({"signature": sign.wrap(b"[1]", UID)}, "rexec.exec", UID, UID, False)
    with pytest.raises(PermissionError):
        signed.payload({}, "rexec.exec", UID, UID, True)
