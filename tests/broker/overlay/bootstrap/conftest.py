# SPDX-License-Identifier: LGPL-3.0-or-later
"""A process manager of one loop: it serves PMI-1 to brokers by socket pairs, and writes down what is said."""

import asyncio
import os
import socket

import pytest

from rosin.rfc.pmi import Lines
from rosin.rfc.pmi.server import Server


class Manager:
    """``environ(rank)``: what it gives to a process. ``said``: lines to (``<``) and from (``>``) ranks."""

    def __init__(self, size: int, keys: dict[str, str] | None = None, name: str = "ƒabc") -> None:
        self.server = Server(name, size, size, keys)
        self.size = size
        self.said: dict[int, list[str]] = {rank: [] for rank in range(size)}
        self._ends: dict[int, socket.socket] = {}
        self._lines = [Lines() for _ in range(size)]

    def environ(self, rank: int) -> dict[str, str]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._ends[rank] = ours
        asyncio.get_running_loop().add_reader(ours, self._read, rank)
        return {"PMI_FD": str(theirs.detach()), "PMI_RANK": str(rank), "PMI_SIZE": str(self.size)}

    def _read(self, rank: int) -> None:
        data = self._ends[rank].recv(65536)
        if not data:
            self.hang_up(rank)
            return
        for line in self._lines[rank].feed(data):
            self.said[rank].append("> " + line)
            for other, answer in self.server.request(rank, line):
                self.said[other].append("< " + answer.rstrip())
                self._ends[other].send(answer.encode())

    def send(self, rank: int, text: bytes) -> None:
        """Say something out of turn."""
        self._ends[rank].send(text)

    def hang_up(self, rank: int) -> None:
        """Go away."""
        end = self._ends.pop(rank)
        asyncio.get_running_loop().remove_reader(end)
        end.close()

    def connected(self) -> set[int]:
        return set(self._ends)

    def close(self) -> None:
        for rank in list(self._ends):
            self.hang_up(rank)


@pytest.fixture
async def manager():
    """Make process managers; they go with the test."""
    made = []

    def make(size: int, keys: dict[str, str] | None = None, name: str = "ƒabc") -> Manager:
        made.append(Manager(size, keys, name))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def is_open():
    """Tell whether a descriptor is open."""

    def tell(fd: int) -> bool:
        try:
            os.fstat(fd)
        except OSError:
            return False
        return True

    return tell
