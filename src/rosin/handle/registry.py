# SPDX-License-Identifier: LGPL-3.0-or-later
"""The running instances of this user on this host.

Each broker keeps a file in a directory that is the user's alone (:mod:`rosin.broker.registration`) and holds
a lock on it; the kernel drops the lock of a broker that dies. The place does not depend on the environment,
so that an instance is found from another session as well: ``/tmp/rosin-UID``, or, where somebody else has
been there first, the first free one of ``/tmp/rosin-UID.1`` and so on. ``ROSIN_REGISTRY`` names another one.
"""

from __future__ import annotations

import fcntl
import os

from rosin import _json
from rosin.process.directory import is_private

#: How many names are tried when others have taken them.
_NAMES = 8
#: Characters of a program's command line that are shown.
_SHOWN = 48


class Running:
    """An instance; ``started`` in seconds since the epoch, ``nested``: it is a job of another one."""

    __slots__ = ("nested", "pid", "program", "size", "started", "uri")

    def __init__(self, pid: int, uri: str, started: float, size: int, program: str, nested: bool) -> None:
        self.pid = pid
        self.uri = uri
        self.started = started
        self.size = size
        self.program = program
        self.nested = nested


def directories() -> list[str]:
    """Where brokers may have left their files; the first that is usable is taken for new ones."""
    own = os.environ.get("ROSIN_REGISTRY")
    if own:
        return [os.path.abspath(own)]
    base = f"/tmp/rosin-{os.getuid()}"
    return [base, *(f"{base}.{number}" for number in range(1, _NAMES))]


def running() -> list[Running]:
    """The instances that run, the oldest first. Files of dead ones are removed."""
    found = []
    for directory in directories():
        if not is_private(directory):
            continue
        for name in os.listdir(directory):
            if name.isascii() and name.isdigit():
                entry = _read(f"{directory}/{name}", int(name))
                if entry is not None:
                    found.append(entry)
    return sorted(found, key=lambda entry: entry.started)


def _read(path: str, pid: int) -> Running | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(fd, "rb") as file:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _parse(file.read(1 << 16), pid)  # its broker has the lock
        except OSError:
            return None
        try:
            os.unlink(path)
        except OSError:
            pass
    return None


def _parse(data: bytes, pid: int) -> Running | None:
    try:
        record = _json.loads(data)
        return Running(
            pid,
            str(record["uri"]),
            float(record["started"]),
            int(record["size"]),
            str(record["program"]),
            bool(record["nested"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def enclosing(instances: list[Running]) -> Running | None:
    """The instance whose broker is the nearest ancestor of this process."""
    by_pid = {instance.pid: instance for instance in instances}
    pid = os.getppid() if by_pid else 0
    for _ in range(1000):
        if pid <= 1:
            break
        if pid in by_pid:
            return by_pid[pid]
        pid = _parent(pid)
    return None


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def choice(instances: list[Running]) -> str:
    """The instances, and how to choose one of them."""
    import time

    lines = ["several instances are running; choose one of them:"]
    for instance in instances:
        since = time.strftime("%b %d %H:%M:%S", time.localtime(instance.started))
        program = "".join(char if char.isprintable() else "?" for char in instance.program)
        if len(program) > _SHOWN:
            program = program[: _SHOWN - 1] + "…"
        size = f"{instance.size} broker{'s' if instance.size != 1 else ''}"
        uri = "".join(char if char.isprintable() else "?" for char in instance.uri)
        lines.append(f"  export FLUX_URI={uri}  # {program}, since {since}, {size}, pid {instance.pid}")
    return "\n".join(lines)
