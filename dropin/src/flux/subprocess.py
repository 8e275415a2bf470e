# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.subprocess: processes in the background of a subprocess server (RFC 42)."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_NODEID_ANY
from rosin.handle.rpc import RPC

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence

    from rosin.handle.handle import Handle

__all__ = [
    "SUBPROCESS_REXEC_WAITABLE",
    "Subprocess",
    "SubprocessBackgroundRexecRPC",
    "SubprocessListRPC",
    "SubprocessWaitRPC",
    "command_create",
    "kill",
    "list",
    "rexec_bg",
    "wait",
]

#: The process can be waited for.
SUBPROCESS_REXEC_WAITABLE = 16


def command_create(
    command: Sequence[str],
    label: str | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    opts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The command object of RFC 42; working directory and environment are those of this process."""
    named = {} if label is None else {"label": label}
    return {
        "cmdline": command,
        **named,
        "cwd": os.getcwd() if cwd is None else cwd,
        "env": dict(os.environ) if env is None else env,
        "opts": {} if opts is None else opts,
        "channels": [],
    }


def _signed(handle: Any, sign: bool | None, topic: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload, with a signature if the instance is another user's, or as ``sign`` says."""
    if sign is None:
        try:
            sign = int(handle.attr_get("security.owner")) != os.getuid()
        except (OSError, ValueError):
            sign = False
    if not sign:
        return payload
    from flux.security import SecurityContext

    text = json.dumps({**payload, "topic": topic}, separators=(",", ":"))
    return {**payload, "signature": SecurityContext().sign_wrap(text).decode()}


def _process(pid: int | None, label: str | None) -> dict[str, Any]:
    """What names a process in a request. Raises ValueError unless it is one of both."""
    if pid is None and label is None:
        raise ValueError("at least one of pid or label must be specified")
    if pid is not None and label is not None:
        raise ValueError("only one of pid or label may be specified")
    return {"pid": -1, "label": label} if pid is None else {"pid": int(pid)}


class SubprocessBackgroundRexecRPC(RPC):
    """The answer of :func:`rexec_bg`."""

    def get_pid(self) -> int:
        """The id of the process. Raises OSError."""
        return int(self.get()["pid"])

    def get_rank(self) -> int:
        """The rank on which it runs."""
        return int(self.handle.get_rank()) if self.nodeid == FLUX_NODEID_ANY else self.nodeid  # type: ignore[attr-defined]


class SubprocessWaitRPC(RPC):
    """The answer of :func:`wait`."""

    def get_status(self) -> int:
        """The wait status of the process, for ``os.WEXITSTATUS`` and its like."""
        return int(self.get()["status"])

    def get_output(self) -> builtins.list[dict[str, Any]]:
        """The last output, as much as the server has kept: objects of RFC 24."""
        return self.get().get("output") or []

    def _bytes(self, stream: str) -> bytes:
        parts = [io for io in self.get_output() if io.get("stream") == stream and io.get("data") is not None]
        return b"".join(
            base64.b64decode(io["data"])
            if io.get("encoding") == "base64"
            else io["data"].encode("utf-8", "surrogateescape")
            for io in parts
        )

    @property
    def stdout(self) -> bytes:
        """What is kept of standard output."""
        return self._bytes("stdout")

    @property
    def stderr(self) -> bytes:
        """What is kept of standard error."""
        return self._bytes("stderr")


@dataclass
class Subprocess:
    """A process of a subprocess server."""

    pid: int
    rank: int
    state: str
    label: str
    cmd: str

    def __post_init__(self) -> None:
        self.label = self.label or "-"


class SubprocessListRPC(RPC):
    """The answer of :func:`list`."""

    def get_processes(self) -> builtins.list[Subprocess]:
        """The processes. Raises OSError."""
        answer = self.get()
        return [Subprocess(rank=answer["rank"], **process) for process in answer["procs"]]


def rexec_bg(
    handle: Handle,
    command: Sequence[str],
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    label: str | None = None,
    waitable: bool = False,
    service: str = "rexec",
    nodeid: int = FLUX_NODEID_ANY,
    sign: bool | None = None,
) -> SubprocessBackgroundRexecRPC:
    """Run a command in the background of a broker.

    ``label`` names it for :func:`kill` and :func:`wait`, which takes it only if it is ``waitable``.
    ``sign`` the request; by default that is done where the instance is another user's.
    """
    topic = f"{service}.exec"
    request = {
        "cmd": command_create(command, label, cwd, env),
        "flags": SUBPROCESS_REXEC_WAITABLE if waitable else 0,
    }
    return SubprocessBackgroundRexecRPC(handle, topic, _signed(handle, sign, topic, request), int(nodeid))


def kill(
    handle: Handle,
    signum: int = 15,
    pid: int | None = None,
    label: str | None = None,
    service: str = "rexec",
    nodeid: int = FLUX_NODEID_ANY,
    sign: bool | None = None,
) -> RPC:
    """Send a signal to a process by its id or its label. Raises ValueError for both or neither."""
    topic = f"{service}.kill"
    request = {**_process(pid, label), "signum": int(signum)}
    return RPC(handle, topic, _signed(handle, sign, topic, request), int(nodeid))


def wait(
    handle: Handle,
    pid: int | None = None,
    label: str | None = None,
    service: str = "rexec",
    nodeid: int = FLUX_NODEID_ANY,
    sign: bool | None = None,
) -> SubprocessWaitRPC:
    """Wait for a process by its id or its label. Raises ValueError for both or neither."""
    topic = f"{service}.wait"
    return SubprocessWaitRPC(handle, topic, _signed(handle, sign, topic, _process(pid, label)), int(nodeid))


def list(
    handle: Handle, service: str = "rexec", nodeid: int = FLUX_NODEID_ANY, sign: bool | None = None
) -> SubprocessListRPC:
    """The processes of a subprocess server."""
    topic = f"{service}.list"
    return SubprocessListRPC(handle, topic, _signed(handle, sign, topic, {}), int(nodeid))
