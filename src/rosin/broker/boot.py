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
from typing import TYPE_CHECKING, Any

from rosin.broker import enclosing, rc, rundir
from rosin.broker.broker import Broker
from rosin.broker.builtins import BUILTINS
from rosin.broker.connector import ConnectorLocal
from rosin.broker.peer import new_uuid
from rosin.broker.program import InitialProgram, describe
from rosin.broker.registration import Registration
from rosin.broker.services.attr import check_dump, set_log_attribute
from rosin.broker.services.state_machine import StateMachineService
from rosin.broker.state import StateMachine
from rosin.constants import FLUX_CORE_VERSION, FLUX_USERID_UNKNOWN
from rosin.rfc import fsd

if TYPE_CHECKING:
    from rosin.process.zygote import Zygote


_DEFAULTS = {
    "broker.boot-method": "single",
    "broker.cleanup-timeout": "none",
    "broker.critical-ranks": "0",
    "broker.mapping": "[[0,1,1,1]]",
    "broker.quorum": "1",
    "broker.quorum-warn": "1m",
    "broker.rc1_path": "",
    "broker.rc3_path": "",
    "broker.sd-stop-timeout": "none",
    "broker.shutdown-timeout": "none",
    "broker.shutdown-warn": "1m",
    "broker.unload-builtins-timeout": "1m",
    "conf.shell_initrc": "",
    "conf.shell_pluginpath": "",
    "content.backing-module": "content-sqlite",
    "content.hash": "sha1",
    "instance-level": "0",
    "jobid-path": "/",
    "rank": "0",
    "size": "1",
    "tbon.child_rcvhwm": "0",
    "tbon.connect_timeout": "30s",
    "tbon.descendants": "0",
    "tbon.interface-hint": "default-route",
    "tbon.level": "0",
    "tbon.maxlevel": "0",
    "tbon.prefertcp": "0",
    "tbon.tcp_user_timeout": "20s",
    "tbon.topo": "kary:32",
    "tbon.torpid_max": "30s",
    "tbon.torpid_min": "5s",
    "tbon.zmq_io_threads": "1",
    "tbon.zmqdebug": "0",
    "version": FLUX_CORE_VERSION,
}
#: What follows from how the broker was started and cannot be asked for.
_FIXED = ("broker.pid", "broker.starttime", "broker.uuid", "rank", "size", "version")
#: What the parent of an instance is told, and where it is.
_ENCLOSING = ("hostname", "jobid", "local-uri", "parent-uri")
_LOG_DEFAULTS = {
    "log-critical-level": "2",
    "log-forward-level": "3",
    "log-level": "7",
    "log-ring-size": "1024",
    "log-stderr-level": "3",
    "log-stderr-mode": "leader",
    "log-syslog-enable": "0",
    "log-syslog-level": "3",
}


class BootOptions:
    """What a broker is started with: the initial program's argv, attributes, configuration.

    *credentials* are for the initial program alone (see :mod:`rosin.process.credentials`).
    """

    def __init__(
        self,
        command: list[str] | None = None,
        attrs: dict[str, str] | None = None,
        config: dict[str, Any] | None = None,
        config_path: str | None = None,
        credentials: dict[str, str] | None = None,
    ) -> None:
        self.command = command or []
        self.attrs = attrs or {}
        self.config = config or {}
        self.config_path = config_path
        self.credentials = credentials or {}


