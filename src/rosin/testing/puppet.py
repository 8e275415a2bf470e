# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker process on a host whose wall clock steps, and which strikes keys off its list, as a test says.

``python -m rosin.testing.puppet FILE ARGUMENTS ...`` is ``rosin ARGUMENTS ...``, with strings attached: the
file that :class:`Strings` writes. No product code knows of this: it replaces what a process asks for the time
(its forks, which are the shells of its host, inherit that) and the function that makes the transport.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import runpy
import signal
import struct
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.broker import Broker
    from rosin.broker.overlay.transport import Downlink, Keys
    from rosin.broker.overlay.zdownlink import ZmqDownlink
    from rosin.broker.overlay.zmq import ZmqTransport

#: Seconds by which the wall clock is wrong, and whether the brokers below are to be let in.
_FORMAT = struct.Struct("<d?")
#: Tells a broker that has others below it to read whether they are to be let in.
_PULL = signal.SIGRTMIN + 1


class Strings:
    """What is written to one broker: its clock is wrong by ``offset``, its list of keys has those below."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.offset = 0.0
        self.trusting = True
        self._write()

    def _write(self) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.write(fd, _FORMAT.pack(self.offset, self.trusting))
        finally:
            os.close(fd)

    def step(self, seconds: float) -> None:
        """Step the wall clock of the host, as an administrator does."""
        self.offset += seconds
        self._write()

    def trust(self, pid: int, trusting: bool) -> None:
        """Put the key of the brokers below on the list of the broker with a process, or strike it off."""
        self.trusting = trusting
        self._write()
        os.kill(pid, _PULL)


def _step_clock(strings: mmap.mmap) -> None:
    """The time of this process and its forks follows the file."""
    real, real_ns = time.time, time.time_ns

    def offset() -> float:
        return float(_FORMAT.unpack_from(strings)[0])

    time.time = lambda: real() + offset()
    time.time_ns = lambda: real_ns() + int(offset() * 1e9)


def _pull(strings: mmap.mmap, link: Downlink, keys: Keys) -> None:
    zlink: ZmqDownlink = link  # type: ignore[assignment]  # no other transport has a list
    if _FORMAT.unpack_from(strings)[1]:
        zlink.authorize("below", keys.public)
    else:
        zlink.revoke(keys.public)


def _listen_to(strings: mmap.mmap) -> None:
    """Brokers below are let in as the file says. All of an instance have one key."""
    from rosin.broker.overlay import boot

    real: Callable[..., ZmqTransport] = boot.zeromq

    def zeromq(broker: Broker, *, ipv6: bool) -> ZmqTransport:
        transport = real(broker, ipv6=ipv6)
        bind = transport.bind

        async def listen(
            uris: list[str],
            keys: Keys,
            receive: Callable[[bytes, list[bytes]], None],
            lost: Callable[[bytes], None],
        ) -> ZmqDownlink:
            link = await bind(uris, keys, receive, lost)
            asyncio.get_running_loop().add_signal_handler(_PULL, _pull, strings, link, keys)
            return link

        transport.bind = listen  # type: ignore[method-assign]
        return transport

    boot.zeromq = zeromq


def main() -> None:
    """Run the program. Raises OSError if the file cannot be read."""
    path, *arguments = sys.argv[1:]
    with open(path, "r+b") as file:
        strings = mmap.mmap(file.fileno(), _FORMAT.size)
    _step_clock(strings)
    _listen_to(strings)
    sys.argv = ["rosin", *arguments]
    runpy.run_module("rosin", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
