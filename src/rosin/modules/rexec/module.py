# SPDX-License-Identifier: LGPL-3.0-or-later
"""The rexec module: the subprocess server of a broker (RFC 42); see :mod:`rosin.remote.server`."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.broker.settings import AccessSettings, KeepSettings
from rosin.constants import FLUX_ROLE_LOCAL
from rosin.errors import FormatError
from rosin.process import kept
from rosin.remote import signed
from rosin.remote.command import title
from rosin.remote.protocol import drain_request, drain_share
from rosin.remote.server import SubprocessServer, signal_field
from rosin.remote.window import LEAST
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.host import ProgramOfBroker
    from rosin.remote.command import Command
    from rosin.rfc.message import Message

#: Seconds that processes have between SIGTERM and SIGKILL when the module stops.
SHUTDOWN_TIMEOUT = 5.0


class Rexec(BrokerModule):
    """Service ``rexec`` on every rank."""

    name = "rexec"
    arguments = ()
    collects = False

    async def start(self) -> None:
        self.reconfigure(self.config)
        self.rank = int(self.attrs.get("rank", "0"))
        self._local_uri = self.attrs.get("local-uri", "")
        owner = self.attrs.get("security.owner")
        self.require_signature = owner is not None and owner != str(os.getuid())
        self.server = SubprocessServer(self)
        self._empty = asyncio.Event()
        self.server.on_empty = self._empty.set
        self.keeps = False
        if "rundir" in self.attrs:
            self._keep(f"{self.attrs['rundir']}/kept-{self.rank}")

    def _keep(self, directory: str) -> None:
        """Go on with what the broker before this one has left, and let job shells outlive this one."""
        keeping = KeepSettings.parse(self.config)
        self._patience = keeping.timeout
        found = kept.take_over(directory, self.log.error)
        for zygote in {process.zygote for process in found}:
            zygote.attach(self.loop)
        for process in found:
            try:
                self.server.adopt(process)
            except FormatError as exc:
                self.log.error(f"process {process.spawned.pid}, which was kept, is unknown: {exc}")
                process.spawned.kill(signal.SIGKILL)
        if found:
            self.forsaken()
        if self.zygote is not None and keeping.applies(self.attrs):
            self.zygote.keep(directory, keeping.timeout)
            self.keeps = True

    def forsaken(self) -> None:
        self.call_later(self._patience + 0.01, self._end_unclaimed)

    def _end_unclaimed(self) -> None:
        for label in self.server.end_unclaimed(self._patience):
            self.log.error(f"{label} has outlived its broker and is ended, as nothing is known of its job")

    def reconfigure(self, config: dict[str, Any]) -> None:
        KeepSettings.parse(config)  # which counts at the next start
        self.access = AccessSettings.parse(config)

    async def stop(self) -> None:
        """End every process: SIGTERM, after a while SIGKILL, and collect them."""
        self.server.stop()
        if self.keeps and not await self._instance_runs():
            self.server.leave()
        for signum in (signal.SIGTERM, signal.SIGKILL):
            self._empty.clear()
            self.server.end(signum)
            if self.server.sessions:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._empty.wait(), SHUTDOWN_TIMEOUT)
        for session in self.server.sessions:
            self.log.error(f"process {session.process.pid} survived SIGKILL")
        self.server.abandon("the process has survived SIGKILL")

    async def _instance_runs(self) -> bool:
        """Only this module ends."""
        try:
            return bool((await self.h.rpc("state-machine.get"))["state"] == "run")
        except OSError:
            return False

    def environment(self, command: Command) -> dict[str, str]:
        return command.environment(os.environ, self._local_uri)

    # -- requests ---------------------------------------------------------------------------------

    @request_handler("exec")
    def exec(self, msg: Message) -> object:
        self.server.exec(msg, self._authorize(msg))
        return DEFERRED

    @request_handler("write")
    def write(self, msg: Message) -> None:
        try:
            self.server.write(msg, self._authorize(msg))
        except (OSError, ValueError) as err:
            self.log.error(f"Error decoding {msg.topic} request: {err}")

    @request_handler("kill")
    def kill(self, msg: Message) -> None:
        args = self._authorize(msg)
        program = self._program(args)
        if program is None:
            self.server.kill(msg, args)
        else:
            program.child.kill(signal_field(args))

    @request_handler("list")
    def list_(self, msg: Message) -> dict[str, Any]:
        self._authorize(msg, empty=True)
        answer = self.server.list()
        answer["procs"] += [
            {"pid": program.child.pid, "cmd": title(program.argv), "label": label, "state": "R"}
            for label, program in self.host.programs.items()
            if program.child.status is None
        ]
        return answer

    def _program(self, args: dict[str, Any]) -> ProgramOfBroker | None:
        """The program of the broker's own that a request is about; those that clients started go first."""
        pid, label = field(args, "pid", int), field(args, "label", (str, type(None)), None)
        for name, program in self.host.programs.items():
            found = label == name if label is not None else pid == program.child.pid
            if found and label not in self.server.by_label and program.child.status is None:
                return program
        return None

    @request_handler("wait")
    def wait(self, msg: Message) -> object:
        args = self._authorize(msg)
        if self._program(args) is not None:
            raise OSError(errno.EINVAL, "process is not waitable")
        self.server.wait(msg, args)
        return DEFERRED

    @request_handler("attach")
    def attach(self, msg: Message) -> object:
        self.server.attach(msg, self._authorize(msg))
        return DEFERRED

    @request_handler("keep")
    def keep(self, msg: Message) -> None:
        self.server.keep(msg, self._authorize(msg))

    def disconnected(self, sender: bytes) -> None:
        self.server.disconnected(sender)

    def _authorize(self, msg: Message, empty: bool = False) -> dict[str, Any]:
        """The payload to act upon. Raises OSError (EPERM) for a sender who may not ask."""
        if self.rank == 0 and self.access.allow_guest_user and not msg.rolemask & FLUX_ROLE_LOCAL:
            raise OSError(errno.EPERM, "Remote rexec requests are not allowed on rank 0")
        args = {} if empty and not msg.has_payload else msg.args
        return signed.payload(args, msg.topic, msg.userid, os.getuid(), self.require_signature)

    def drain(self, msg: Message, done: Callable[[int], None]) -> None:
        self.create_task(self._drain(msg, done))

    async def _drain(self, msg: Message, done: Callable[[int], None]) -> None:
        share = LEAST
        try:
            share = drain_share(await self.h.rpc("overlay.drain", drain_request(msg)))
        except (OSError, FormatError) as exc:
            self.complain("drain", f"output of processes may wait in brokers: {exc}")
        done(share)
