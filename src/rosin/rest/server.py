# SPDX-License-Identifier: LGPL-3.0-or-later
"""Serving the application with uvicorn: sockets, signals, an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator

import uvicorn
import uvloop
from fastapi import FastAPI

from rosin.handle.aio import AsyncFlux
from rosin.rest.app import create_app
from rosin.rest.auth.links import LIFETIME
from rosin.rest.connection import connections
from rosin.rest.settings import Settings

_GRACE = 5


class RestServer(uvicorn.Server):
    """Ends its streams first when it is asked to stop."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # SIGHUP is how an instance ends its initial program.
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.interrupt)
        yield

    def interrupt(self) -> None:
        """Stop; the second time without waiting for open connections."""
        self.force_exit = self.should_exit
        self.stop()

    def instance_gone(self) -> None:
        """The instance that this server was started in has ended."""
        if not self.should_exit:
            sys.stderr.write("rosin-serve: the instance has ended\n")
            sys.stderr.flush()
            self.stop()

    def stop(self) -> None:
        """Begin to stop: streams end, no more connections are taken."""
        self.should_exit = True
        self._app.state.instances.begin_closing()


def tcp_socket(host: str, port: int) -> socket.socket:
    """A listening address. Raises OSError that names it."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, proto, _, address = found[0]
        sock = socket.socket(family, kind, proto)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as exc:
        hint = " (choose another --port)" if exc.errno == errno.EADDRINUSE else ""
        raise OSError(exc.errno, f"cannot listen on {host}:{port}: {exc.strerror}{hint}") from None
    return sock


def unix_socket(path: str) -> socket.socket:
    """A UNIX socket that only its owner can connect to; one that a dead server left is replaced."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        _remove_stale(path)
        mask = os.umask(0o177)
        try:
            sock.bind(path)
        finally:
            os.umask(mask)
    except OSError as exc:
        sock.close()
        raise OSError(exc.errno, f"cannot listen on {path}: {exc.strerror or exc}") from None
    return sock


def _remove_stale(path: str) -> None:
    """Remove the socket that a server of this user has left. Follows no link. Raises OSError for all else."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise OSError(errno.EEXIST, "it exists and is not a socket")
    if status.st_uid != os.geteuid():
        raise OSError(errno.EEXIST, "it is the socket of another user")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, "another server listens there")


async def _check_instance(uri: str | None) -> None:
    """Raises OSError if the instance cannot be reached."""
    handle = await AsyncFlux.connect(uri)
    await handle.close()


def _announcement(app: FastAPI, where: str) -> str:
    """What the operator reads: where the server is, and without credentials the way in for a browser."""
    settings, auth = app.state.settings, app.state.auth
    lines = [f"Rosin serves {where}"]
    if settings.weak:
        lines.append("rosin-serve: warning: FLUX_TOKEN is short and can be guessed: openssl rand -hex 24")
    if settings.same_user and where.startswith("http"):
        minutes = int(LIFETIME) // 60
        lines.append(f"Sign in once, within {minutes} minutes: {where}?login={auth.links.make(auth.owner)}")
    return "".join(f"{line}\n" for line in lines)


def serve(settings: Settings, sock: socket.socket, where: str, log_requests: bool = False) -> int:
    """Serve at *where* until a signal or the end of the instance; returns the exit code. Raises OSError."""

    async def main() -> int:
        await _check_instance(settings.uri)
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            http=connections(),
            ws="none",
            proxy_headers=False,  # a client writes them; who it is, its connection tells
            log_level="error",  # a bad request is its client's business
            lifespan="off",  # done below, also when the end is forced
            access_log=False,  # its lines hold query strings, and so commands
            timeout_graceful_shutdown=_GRACE,
            server_header=False,
            h11_max_incomplete_event_size=1 << 16,
        )
        server = RestServer(config, app)
        if log_requests:
            from rosin.rest.requestlog import RequestLog

            app.add_middleware(RequestLog)
        sock.listen(2048)
        sys.stderr.write(_announcement(app, where))
        sys.stderr.flush()
        app.state.instances.on_gone = server.instance_gone
        app.state.instances.current()
        try:
            await server.serve([sock])
        finally:
            await app.state.webhooks.close()
            await app.state.instances.close()
        return 0

    return uvloop.run(main())
