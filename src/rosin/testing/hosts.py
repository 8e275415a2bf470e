# SPDX-License-Identifier: LGPL-3.0-or-later
"""Hosts that this machine plays: each a network namespace with a name, an ``eth0`` and addresses of its own.

Linux alone, with iproute2, and for who may make namespaces: root, as a rule.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_NETNS = Path("/etc/netns")
_SERIAL = itertools.count()
_RENAME = 'echo "$0" >/proc/sys/kernel/hostname && exec "$@"'


def _ip(words: str) -> None:
    done = subprocess.run(["ip", *words.split()], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.returncode, f"ip {words}: {done.stderr.strip()}")


class NamespaceHosts:
    """Hosts with these names on one Ethernet, for the time of a ``with`` block, which raises OSError.

    They know each other by name, and share everything but the network and the host's name with this machine.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._prefix = f"rosin-{os.getpid()}-{next(_SERIAL)}"

    def __enter__(self) -> NamespaceHosts:
        try:
            self._add()
        except OSError:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def words(self, name: str) -> list[str]:
        """What goes before a command to run it on a host."""
        return [*f"ip netns exec {self._space(name)} unshare --uts sh -c".split(), _RENAME, name]

    def ipv4(self, name: str) -> str:
        """Its address."""
        return f"10.9.0.{self.names.index(name) + 1}"

    def ipv6(self, name: str) -> str:
        """Its other address."""
        return f"fd09::{self.names.index(name) + 1:x}"

    def _space(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _add(self) -> None:
        switch = self._space("switch")
        _ip(f"netns add {switch}")
        _ip(f"-n {switch} link add br0 type bridge")
        _ip(f"-n {switch} link set br0 up")
        for number, name in enumerate(self.names):
            self._plug(switch, number, name)

    def _plug(self, switch: str, number: int, name: str) -> None:
        space, port = self._space(name), f"port{number}"
        _ip(f"netns add {space}")
        _ip(f"-n {switch} link add {port} type veth peer name eth0 netns {space}")
        _ip(f"-n {switch} link set {port} master br0 up")
        for device in ("lo", "eth0"):
            _ip(f"-n {space} link set {device} up")
        _ip(f"-n {space} addr add {self.ipv4(name)}/24 dev eth0")
        _ip(f"-n {space} addr add {self.ipv6(name)}/64 dev eth0 nodad")
        (_NETNS / space).mkdir(parents=True)
        known = [f"{self.ipv4(other)} {other}\n{self.ipv6(other)} {other}-v6\n" for other in self.names]
        (_NETNS / space / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n" + "".join(known))

    def _remove(self) -> None:
        for name in ["switch", *self.names]:
            space = self._space(name)
            with contextlib.suppress(OSError):  # it is not there yet
                _ip(f"netns del {space}")
            shutil.rmtree(_NETNS / space, ignore_errors=True)
        with contextlib.suppress(OSError):  # others have theirs in it
            _NETNS.rmdir()
