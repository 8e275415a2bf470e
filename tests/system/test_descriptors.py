# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker whose table of open files is full keeps its clients and lets in others when it can."""

import resource
import socket

from rosin.constants import FLUX_RPC_STREAMING
from rosin.handle import Flux
from rosin.testing.process import RealInstance

LIMIT = 100


def test_clients_wait_while_there_are_too_many_open_files():
    with RealInstance() as instance, Flux(instance.uri) as h:
        pid = int(h.attr_get("broker.pid"))
        log = h.rpc("log.dmesg", {"follow": True, "nobacklog": True}, flags=FLUX_RPC_STREAMING).messages()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
        crowd = []
        for _ in range(LIMIT):  # all connect, as the kernel keeps those who wait
            crowd.append(socket.socket(socket.AF_UNIX))
            crowd[-1].connect(instance.uri.removeprefix("local://"))
        refusal = b"cannot accept a client, trying again in 1s: Too many open files"
        assert any(refusal in entry.raw for entry in log)
        assert crowd[0].recv(1) == b"\0"
        for sock in crowd[: LIMIT // 2]:
            sock.close()
        crowd[-1].settimeout(60)
        assert crowd[-1].recv(1) == b"\0"
        for sock in crowd[LIMIT // 2 :]:
            sock.close()
