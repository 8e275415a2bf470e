# SPDX-License-Identifier: LGPL-3.0-or-later
"""A launcher in this process, whose brokers are functions that are called in forks of it."""

from __future__ import annotations

import os
import socket

import pytest

from rosin.launch.launcher import LocalLauncher, Plan
from rosin.rfc.pmi.client import PmiClient


class Launch:
    """Calls give the exit code; ``said`` are the launcher's messages."""

    def __init__(self, directory):
        self.directory = directory
        self.said = []

    def __call__(self, size, become, **plan):
        return LocalLauncher(Plan(size, str(self.directory), become, **plan), self.said.append).run()


class Process:
    """The PMI client of a process that a launcher has started, blocking."""

    def __init__(self):
        self.client, fd = PmiClient.from_environ(os.environ)
        self.sock = socket.socket(fileno=fd)
        self.lines = self.sock.makefile("r")
        self.ask(self.client.init())
        self.name = self.ask(self.client.get_my_kvsname())["kvsname"]

    def ask(self, request):
        self.sock.sendall(request.encode())
        return self.client.receive(self.lines.readline())

    def meet(self, text):
        """Tell the others something, and wait until all have."""
        self.ask(self.client.put(self.name, str(self.client.rank), text))
        self.ask(self.client.barrier())

    def get(self, key):
        return self.ask(self.client.get(self.name, key))["value"]

    def leave(self):
        """What is put later is not for those who have met."""
        self.ask(self.client.finalize())


@pytest.fixture
def process():
    """The class of a process's PMI client."""
    return Process


@pytest.fixture
def launch(tmp_path):
    return Launch(tmp_path)
