# SPDX-License-Identifier: LGPL-3.0-or-later
"""The life of one broker process, from its attributes to its exit code."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.broker import enclosing, rc, sdnotify
from rosin.broker.assemble import assemble
from rosin.broker.attrtable import check_given, defaults
from rosin.broker.builtins import BUILTINS
from rosin.broker.connector import ConnectorLocal
from rosin.broker.directories import Directories
from rosin.broker.logsinks import open_sinks
from rosin.broker.origin import of_parent, of_process
from rosin.broker.program import InitialProgram, describe
from rosin.broker.rcprogram import RcProgram, is_builtin
from rosin.broker.registration import Registration
from rosin.broker.services.state_machine import StateMachineService
from rosin.broker.treestates import TreeStates
from rosin.constants import FLUX_USERID_UNKNOWN
from rosin.process.outcome import unstarted
from rosin.rfc import fsd

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from rosin.broker.broker import Broker
    from rosin.process.zygote import Zygote


#: What the parent of an instance is told, and where it is.
_ENCLOSING = ("hostname", "jobid", "local-uri", "parent-uri")


#: Signals that end an instance in good order.
DEADLY = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM)


def ignore_signals() -> None:
    """Let no signal disturb the last steps: without the loop's handlers it would kill this process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (*DEADLY, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT))


class BootOptions:
    """What a broker is started with: the initial program's argv, attributes, configuration, its place.

    *credentials* are for the initial program alone (see :mod:`rosin.process.credentials`).
    """

    def __init__(
        self,
        command: list[str] | None = None,
        attrs: dict[str, str] | None = None,
        config: dict[str, Any] | None = None,
        config_path: str | None = None,
        credentials: dict[str, str] | None = None,
        *,
        rank: int = 0,
        size: int = 1,
    ) -> None:
        self.command = command or []
        self.attrs = attrs or {}
        self.config = config or {}
        self.config_path = config_path
        self.credentials = credentials or {}
        self.rank = rank
        self.size = size


