# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where log messages go besides standard error."""

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rosin.broker import logsinks
from rosin.broker.attrs import Attributes
from rosin.broker.logring import LogRing


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What listens on /dev/log."""
    monkeypatch.setattr(logsinks, "SYSLOG_SOCKET", str(tmp_path / "log"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "log"))
        sock.settimeout(10)
        yield sock


def line(severity: int, text: str) -> bytes:
    return f"<{severity << 3}>1 2026-01-02T03:04:05.000006Z 0 kvs - - - {text}".encode()


def ring_with(values: dict[str, str]) -> tuple[LogRing, Attributes]:
    ring, attrs = LogRing(stderr_level=-1), Attributes()
    for name, value in values.items():
        attrs.define(name, value)
    logsinks.apply_levels(ring, attrs)
    return ring, attrs


def test_syslog_gets_messages_up_to_its_level(log: socket.socket) -> None:
    ring, attrs = ring_with({"log-syslog-enable": "1", "log-syslog-level": "4"})
    close = logsinks.open_sinks(ring, attrs)
    ring.append(line(5, "unseen"))
    ring.append(line(4, "the store is slow\x00é"))
    text = log.recv(1000).decode()
    head = rf"<28>\w{{3}} [ \d]\d \d\d:\d\d:\d\d rosin\[{os.getpid()}\]: "
    assert re.fullmatch(head + r"kvs\[0\]: the store is slow é", text)
    ring.append(b"not a line of a log")
    ring.append(line(0, "next"))
    assert log.recv(1000).endswith(b"next")  # each message came once
    close()


def test_a_file_gets_every_message(tmp_path: Path) -> None:
    ring, attrs = ring_with({"log-filename": str(tmp_path / "log")})
    close = logsinks.open_sinks(ring, attrs)
    ring.append(line(7, "one"))
    ring.append(b"not a line of a log")
    ring.append(line(2, "two"))
    close()
    one, two = (tmp_path / "log").read_text().splitlines()
    assert one.endswith(" kvs.debug[0]: one")
    assert two.endswith(" kvs.crit[0]: two")


def test_syslog_is_found_again_after_a_restart(log: socket.socket) -> None:
    ring, attrs = ring_with({"log-syslog-enable": "1"})
    close = logsinks.open_sinks(ring, attrs)
    ring.append(line(3, "one"))
    assert log.recv(1000).endswith(b"one")
    path = log.getsockname()
    log.close()
    ring.append(line(3, "lost: nobody listens"))
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(path)
        again.settimeout(10)
        ring.append(line(3, "two"))
        assert again.recv(1000).endswith(b"two")
    close()


def test_a_busy_syslog_keeps_nobody_waiting(log: socket.socket) -> None:
    ring, attrs = ring_with({"log-syslog-enable": "1"})
    close = logsinks.open_sinks(ring, attrs)
    for number in range(5000):  # more than the socket holds
        ring.append(line(3, f"{number} {'x' * 1000}"))
    assert ring.count == 5000
    assert b": 0 " in log.recv(2000)
    close()


def test_levels_and_size_of_the_ring() -> None:
    ring, _ = ring_with({"log-level": "4", "log-ring-size": "2"})
    for severity, text in ((3, "a"), (5, "unseen"), (4, "b"), (3, "c")):
        ring.append(line(severity, text))
    assert [bytes(kept)[-1:] for kept in ring.lines] == [b"b", b"c"]


def test_critical_messages_are_printed_whatever_the_level(capfd: pytest.CaptureFixture[str]) -> None:
    ring, _ = ring_with({"log-stderr-level": "-1", "log-critical-level": "2"})
    ring.append(line(3, "unseen"))
    ring.append(line(2, "the end is near"))
    assert capfd.readouterr().err.endswith("kvs.crit[0]: the end is near\n")


@pytest.mark.parametrize(
    ("mode", "rank", "own", "others"),
    [("leader", 0, 6, 6), ("leader", 1, -1, -1), ("local", 0, 6, -1), ("local", 1, 6, -1)],
)
def test_who_writes_to_standard_error(mode: str, rank: int, own: int, others: int) -> None:
    ring, attrs = LogRing(stderr_level=-1, rank=rank), Attributes()
    for name, value in {"log-stderr-mode": mode, "log-stderr-level": "6", "log-critical-level": "-1"}.items():
        attrs.define(name, value)
    logsinks.apply_levels(ring, attrs)
    assert (ring.stderr_level, ring.others_level) == (own, others)