class Instance:
    """A broker process on its way through the states (rosin.broker.state)."""

    def __init__(self, options: BootOptions, zygote: Zygote | None) -> None:
        self.options = options
        self.broker = Broker(config=options.config, zygote=zygote)
        self.broker.config_path = options.config_path
        self.exit_code = 1
        self._program: InitialProgram | None = None
        self._stopping = asyncio.Event()
        self._created: list[str] = []
        self._locks: dict[str, int] = {}
        self._service: StateMachineService

    # -- attributes and directories -----------------------------------------------------------------

    def prepare(self) -> None:
        """Make the directories and define the attributes. Raises OSError with one clear line."""
        attrs, given = self.broker.attrs, dict(self.options.attrs)
        for name in _FIXED:
            if name in given:
                raise OSError(errno.EPERM, f"attribute {name} cannot be set")
        host = given.pop("hostname", "") or socket.gethostname()
        for name, value in _DEFAULTS.items():
            attrs.define(name, given.pop(name, value))
        for name, value in _LOG_DEFAULTS.items():
            value = given.pop(name, value)
            set_log_attribute(self.broker.ring, name, value)
            attrs.define(name, value, immutable=False)
        run = self._directory(given.pop("rundir", None), "rundir", given)
        self._directory(given.pop("statedir", None), "statedir", given, run)
        for name in ("content.dump", "content.restore"):
            try:
                check_dump(name, given.get(name, ""))
            except OSError as exc:
                raise OSError(exc.errno, f"{name}: {exc.strerror}") from None
        attrs.define("content.dump", given.pop("content.dump", ""), immutable=False)
        attrs.define("hostname", host)
        attrs.define("hostlist", host)
        attrs.define("security.owner", os.getuid())
        attrs.define("local-uri", given.pop("local-uri", f"local://{run}/local-0"))
        attrs.define("broker.pid", os.getpid())
        attrs.define("broker.uuid", new_uuid().decode())
        attrs.define("broker.starttime", f"{time.time():.2f}")
        if os.environ.get("FLUX_URI") and os.environ.get("FLUX_JOB_ID"):
            attrs.define("parent-uri", os.environ["FLUX_URI"])
            attrs.define("jobid", os.environ["FLUX_JOB_ID"])
            attrs.define("jobid-path", os.environ.get("FLUX_JOB_ID_PATH", "/" + os.environ["FLUX_JOB_ID"]))
            attrs.define("instance-level", attrs.value("jobid-path").strip("/").count("/") + 1)
        for name, value in given.items():
            attrs.define(name, value, immutable=False)

    def _directory(
        self, path: str | None, name: str, given: dict[str, str], default: str | None = None
    ) -> str:
        """Create the directory of an attribute; temporary ones are removed at the end."""
        if path is None:
            path = default or rundir.make_temporary()
            temporary = True
            if default is None:
                self._created.append(path)
        else:
            path = os.path.abspath(path)
            temporary = rundir.make_private(path) and name == "rundir"
            if temporary:
                self._created.append(path)
        if path not in self._locks:
            self._locks[path] = rundir.lock(path, name)
        keep = given.pop(f"{name}-cleanup", "1" if temporary else "0")
        if keep == "0" and path in self._created:
            self._created.remove(path)
        self.broker.attrs.define(name, path)
        self.broker.attrs.define(f"{name}-cleanup", keep)
        return path

    # -- states -------------------------------------------------------------------------------------

    def _post(self, event: str) -> None:
        machine = self.broker.state
        assert machine is not None
        before, since = machine.state, machine.since
        now = self.broker.clock.now()
        if machine.post(event, now):
            took = fsd.encode(now - since)
            self.broker.log(6, "broker", f"{event}: {before}->{machine.state} {took}")
            self._service.changed()

    async def run(self) -> int:
        """The whole life; returns the exit code of the initial program."""
        self.broker.state = StateMachine(self.broker.clock.now())
        registration = Registration(self._record())
        try:
            await self._load_builtins()
            fault = registration.place()
            if fault:
                self.broker.log(4, "broker", fault)
            if await self._rc1():
                await self._rc2()
                await rc.cleanup(self.broker, self._service.h)
                self._post("cleanup-success")
            self._post("children-none")
            await rc.rc3(self.broker, self._service.h)
            self._post("rc3-success")
            self._post("goodbye")
            self._service.finish()
            # One more turn of the loop lets the last answers leave before the sockets close.
            await asyncio.sleep(0)
            _ignore_signals()
            await self.broker.close()
        finally:
            registration.remove()
        return self.exit_code

    def _record(self) -> dict[str, Any]:
        attrs = self.broker.attrs
        return {
            "uri": attrs.value("local-uri"),
            "started": float(attrs.value("broker.starttime")),
            "size": self.broker.size,
            "program": " ".join(self.options.command) or "interactive shell",
            "nested": "parent-uri" in attrs.names(),
        }

    def clean_up(self) -> None:
        """Remove the temporary directories and let go of the others."""
        for path in self._created:
            rundir.remove(path)
        for fd in self._locks.values():
            os.close(fd)

    async def _load_builtins(self) -> None:
        broker = self.broker
        for cls in BUILTINS:
            await broker.load_class(cls)
        self._service = await broker.load_class(StateMachineService)
        self._service.on_shutdown = self.shutdown
        connector = await broker.load_class(ConnectorLocal)
        assert isinstance(connector, ConnectorLocal)
        connector.listen()
        if broker.zygote is not None:
            broker.zygote.attach(asyncio.get_running_loop())
        for event in ("builtins-success", "parent-none", "sync-none"):
            self._post(event)

    async def _rc1(self) -> bool:
        try:
            await rc.rc1(self.broker, self._service.h)
        except OSError as exc:
            self.broker.log(3, "broker", f"rc1: {exc.strerror}")
            self._post("rc1-fail")
            return False
        except Exception:
            self.broker.log(3, "broker", f"rc1: {traceback.format_exc()}")
            self._post("rc1-fail")
            return False
        # What rc1 has made lives as long as the broker: the collector need not look at it again.
        gc.freeze()
        gc.enable()
        self._post("rc1-success")
        self._post("quorum-full")
        if "parent-uri" in self.broker.attrs.names():
            self.broker.create_task(self._announce())
        return True

    async def _announce(self) -> None:
        attrs = {name: self.broker.attrs.value(name) for name in _ENCLOSING}
        fault = await enclosing.announce(attrs)
        if fault:
            self.broker.log(4, "broker", fault)

    async def _rc2(self) -> None:
        """Run the initial program until it ends or a shutdown is asked for."""
        self._program = program = InitialProgram(
            self.options.command,
            self.broker.attrs.value("local-uri"),
            self.broker.zygote,
            self.options.credentials,
        )
        began = time.monotonic()
        name = " ".join(program.command) or "interactive shell"
        if self._stopping.is_set():
            self.exit_code = 128 + signal.SIGHUP
            self._post("rc2-abort")
            return
        try:
            status = await program.run()
        except OSError as exc:
            self.exit_code = {errno.ENOENT: 127, errno.EACCES: 126}.get(exc.errno or 0, 1)
            program_name = program.argv[0]
            if program_name == os.environ.get("SHELL"):
                program_name += " (from the environment variable SHELL)"
            self.broker.log(3, "broker", f"rc2.0: {name}: cannot start {program_name}: {exc.strerror}")
            self._post("rc2-fail")
            return
        self.exit_code, how = describe(status)
        if self.exit_code == 0 and self._stopping.is_set():
            self.exit_code, how = 1, "aborted after exit with rc=0"
        if self.exit_code:
            text = f"rc2.0: {name} {how} (rc={self.exit_code}) {time.monotonic() - began:.1f}s"
            self.broker.log(3, "broker", text)
        self._post("rc2-fail" if self.exit_code else "rc2-success")

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


#: Signals that end an instance in good order.
_DEADLY = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM)


def _ignore_signals() -> None:
    """Let no signal disturb the last steps: without the loop's handlers it would kill this process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_DEADLY, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT))


def run(options: BootOptions, zygote: Zygote | None = None) -> int:
    """Run a broker until its instance ends; returns the exit code. Raises OSError if it cannot start.

    The last thing that a process does: from its end on signals are blocked.
    """
    import uvloop

    from rosin import _json

    _json.accelerate()

    async def main() -> int:
        instance = Instance(options, zygote)
        loop = asyncio.get_running_loop()
        for signum in _DEADLY:
            loop.add_signal_handler(signum, instance.shutdown)
        for signum in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(signum, instance.signal_jobs, signum)
        # The terminal sends SIGINT to the initial program as well; that one decides.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        try:
            instance.prepare()
            return await instance.run()
        finally:
            _ignore_signals()
            instance.clean_up()

    try:
        return uvloop.run(main())
    finally:
        if zygote is not None:
            zygote.close()
