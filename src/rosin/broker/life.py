# SPDX-License-Identifier: LGPL-3.0-or-later
"""The life of one broker process, from its attributes to its exit code."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from rosin.broker import rc, rundir, sdnotify
from rosin.broker.assemble import assemble
from rosin.broker.attrtable import check_given, check_size, defaults
from rosin.broker.collector import Collector
from rosin.broker.connector import ConnectorLocal
from rosin.broker.course import INSTEAD, Action, Course
from rosin.broker.directories import Directories
from rosin.broker.logsinks import open_sinks
from rosin.broker.origin import of_process
from rosin.broker.program import InitialProgram, describe
from rosin.broker.rcprogram import RcProgram, is_builtin, run_list
from rosin.broker.registration import Registration, record
from rosin.broker.services.overlay import OverlayService
from rosin.broker.services.state_machine import StateMachineService
from rosin.broker.services.table import BUILTINS
from rosin.broker.treestates import TreeStates
from rosin.job.control import killall_async
from rosin.process import leftover
from rosin.process.outcome import unstarted
from rosin.rfc import fsd

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from rosin.broker.broker import Broker
    from rosin.broker.overlay.bootstrap import Bootstrap
    from rosin.broker.overlay.transport import Transport
    from rosin.process.zygote import Zygote


#: Signals that end an instance in good order.
DEADLY = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM)


def ignore_signals() -> None:
    """Let no signal disturb the last steps: without the loop's handlers it would kill this process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (*DEADLY, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT))


