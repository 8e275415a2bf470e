# SPDX-License-Identifier: LGPL-3.0-or-later
"""The initial program of an instance: started when the instance is up, its end begins the shutdown."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from rosin.broker.host import ProgramOfBroker
from rosin.process import credentials
from rosin.process.outcome import exit_code, signal_text, termsig
from rosin.process.spawn import ChildProcess, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rosin.process.zygote import Zygote

#: What flux-core calls the initial program.
LABEL = "rc2"
#: Variables of an enclosing job or launcher that must not leak into a new instance.
_FOREIGN = ("FLUX_JOB_", "FLUX_TASK_", "PMI_", "PMIX_", "SLURM_", "PALS_", "OMPI_", "HYDRA_")
_FOREIGN_NAMES = ("FLUX_ENCLOSING_ID", "FLUX_KVS_NAMESPACE", "FLUX_PROXY_REMOTE", "FLUX_TERMINUS_SESSION")


def environment(uri: str, jobid: str | None = None) -> dict[str, str]:
    """The initial program's environment, in an instance that is this job of another one."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and name not in _FOREIGN_NAMES
    }
    if jobid:
        env["FLUX_ENCLOSING_ID"] = jobid
    env["FLUX_URI"] = uri
    env["PATH"] = search_path(env.get("PATH") or os.defpath)
    return env


def search_path(path: str) -> str:
    """``path`` with the directory of this installation's commands, so that the program finds ``rosin``.

    It goes last: in a virtual environment it also holds a ``python``, which must not hide the user's own.
    """
    command = installed("rosin")
    if command is None or os.path.dirname(command) in path.split(os.pathsep):
        return path
    return f"{path}{os.pathsep}{os.path.dirname(command)}"


def installed(*names: str) -> str | None:
    """The path of the first of these commands that this installation has."""
    for name in names:
        for directory in (os.path.dirname(os.path.abspath(sys.argv[0])), os.path.dirname(sys.executable)):
            path = os.path.join(directory, name)
            if os.access(path, os.X_OK):
                return path
    return None


def command_line(command: list[str]) -> list[str]:
    """What to execute: an interactive shell, one word through the shell, else the command itself."""
    shell = os.environ.get("SHELL") or "/bin/sh"
    if not command:
        return [shell]
    return [shell, "-c", command[0]] if len(command) == 1 else command


def describe(status: int) -> tuple[int, str]:
    """Exit code and wording for a wait status."""
    signum = termsig(status)
    return exit_code(status), signal_text(signum) if signum else "Exited"


def _answer(offer: credentials.Offer) -> None:
    """Answer whoever asks for credentials, as long as somebody could."""
    loop = asyncio.get_running_loop()

    def ready() -> None:
        if not offer.answer():
            loop.remove_reader(offer.fileno())

    loop.add_reader(offer.fileno(), ready)


class InitialProgram:
    """A running initial program. A zygote sees to it that it does not outlive a broker that is killed."""

    def __init__(
        self,
        command: list[str],
        attrs: Mapping[str, str],
        zygote: Zygote | None = None,
        programs: dict[str, ProgramOfBroker] | None = None,
        secrets: dict[str, str] | None = None,
        *,
        process_group: bool = False,
    ) -> None:
        self._secrets = secrets
        self._zygote = zygote
        self._programs = programs if programs is not None else {}
        self._process_group = process_group
        self.command = command
        self.argv = command_line(command)
        self.env = environment(attrs["local-uri"], attrs.get("jobid"))
        self.child: ChildProcess | None = None
        #: Whether all signals that came before the program's start have been told.
        self._settled = False

    async def run(self) -> int:
        """Start it and wait; returns its wait status. Raises OSError if it cannot be started."""
        # It shares the terminal's process group, so that job control works as in any shell session.
        offer = credentials.Offer(self._secrets) if self._secrets else None
        try:
            return await self._run(offer)
        finally:
            if offer is not None:
                asyncio.get_running_loop().remove_reader(offer.fileno())
                offer.close()

    async def _run(self, offer: credentials.Offer | None) -> int:
        if offer is None:
            self.child = self._spawn([])
        else:
            self.env[credentials.VARIABLE] = offer.variable
            self.child = self._spawn([offer.theirs])
            offer.given()
            _answer(offer)
        if self._zygote is not None:
            self._zygote.guard(self.child.pid)
        self._programs[LABEL] = ProgramOfBroker(self.child, self.argv)
        for _ in range(2):  # the loop looks at its signals in between
            await asyncio.sleep(0)
        self._settled = True
        await wait(self.child, before_reaping=self._release)
        assert self.child.status is not None
        return self.child.status

    def _spawn(self, pass_fds: list[int]) -> ChildProcess:
        return spawn(self.argv, env=self.env, process_group=self._process_group, pass_fds=pass_fds)

    def _release(self) -> None:
        self._programs.pop(LABEL, None)
        if self._zygote is not None and self.child is not None:
            self._zygote.unguard(self.child.pid)

    def interrupted(self) -> None:
        """This process got SIGINT, most likely from the terminal, which sends it to the program too.

        Unless it came before the program existed and is told only now: then the program gets it from here."""
        if self.child is not None and not self._settled:
            self.child.kill(signal.SIGINT)

    def hang_up(self) -> None:
        """Ask it to end: SIGHUP, as a terminal that closes, and SIGCONT in case it is stopped."""
        if self.child is not None and self.child.status is None:
            self.child.kill(signal.SIGHUP)
            self.child.kill(signal.SIGCONT)


async def wait(child: ChildProcess, before_reaping: Callable[[], None] | None = None) -> None:
    """Wait for a child on the running loop: through its pidfd, else in a thread.

    ``before_reaping()`` is called while the child's id cannot be another's yet. Without pidfds it is not
    called, but then there is no guard either that would need it.
    """
    loop = asyncio.get_running_loop()
    if child.pidfd is None:
        await loop.run_in_executor(None, child.wait)
        return
    ended = loop.create_future()
    fd = child.pidfd
    loop.add_reader(fd, lambda: None if ended.done() else ended.set_result(None))
    try:
        await ended
    finally:
        loop.remove_reader(fd)
    if before_reaping is not None:
        before_reaping()
    child.poll()


def check_terminal(command: list[str], attrs: Mapping[str, str]) -> None:
    """Without a command rank 0 runs an interactive shell, which needs a terminal. Raises ValueError."""
    if not command and "broker.rc2_none" not in attrs and not os.isatty(0):
        raise ValueError("stdin is not a tty - can't run interactive shell; name a command to run instead")


def interactive() -> bool:
    """Whether this process talks to a person."""
    return sys.stdin.isatty() and sys.stdout.isatty()