class Life:
    """A broker process on its way through the states (rosin.broker.state)."""

    def __init__(self, options: BootOptions, zygote: Zygote | None) -> None:
        self.options = options
        self.zygote = zygote
        self.broker: Broker
        self.exit_code = 1
        self._program: InitialProgram | RcProgram | None = None
        self._stopping = asyncio.Event()
        self._signum = int(signal.SIGHUP)  # what an initial program would have ended by
        self._notices: list[tuple[int, str]] = []
        self._directories = Directories(options.attrs, lambda *notice: self._notices.append(notice))
        self._close_log: Callable[[], None] = lambda: None
        self._service: StateMachineService
        self._tree: TreeStates

    # -- attributes and directories -----------------------------------------------------------------

    def prepare(self) -> None:
        """Make the directories and the broker. Raises OSError with one clear line."""
        options = self.options
        self.broker = assemble(
            {**self._attributes(), **of_process(), **of_parent()},
            (*BUILTINS, ConnectorLocal),
            config=options.config,
            config_path=options.config_path,
            zygote=self.zygote,
        )
        self._close_log = open_sinks(self.broker.ring, self.broker.attrs)
        for level, text in self._notices:
            self.broker.log(level, "broker", text)

    def _attributes(self) -> dict[str, str]:
        """Those that were given, those that were configured, and what follows from the directories."""
        given = self.options.attrs
        try:
            check_given(given)
            values = {**defaults(self.options.config), **given}
        except ValueError as exc:
            raise OSError(errno.EINVAL, str(exc)) from None
        fanout = values.pop("tbon.fanout", None)
        if fanout is not None:
            values["tbon.topo"] = f"kary:{fanout}"
        values |= {"rank": str(self.options.rank), "size": str(self.options.size)}
        values["broker.quorum"] = given.get("broker.quorum", values["size"])
        if self.options.config_path:
            values["config.path"] = self.options.config_path
        values |= self._directories.claim()
        values.setdefault("hostname", socket.gethostname())
        values.setdefault("hostlist", values["hostname"])
        values.setdefault("local-uri", f"local://{values['rundir']}/local-{values['rank']}")
        return values

    # -- states -------------------------------------------------------------------------------------

    def _post(self, event: str) -> None:
        machine = self.broker.state
        before, since = machine.state, machine.since
        now = self.broker.clock.monotonic()
        if machine.post(event, now):
            took = fsd.encode(now - since)
            self.broker.log(6, "broker", f"{event}: {before}->{machine.state} {took}")
            self._service.changed()
            if self._stopping.is_set():
                sdnotify.extend_stop(self.broker.attrs)

    async def run(self) -> int:
        """The whole life; returns the exit code of the initial program."""
        registration = Registration(self._record())
        try:
            await self._load_builtins()
            if await self._join() and await self._rc1() and await self._quorum():
                if not self.broker.rank:  # not before: who finds the instance wants its services
                    fault = registration.place()
                    if fault:
                        self.broker.log(4, "broker", fault)
                sdnotify.notify(self.broker.attrs, "READY=1")
                await (self._follow() if self.broker.rank else self._rc2())
                sdnotify.notify(self.broker.attrs, "STOPPING=1")
                await self._clean_up_jobs()
            self._post(await self._tree.children())
            await self._rc3()
            self._post("goodbye")
            self._service.finish()
            # One more turn of the loop lets the last answers leave before the sockets close.
            await asyncio.sleep(0)
            ignore_signals()
            await self._unload()
        finally:
            registration.remove()
        return self.exit_code

    def _record(self) -> dict[str, Any]:
        attrs = self.broker.attrs
        return {
            "uri": attrs.value("local-uri"),
            "started": float(attrs.value("broker.starttime")),
            "size": self.broker.size,
            "program": "no initial program"
            if "broker.rc2_none" in attrs.names()
            else " ".join(self.options.command) or "interactive shell",
            "nested": "parent-uri" in attrs.names(),
        }

    def clean_up(self) -> None:
        """Remove the temporary directories and let go of the others."""
        self._close_log()
        self._directories.release()

    async def _load_builtins(self) -> None:
        broker = self.broker
        await broker.start()
        service, connector = (broker.modules[name] for name in ("state-machine", "connector-local"))
        assert isinstance(service, StateMachineService)
        assert isinstance(connector, ConnectorLocal)
        self._service = service
        service.on_shutdown = self.shutdown
        connector.listen()
        if broker.zygote is not None:
            broker.zygote.on_lost = partial(broker.log, 3, "broker")
            broker.zygote.attach(asyncio.get_running_loop())
        self._tree = TreeStates(broker, service.h)
        self._post("builtins-success")

    async def _join(self) -> bool:
        """Find a place among the other brokers."""
        self._post(await self._unless_stopped(self._tree.join(), "parent-fail"))
        if self.broker.state.state == "config-sync":
            self._post(await self._unless_stopped(self._tree.sync(), "sync-fail"))
        return self.broker.state.state == "init"

    async def _quorum(self) -> bool:
        """Wait for the other brokers that the instance needs."""
        self._post(await self._unless_stopped(self._tree.quorum(), "quorum-fail"))
        if self.broker.state.state != "run":
            return False
        if "parent-uri" in self.broker.attrs.names() and not self.broker.rank:
            self.broker.create_task(self._announce())
        return True

    async def _follow(self) -> None:
        """Above rank 0 there is no initial program: run as long as the instance does."""
        self._post(await self._unless_stopped(self._tree.end(), "shutdown"))
        self.exit_code = 0

    async def _unless_stopped(self, coming: Coroutine[Any, Any, str], otherwise: str) -> str:
        """The event that is coming, or ``otherwise`` if the end is asked for before."""
        event = asyncio.ensure_future(coming)
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((event, stop), return_when=asyncio.FIRST_COMPLETED)
            return event.result() if event.done() else otherwise
        finally:
            event.cancel()
            stop.cancel()

    def _norestart(self, code: int) -> int:
        """The exit code of an end after which nobody should start the instance again by himself."""
        return int(self.broker.attrs.value("broker.exit-norestart", "0")) or code

    async def _rc1(self) -> bool:
        command = self.broker.attrs.value("broker.rc1_path")
        if is_builtin(command, "rc1"):
            code = await self._builtin_rc1()
        else:
            await rc.builtins(self.broker, self._service.h)
            code = await self._rc_program("rc1", command)
        if code and self.broker.attrs.value("broker.recovery-mode") == "1":
            self.broker.log(3, "broker", "rc1 has failed; going on, as this is recovery mode")
        elif code:
            self.exit_code = self._norestart(code)
            self._post("rc1-fail")
            return False
        # What rc1 has made lives as long as the broker: the collector need not look at it again.
        gc.freeze()
        gc.enable()
        self._post("rc1-success" if command else "rc1-none")
        return True

    async def _builtin_rc1(self) -> int:
        try:
            await rc.rc1(self.broker, self._service.h)
        except OSError as exc:
            self.broker.log(3, "broker", f"rc1: {exc.strerror}")
            return 1
        except Exception:
            self.broker.log(3, "broker", f"rc1: {traceback.format_exc()}")
            return 1
        return 0

    async def _rc_program(self, name: str, command: str) -> int:
        if not command:
            return 0
        self._program = program = RcProgram(self.broker, name, command)
        return await program.run()

    async def _rc3(self) -> None:
        command = self.broker.attrs.value("broker.rc3_path")
        if is_builtin(command, "rc3"):
            await rc.rc3(self.broker, self._service.h)
            code = 0
        else:
            code = await self._rc_program("rc3", command)
        self.exit_code = self.exit_code or code
        self._post("rc3-fail" if code else "rc3-success" if command else "rc3-none")

    async def _clean_up_jobs(self) -> None:
        """Cancel jobs and wait for their end; after a signal, no longer than ``broker.cleanup-timeout``."""
        if self.broker.rank:
            self._post("cleanup-none")
            return
        text = self.broker.attrs.value("broker.cleanup-timeout", "none")
        limit = fsd.parse(text) if text != "none" and self._stopping.is_set() else None
        try:
            async with asyncio.timeout(limit):
                await rc.cleanup(self.broker, self._service.h)
        except TimeoutError:
            self.broker.log(3, "broker", f"cleanup: not over after broker.cleanup-timeout={text}")
            self.exit_code = self.exit_code or 1
            self._post("cleanup-fail")
        else:
            self._post("cleanup-success")

    async def _unload(self) -> None:
        text = self.broker.attrs.value("broker.unload-builtins-timeout", "none")
        try:
            async with asyncio.timeout(fsd.parse(text) if text != "none" else None):
                await self.broker.close()
        except TimeoutError:
            self.broker.log(3, "broker", f"modules still run after broker.unload-builtins-timeout={text}")

    async def _announce(self) -> None:
        attrs = {name: self.broker.attrs.value(name) for name in _ENCLOSING}
        fault = await enclosing.announce(attrs)
        if fault:
            self.broker.log(4, "broker", fault)

    async def _rc2(self) -> None:
        """Run the initial program until it ends or a shutdown is asked for."""
        attrs = self.broker.attrs
        if "broker.rc2_none" in attrs.names():
            await self._stopping.wait()
            self.exit_code = self._norestart(0)
            self._post("rc2-none")
            return
        if self._stopping.is_set():
            self.exit_code = self._norestart(128 + self._signum)
            self._post("rc2-abort")
            return
        self._program = program = InitialProgram(
            self.options.command,
            attrs.value("local-uri"),
            self.broker.zygote,
            self.options.credentials,
            process_group="broker.rc2_pgrp" in attrs.names(),
        )
        began = time.monotonic()
        name = " ".join(program.command) or "interactive shell"
        try:
            status = await program.run()
        except OSError as exc:
            self.exit_code = unstarted(exc.errno, 126)
            program_name = program.argv[0]
            if program_name == os.environ.get("SHELL"):
                program_name += " (from the environment variable SHELL)"
            self.broker.log(3, "broker", f"rc2.0: {name}: cannot start {program_name}: {exc.strerror}")
            self._post("rc2-fail")
            return
        self.exit_code, how = describe(status)
        if self.exit_code == 0 and self._stopping.is_set():
            self.exit_code, how = 1, "aborted after exit with rc=0"
        text = f"rc2.0: {name} {how} (rc={self.exit_code}) {time.monotonic() - began:.1f}s"
        self.broker.log(3 if self.exit_code else 6, "broker", text)
        failed = bool(self.exit_code)
        if self._stopping.is_set():
            self.exit_code = self._norestart(self.exit_code)
        self._post("rc2-fail" if failed else "rc2-success")

    def signalled(self, signum: int) -> None:
        """A signal asks for the end; it is the reason if the initial program has not been started."""
        if not self._stopping.is_set():
            self._signum = signum
        self.shutdown()

    def interrupted(self) -> None:
        """Ctrl-C: the terminal sends it to the initial program as well, and that one decides once it runs."""
        if isinstance(self._program, InitialProgram):
            self._program.interrupted()
        else:
            self.signalled(signal.SIGINT)

    def shutdown(self) -> None:
        """Begin the orderly end: hang up on the initial program, the rest follows from its exit."""
        if not self._stopping.is_set():
            self._stopping.set()
            if self._program is not None:
                self._program.hang_up()

    def signal_jobs(self, signum: int) -> None:
        """Pass a signal that concerns jobs, such as a batch system's warning, on to all that run."""
        self.broker.create_task(self._signal_jobs(signum))

    async def _signal_jobs(self, signum: int) -> None:
        request = {"dry_run": False, "userid": FLUX_USERID_UNKNOWN, "signum": int(signum)}
        try:
            count = (await self._service.h.rpc("job-manager.killall", request))["count"]
        except OSError as exc:
            self.broker.log(3, "broker", f"signal {signum} is not forwarded to jobs: {exc.strerror}")
        else:
            self.broker.log(6, "broker", f"forwarded signal {signum} to {count} jobs")
