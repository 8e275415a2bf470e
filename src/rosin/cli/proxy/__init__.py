# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin proxy``: run a program beside an instance that may be on another host, over one connection."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from rosin.cli.proxy.server import ProxyServer
from rosin.cli.subcommands import AdminParser, guarded
from rosin.constants import FLUX_CORE_VERSION
from rosin.handle import ssh
from rosin.handle.builtin import search_path
from rosin.handle.uri import SSH
from rosin.process import leftover
from rosin.process.outcome import unstarted

if TYPE_CHECKING:
    import argparse

#: Seconds between two attempts to connect again.
_AGAIN = 2.0


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(
        prog,
        "Run a command (default: a shell) whose commands talk to an instance, over one connection to it.",
        usage=f"{prog.replace('-', ' ', 1)} [OPTIONS...] JOBID|URI [COMMAND [ARGS...]]",
    )
    result.flag("-f", "--force", text="do not ask whether the instance has the same version")
    result.flag("-n", "--nohup", text="let the command go on when the connection is lost")
    result.flag("--reconnect", text="connect again when the connection is lost")
    result.set_defaults(run=_proxy)
    return result


def _open(uri: str) -> socket.socket:
    """A connection that the broker has accepted. Raises OSError."""
    from rosin.handle import stream
    from rosin.handle.uri import local_path

    try:
        raw = ssh.connect(uri) if uri.startswith(SSH) else stream.connect(local_path(uri))
    except ValueError as exc:
        raise OSError(errno.EINVAL, str(exc)) from None
    return socket.socket(fileno=raw.detach())


def check_version(theirs: str) -> None:
    """Raise ValueError unless an instance speaks as this program does: the first two numbers are the same."""
    ours = FLUX_CORE_VERSION
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        raise ValueError(
            f"broker version {theirs} does not match {ours}; use --force to connect nevertheless"
        )


def _proxy(args: argparse.Namespace) -> int:
    from rosin.cli.resolvers import reach
    from rosin.handle.flux import Flux

    uri = reach(args.command[0], wait=True)
    with Flux(uri) as h:
        if not args.force:
            check_version(h.attr_get("version"))
    return asyncio.run(ProxySession(uri, args).run())


class ProxySession:
    """One run of the command."""

    def __init__(self, uri: str, args: argparse.Namespace) -> None:
        self._uri = uri
        self._args = args
        self._server = ProxyServer(self._lost)
        self._child: asyncio.subprocess.Process | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False

    async def run(self) -> int:
        """Run the command; its exit code."""
        with leftover.temporary("proxy") as directory:
            path = os.path.join(directory, "local")
            await self._server.connect(_open(self._uri))
            await self._server.listen(path)
            try:
                return await self._run(f"local://{path}")
            finally:
                self._ending = True
                await self._server.close()

    async def _run(self, uri: str) -> int:
        env = {**os.environ, "FLUX_URI": uri, "PATH": search_path(os.environ.get("PATH", os.defpath))}
        if self._uri.startswith(SSH):
            env["FLUX_PROXY_REMOTE"] = ssh.parse(self._uri).host
        command = self._args.command[1:] or [os.environ.get("SHELL") or "/bin/sh"]
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the command as well
        try:
            self._child = await asyncio.create_subprocess_exec(*command, env=env, preexec_fn=_restore)
        except OSError as exc:
            sys.stderr.write(f"{self._args.prog}: {command[0]}: {exc.strerror}\n")
            return unstarted(exc.errno)
        code = await self._child.wait()
        return 128 - code if code < 0 else code

    def _lost(self) -> None:
        if self._ending:
            return
        self._server.cut_off()
        if self._args.reconnect:
            task = asyncio.get_running_loop().create_task(self._reconnect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        sys.stderr.write(f"{self._args.prog}: Lost connection to Flux\n")
        child = self._child
        if child is not None and child.returncode is None and not self._args.nohup:
            sys.stderr.write(f"{self._args.prog}: Sending SIGHUP to child processes\n")
            # Not by the child's own method, which would take an end from who waits for it.
            for signum in (signal.SIGHUP, signal.SIGCONT):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signum)

    async def _reconnect(self) -> None:
        sys.stderr.write(f"{self._args.prog}: broker: lost connection, trying to reconnect\n")
        loop = asyncio.get_running_loop()
        while not self._ending:
            try:
                sock = await loop.run_in_executor(None, _open, self._uri)
            except OSError:
                await asyncio.sleep(_AGAIN)  # until there is a broker again, or the command ends
            else:
                await self._server.connect(sock)
                sys.stderr.write(f"{self._args.prog}: broker: reconnected\n")
                return


def _restore() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = parser(prog)
    args = options.parse_command(argv)
    if not args.command:
        options.error("the following arguments are required: JOBID|URI")
    return guarded(args, prog)
