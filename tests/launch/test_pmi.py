# SPDX-License-Identifier: LGPL-3.0-or-later
"""How the processes of a launcher find each other, and what becomes of those that cannot."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from rosin.handle import Flux

pytestmark = pytest.mark.system


def sleep():
    """Until a signal ends this process."""
    while True:
        signal.pause()


def open_start():
    return Flux(os.environ["FLUX_START_URI"])


def test_brokers_find_each_other(launch, process):
    def become(rank, nursery):
        pmi = process()
        pmi.meet(f"card {rank}")
        assert [pmi.get(str(other)) for other in range(3)] == ["card 0", "card 1", "card 2"]
        pmi.leave()
        return 0

    assert launch(3, become) == 0
    assert launch.said == []


def test_a_broker_that_ends_before_the_others_have_met_ends_them(launch, process):
    def become(rank, nursery):
        if rank == 1:
            return 1
        process().meet("here")
        return 0

    assert launch(3, become) == 143
    told = [text for text in launch.said if "found each other" in text]
    assert told == ["broker 1 ended before all brokers had found each other: ending the others"]


def test_a_broker_that_comes_again_finds_what_the_others_have_told(launch, process):
    def become(rank, nursery):
        again = rank and "AGAIN" in os.environ
        pmi = process()
        pmi.meet(f"card {rank}")
        assert pmi.get(str(1 - rank)) == f"card {1 - rank}"
        pmi.leave()
        if rank == 0:
            with open_start() as h:
                assert h.rpc("start.wait", {"rank": 1}).get() == {"exit_rc": 0}
                h.rpc("start.run", {"rank": 1}).get()
                assert h.rpc("start.wait", {"rank": 1}).get() == {"exit_rc": 0}
        return int(bool(again))

    assert launch(2, become, exit_mode="leader") == 0


def test_abort_kills_all(launch, process):
    def become(rank, nursery):
        pmi = process()
        if rank:
            pmi.sock.sendall(pmi.client.abort(3, "no way").encode())
        return sleep()

    assert launch(2, become) == 143
    assert "1: PMI_Abort(): no way" in launch.said


def test_who_does_not_end_although_all_is_lost_is_killed(launch):
    def become(rank, nursery):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        socket.socket(fileno=os.dup(int(os.environ["PMI_FD"]))).sendall(b"hello\n")
        return sleep()

    assert launch(1, become, exit_timeout=0.05) == 137
    assert launch.said[1] == "Exit timeout: killed rank 0"


def test_what_is_no_pmi_is_told_once_and_ends_all(launch):
    def become(rank, nursery):
        socket.socket(fileno=os.dup(int(os.environ["PMI_FD"]))).sendall(b"hello\nhello\n")
        return sleep()

    assert launch(2, become) == 143
    assert len([text for text in launch.said if "PMI-1 wire protocol error" in text]) == 1


def test_a_line_without_end_is_not_kept(launch):
    def become(rank, nursery):
        sock = socket.socket(fileno=int(os.environ["PMI_FD"]))
        sock.sendall(b"cmd=put " + b"x" * 300_000)
        return sleep()

    assert launch(1, become) == 143
    assert "PMI-1 wire protocol error" in launch.said[0]


def test_the_conversation_is_shown_on_demand(launch, process, capfd):
    def become(rank, nursery):
        process().leave()
        return 0

    assert launch(1, become, trace=True) == 0
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "0: C: cmd=init pmi_version=1 pmi_subversion=1"
    assert lines[1] == "0: S: cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1"
