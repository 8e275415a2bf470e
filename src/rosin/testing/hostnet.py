# SPDX-License-Identifier: LGPL-3.0-or-later
"""Hosts as network namespaces, and the network between them in this process: it delays and loses packets.

Each host has an address of its own on a TUN device, whose packets come here and leave, perhaps, to another.
So real TCP meets real loss and delay, without a queueing discipline of the kernel. It needs the capabilities
of root; :func:`possible` says whether they are there.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_NETWORK = "10.77.0"
_PACKET = 65536


def possible() -> bool:
    """Whether namespaces and TUN devices can be made here."""
    if os.geteuid() or not os.path.exists("/dev/net/tun"):
        return False
    name = f"rosin-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return made


def address(rank: int) -> str:
    """The address of a host."""
    return f"{_NETWORK}.{rank + 1}"


class TunNetwork:
    """Hosts 0 to ``size`` - 1. ``loss[a, b]`` is the share of packets from a to b that is lost,
    ``delay[a, b]`` the seconds that one takes; both are 0 where nothing else is said.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.loss: dict[tuple[int, int], float] = {}
        self.delay: dict[tuple[int, int], float] = {}
        self._random = random.Random(seed)
        self._name = f"rosin-{os.getpid()}"
        self._devices: list[int] = []
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def __enter__(self) -> TunNetwork:
        for rank in range(self.size):
            _ip("netns", "add", self.namespace(rank))
            self._devices.append(self._tun(rank))
            _ip("-n", self.namespace(rank), "addr", "add", f"{address(rank)}/24", "dev", "tun0")
            for device in ("tun0", "lo"):
                _ip("-n", self.namespace(rank), "link", "set", device, "up")
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        os.write(self._end, b"x")
        self._thread.join()
        for rank, device in enumerate(self._devices):
            os.close(device)
            _ip("netns", "del", self.namespace(rank))
        for fd in (self._ended, self._end):
            os.close(fd)

    def namespace(self, rank: int) -> str:
        """The name of a host's namespace."""
        return f"{self._name}-{rank}"

    def heal(self) -> None:
        """Lose and delay nothing any more."""
        self.loss, self.delay = {}, {}

    def _tun(self, rank: int) -> int:
        """A device in a host's namespace: a thread goes there to make it, and stays nowhere."""
        made: list[int] = []

        def make() -> None:
            where = os.open(f"/run/netns/{self.namespace(rank)}", os.O_RDONLY)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(where, _CLONE_NEWNET):
                    return
                device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
                fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"tun0", _IFF_TUN | _IFF_NO_PI))
                made.append(device)
            finally:
                os.close(where)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if not made:
            raise OSError(f"no TUN device in {self.namespace(rank)}")
        return made[0]

    def _carry(self) -> None:
        """Packets in, packets out, until the end."""
        ranks = {device: rank for rank, device in enumerate(self._devices)}
        poll = select.poll()
        for fd in (*self._devices, self._ended):
            poll.register(fd, select.POLLIN)
        due: list[tuple[float, int, int, bytes]] = []
        count = 0
        while True:
            wait = max(0.0, due[0][0] - time.monotonic()) * 1000 if due else None
            for fd, _ in poll.poll(wait):
                if fd == self._ended:
                    return
                packet = os.read(fd, _PACKET)
                source, target = ranks[fd], packet[19] - 1
                if packet[0] >> 4 != 4 or not 0 <= target < self.size:
                    continue
                link = source, target
                if self._random.random() < self.loss.get(link, 0.0):
                    continue
                count += 1
                heapq.heappush(due, (time.monotonic() + self.delay.get(link, 0.0), count, target, packet))
            while due and due[0][0] <= time.monotonic():
                _, _, target, packet = heapq.heappop(due)
                try:
                    os.write(self._devices[target], packet)
                except BlockingIOError:
                    pass  # lost, as in a full buffer


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