class BootOptions:
    """What a broker is started with: the initial program's argv, attributes, configuration, its place.

    *credentials* are for the initial program alone (see :mod:`rosin.process.credentials`). Without a
    *bootstrap* it is an instance of its own. The *transport* is ZeroMQ, if none is given.
    """

    def __init__(
        self,
        command: list[str] | None = None,
        attrs: dict[str, str] | None = None,
        config: dict[str, Any] | None = None,
        config_path: str | None = None,
        credentials: dict[str, str] | None = None,
        *,
        bootstrap: Bootstrap | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.command = command or []
        self.attrs = attrs or {}
        self.config = config or {}
        self.config_path = config_path
        self.credentials = credentials or {}
        self.bootstrap = bootstrap
        self.transport = transport


class Life:
    """A broker process: it does what its course (rosin.broker.course) says."""

    def __init__(self, options: BootOptions, zygote: Zygote | None) -> None:
        self.options = options
        self.zygote = zygote
        self.broker: Broker
        self.rank, self.size = (
            (0, 1) if options.bootstrap is None else (options.bootstrap.rank, options.bootstrap.size)
        )
        self.course = Course(self.rank, lambda level, text: self.broker.log(level, "broker", text))
        self._program: InitialProgram | RcProgram | None = None
        self._stopping = asyncio.Event()
        self._notices: list[tuple[int, str]] = []
        self._directories = Directories(
            options.attrs,
            lambda *notice: self._notices.append(notice),
            rank=self.rank,
            size=self.size,
        )
        self._close_log: Callable[[], None] = lambda: None
        self._service: StateMachineService
        self._tree: TreeStates

    # -- attributes and directories -----------------------------------------------------------------

    def prepare(self) -> None:
        """Make the directories and the broker. Raises OSError with one clear line."""
        options = self.options
        self.broker = assemble(
            {**self._attributes(), **of_process()},
            (*BUILTINS, ConnectorLocal),
            config=options.config,
            config_path=options.config_path,
            zygote=self.zygote,
        )
        self._collector = Collector(self.broker.clock)
        self.course.begin(self.broker.state, self.broker.attrs)
        self._close_log = open_sinks(self.broker.ring, self.broker.attrs)
        for level, text in self._notices:
            self.broker.log(level, "broker", text)

    def _attributes(self) -> dict[str, str]:
        """Those that were given, those that were configured, and what follows from the directories."""
        given = self.options.attrs
        try:
            check_given(given)
            check_size(given, self.size)
            values = {**defaults(self.options.config), **given}
        except ValueError as exc:
            raise OSError(errno.EINVAL, str(exc)) from None
        fanout = values.pop("tbon.fanout", None)
        if fanout is not None:
            values["tbon.topo"] = f"kary:{fanout}"
        values |= {"rank": str(self.rank), "size": str(self.size)}
        values["broker.quorum"] = given.get("broker.quorum", values["size"])
        if self.options.config_path:
            values["config.path"] = self.options.config_path
        values |= self._directories.claim()
        values.setdefault("hostname", socket.gethostname())
        if self.size == 1:
            values.setdefault("hostlist", values["hostname"])
            values.setdefault("broker.critical-ranks", "0")
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
        registration = Registration(record(self.broker.attrs, self.options.command))
        try:
            while (step := self.course.step()) is not None:
                running = self.broker.state.state == "run"
                if running:
                    self._tell(registration)
                self._post(step if isinstance(step, str) else await self._take(step))
                if running:
                    sdnotify.notify(self.broker.attrs, "STOPPING=1")
            self._service.finish()
            # One more turn of the loop lets the last answers leave before the sockets close.
            await asyncio.sleep(0)
            ignore_signals()
            await self._unload()
        finally:
            self._collector.stop()
            registration.remove()
        return self.course.exit_code

    async def _take(self, action: Action) -> str:
        """Do something; returns the event that its end is."""
        steps: dict[Action, Callable[[], Coroutine[Any, Any, str]]] = {
            Action.LOAD_BUILTINS: self._load_builtins,
            Action.JOIN: lambda: self._tree.join(),
            Action.SYNC: lambda: self._tree.sync(),
            Action.RC1: self._rc1,
            Action.QUORUM: lambda: self._tree.quorum(),
            Action.PROGRAM: self._run_program,
            Action.WAIT: self._wait,
            Action.FOLLOW: lambda: self._tree.end(),
            Action.CLEANUP: self._clean_up_jobs,
            Action.CHILDREN: lambda: self._tree.children(),
            Action.RC3: self._rc3,
            Action.GOODBYE: lambda: self._tree.goodbye(),
        }
        coming = steps[action]()
        return await (self._unless_stopped(coming, INSTEAD[action]) if action in INSTEAD else coming)

    def _tell(self, registration: Registration) -> None:
        """The instance runs: whoever waits for that may know."""
        if not self.broker.rank:  # not before: who finds the instance wants its services
            if "parent-uri" in self.broker.attrs.names():
                self.broker.create_task(self._announce())
            fault = registration.place()
            if fault:
                self.broker.log(4, "broker", fault)
            self.broker.create_task(self._sweep())
        sdnotify.notify(self.broker.attrs, "READY=1")

    async def _sweep(self) -> None:
        """Remove what killed instances have left, beside what this one does."""
        found = leftover.find(rundir.bases())
        for left in found:
            self.broker.log(6, "broker", f"removing {left.path}: its instance was killed")
        if found:
            await asyncio.to_thread(leftover.remove, found)

    def clean_up(self) -> None:
        """Remove the temporary directories and let go of the others."""
        self._close_log()
        self._directories.release()

    async def _load_builtins(self) -> str:
        broker = self.broker
        await broker.start()
        service, connector = (broker.modules[name] for name in ("state-machine", "connector-local"))
        assert isinstance(service, StateMachineService)
        assert isinstance(connector, ConnectorLocal)
        self._service = service
        service.on_shutdown = self.shutdown
        service.on_panic = self.panic
        if broker.zygote is not None:
            broker.zygote.on_lost = partial(broker.log, 3, "broker")
            broker.zygote.attach(asyncio.get_running_loop())
        self._tree = TreeStates(broker, service.h)
        event = await self._unless_stopped(self._boot(), "builtins-fail")
        connector.listen()  # not before: clients keep attributes that never change
        return event

    async def _boot(self) -> str:
        """Join the brokers of the instance, if there are others."""
        bootstrap = self.options.bootstrap
        if bootstrap is None:
            return "builtins-success"
        from rosin.broker.overlay.boot import boot

        overlay = self.broker.modules["overlay"]
        assert isinstance(overlay, OverlayService)
        try:
            await boot(overlay, bootstrap, self.options.transport)
        except OSError as exc:
            # Critical, as there is nobody else to print it.
            self.broker.log(2, "broker", f"bootstrap ({bootstrap.method}): {exc.strerror}")
            return "builtins-fail"
        finally:
            bootstrap.close()
        return "builtins-success"

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

    async def _rc1(self) -> str:
        command = self.broker.attrs.value("broker.rc1_path")
        if is_builtin(command, "rc1"):
            code = await self._builtin_rc1()
        else:
            await rc.builtins(self.broker, self._service.h)
            code = await self._rc_program("rc1", command)
        event = self.course.rc1_ended(code)
        if event != "rc1-fail":
            self._collector.start()  # what rc1 has made lives on
        return event

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

    async def _rc3(self) -> str:
        command = self.broker.attrs.value("broker.rc3_path")
        if is_builtin(command, "rc3"):
            await rc.rc3(self.broker, self._service.h)
            code = 0
        else:
            code = await self._rc_program("rc3", command)
        return self.course.rc3_ended(code)

    async def _clean_up_jobs(self) -> str:
        """Run what clients have asked for, cancel jobs and wait for their end.

        After a signal that lasts no longer than ``broker.cleanup-timeout``.
        """
        limit = self.course.cleanup_limit()
        try:
            async with asyncio.timeout(None if limit is None else fsd.parse(limit)):
                code = await run_list(self.broker, "cleanup")
                await rc.cleanup(self.broker, self._service.h)
        except TimeoutError:
            return self.course.cleaned_up(limit=limit)
        return self.course.cleaned_up(code)

    async def _unload(self) -> None:
        text = self.broker.attrs.value("broker.unload-builtins-timeout", "none")
        try:
            async with asyncio.timeout(fsd.parse(text) if text != "none" else None):
                await self.broker.close()
        except TimeoutError:
            self.broker.log(3, "broker", f"modules still run after broker.unload-builtins-timeout={text}")

    async def _announce(self) -> None:
        from rosin.broker import enclosing

        for fault in await enclosing.announce(self.broker.attrs.values()):
            self.broker.log(4, "broker", fault)

    async def _wait(self) -> str:
        """Without an initial program: run until a shutdown is asked for."""
        await self._stopping.wait()
        return self.course.waited()

    async def _run_program(self) -> str:
        """Run the initial program until it ends."""
        attrs = self.broker.attrs
        self._program = program = InitialProgram(
            self.options.command,
            attrs.values(),
            self.broker.zygote,
            self.broker.programs,
            self.options.credentials,
            process_group="broker.rc2_pgrp" in attrs.names(),
        )
        began = time.monotonic()
        name = " ".join(program.command) or "interactive shell"
        try:
            status = await program.run()
        except OSError as exc:
            program_name = program.argv[0]
            if program_name == os.environ.get("SHELL"):
                program_name += " (from the environment variable SHELL)"
            self.broker.log(3, "broker", f"rc2.0: {name}: cannot start {program_name}: {exc.strerror}")
            return self.course.program_unstarted(unstarted(exc.errno, 126))
        return self.course.program_ended(name, *describe(status), time.monotonic() - began)

    def signalled(self, signum: int) -> None:
        """A signal asks for the end; it is the reason if the initial program has not been started."""
        self.shutdown(signum)

    def interrupted(self) -> None:
        """Ctrl-C: the terminal sends it to the initial program as well, and that one decides once it runs."""
        if isinstance(self._program, InitialProgram):
            self._program.interrupted()
        else:
            self.signalled(signal.SIGINT)

    def shutdown(self, signum: int | None = None) -> None:
        """Begin the orderly end: hang up on the initial program, the rest follows from its exit."""
        if self.course.stop(signum):
            self._stopping.set()
            if self._program is not None:
                self._program.hang_up()

    def panic(self) -> None:
        """Begin the orderly end of a broker that cannot go on."""
        self.course.fail()
        self.shutdown()

    def signal_jobs(self, signum: int) -> None:
        """Pass a signal that concerns jobs, such as a batch system's warning, on to all that run."""
        self.broker.create_task(self._signal_jobs(signum))

    async def _signal_jobs(self, signum: int) -> None:
        try:
            count = (await killall_async(self._service.h, signum))["count"]
        except OSError as exc:
            self.broker.log(3, "broker", f"signal {signum} is not forwarded to jobs: {exc.strerror}")
        else:
            self.broker.log(6, "broker", f"forwarded signal {signum} to {count} jobs")
