# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker whose table of open files is full keeps its clients and lets in others when it can."""

import resource
import socket

from rosin.handle import Flux
from rosin.testing.process import RealInstance

LIMIT = 100


def test_clients_wait_while_there_are_too_many_open_files():
    with RealInstance() as instance:
        with Flux(instance.uri) as h:
            pid = int(h.attr_get("broker.pid"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
        path = instance.uri.removeprefix("local://")
        crowd = []
        for _ in range(LIMIT):  # all connect, as the kernel keeps those who wait
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
            crowd.append(sock)
        assert crowd[0].recv(1) == b"\0"
        crowd[-1].setblocking(False)
        assert not readable(crowd[-1])
        for sock in crowd[: LIMIT // 2]:
            sock.close()
        crowd[-1].setblocking(True)
        crowd[-1].settimeout(60)
        assert crowd[-1].recv(1) == b"\0"
        for sock in crowd[LIMIT // 2 :]:
            sock.close()
        log = instance.run("dmesg").stdout
        assert "cannot accept a client, trying again in 1s: Too many open files" in log


def readable(sock):
    try:
        return sock.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return False
