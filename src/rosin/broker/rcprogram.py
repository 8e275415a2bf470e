# SPDX-License-Identifier: LGPL-3.0-or-later
"""rc1 and rc3 as commands (``broker.rc1_path``, ``broker.rc3_path``), in place of the calls of ``rc``."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

from rosin.broker.host import ProgramOfBroker
from rosin.broker.program import describe, environment, installed, wait
from rosin.handle.builtin import CONFDIR
from rosin.process.pump import Pump
from rosin.process.spawn import ChildProcess, output_pipe, spawn

if TYPE_CHECKING:
    from rosin.broker.broker import Broker

#: Where a site's modules and tasks are.
SITE = f"{CONFDIR}/modprobe"
#: Variables by which a site adds to what rc1 and rc3 do, or takes some away: the command reads them.
VARIABLES = (
    *("FLUX_MODPROBE_PATH", "FLUX_MODPROBE_PATH_APPEND", "FLUX_MODPROBE_DISABLE"),
    *("FLUX_RC_EXTRA", "FLUX_SCHED_MODULE"),
)


def is_builtin(command: str, name: str) -> bool:
    """Whether a command stands for what the broker does by itself: there is nothing that a site adds."""
    usual = command in (f"flux modprobe {name}", f"rosin modprobe {name}")
    return usual and not any(os.environ.get(variable) for variable in VARIABLES) and not _site_has(name)


def _site_has(name: str) -> bool:
    """Whether the site describes modules, or has tasks for the start or the end: the command reads them."""
    places = ((f"{SITE}/modprobe.d", ".toml"), (f"{SITE}/{name}.d", ".py"))
    return any(
        file.endswith(suffix)
        for place, suffix in places
        if os.path.isdir(place)
        for file in os.listdir(place)
    )


def own(command: str) -> str:
    """The command with the path of this installation's program in place of ``flux`` or ``rosin``."""
    word, _, rest = command.partition(" ")
    path = installed("rosin") if word in ("flux", "rosin") and rest.startswith("modprobe ") else None
    if path is None:
        return command
    import shlex

    return f"{shlex.quote(path)} {rest}"


class RcProgram:
    """A shell command whose output goes to the log."""

    def __init__(self, broker: Broker, name: str, command: str, number: int = 0) -> None:
        """*number*: which of the commands called *name* it is."""
        self._broker = broker
        self._label = name
        self._name = f"{name}.{number}"
        self._command = command
        self._child: ChildProcess | None = None

    async def run(self) -> int:
        """Run it; returns its exit code, 0 for success. A failure is logged. Cancelled, it ends it."""
        began = time.monotonic()
        try:
            status = await self._run()
        except OSError as exc:
            self._broker.log(3, "broker", f"{self._name}: {self._command}: {exc.strerror}")
            return 1
        code, how = describe(status)
        text = f"{self._name}: {self._command} {how} (rc={code}) {time.monotonic() - began:.1f}s"
        self._broker.log(3 if code else 6, "broker", text)
        return code

    async def _run(self) -> int:
        pipes = [(*output_pipe(large=False), severity) for severity in (6, 3)]
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        attrs = self._broker.attrs.values()
        try:
            argv = ["/bin/sh", "-c", own(self._command)]
            self._child = child = spawn(
                argv,
                env=environment(attrs["local-uri"], attrs.get("jobid")),
                stdin=null,
                stdout=pipes[0][1],
                stderr=pipes[1][1],
            )
        except OSError:
            for reader, _writer, _severity in pipes:
                os.close(reader)
            raise
        finally:
            os.close(null)
            for _reader, writer, _severity in pipes:
                os.close(writer)
        zygote = self._broker.zygote
        if zygote is not None:
            zygote.guard(child.pid)
        self._broker.programs[self._label] = ProgramOfBroker(child, argv)
        pumps = [(Pump(reader), severity) for reader, _writer, severity in pipes]
        loop = asyncio.get_running_loop()
        for pump, severity in pumps:
            loop.add_reader(pump.fd, self._copy, pump, severity)
        try:
            await wait(child, self._release)
        except asyncio.CancelledError:
            self.hang_up()
            self._broker.create_task(wait(child, self._release))
            raise
        finally:
            for pump, severity in pumps:
                self._copy(pump, severity)  # what is there already; who still has the pipe is not waited for
                loop.remove_reader(pump.fd)
                pump.close()
        assert child.status is not None
        return child.status

    def _release(self) -> None:
        self._broker.programs.pop(self._label, None)
        if self._broker.zygote is not None and self._child is not None:
            self._broker.zygote.unguard(self._child.pid)

    def _copy(self, pump: Pump, severity: int) -> None:
        data = pump.on_readable()
        for line in data.decode(errors="replace").splitlines():
            self._broker.log(severity, "broker", f"{self._name}: {line}")
        if pump.eof:
            asyncio.get_running_loop().remove_reader(pump.fd)

    def hang_up(self) -> None:
        """End it."""
        if self._child is not None and self._child.status is None:
            self._child.kill(signal.SIGTERM)
            self._child.kill(signal.SIGCONT)


async def run_list(broker: Broker, name: str) -> int:
    """Run a list of ``broker.runat`` to its end, whatever becomes of each command.

    Returns the first exit code that is not 0, else 0. What is pushed meanwhile runs as well.
    """
    code, number = 0, 0
    while (command := broker.runat.take(name)) is not None:
        ended = await RcProgram(broker, name, command, number).run()
        code, number = code or ended, number + 1
    return code
