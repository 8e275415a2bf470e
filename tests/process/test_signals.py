# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signals between a zygote's child that reports its exit code and those who want its end."""

import os
import signal
import socket

import pytest

from rosin.process.forked import Forked


@pytest.mark.parametrize(("sent", "status"), [(b"\x7f", 127 << 8), (b"", signal.SIGTERM)])
def test_a_reported_exit_code_counts_more_than_what_came_after_it(sent: bytes, status: int) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(sent)
        theirs.close()
        assert Forked(os.getpid(), 5, True, ours).reported(int(signal.SIGTERM)) == status
