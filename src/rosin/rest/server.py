# SPDX-License-Identifier: LGPL-3.0-or-later
"""Serving the application with uvicorn: sockets, signals, an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI

from rosin.handle.aio import AsyncFlux
from rosin.rest.app import create_app
from rosin.rest.auth.links import LIFETIME
from rosin.rest.connection import HEAD_TIME, connections
from rosin.rest.settings import Settings
from rosin.rest.websocket import MOST, SocketConnection

_GRACE = 5


class _Loop(uvloop.Loop):
    """A loop whose servers end connections that do not say hello in time (asyncio waits a minute for TLS)."""

    async def create_server(self, *args: Any, **keywords: Any) -> Any:
        if keywords.get("ssl") is not None:
            keywords["ssl_handshake_timeout"] = HEAD_TIME
        return await super().create_server(*args, **keywords)


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


def configuration(app: FastAPI, tls: ssl.SSLContext | None = None) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app,
        http=connections(),
        ws=SocketConnection,
        ws_max_size=MOST,
        ws_per_message_deflate=False,  # a short message may be a long one
        proxy_headers=False,  # a client writes them; who it is, its connection tells
        log_level="error",  # a bad request is its client's business
        lifespan="off",  # done below, also when the end is forced
        access_log=False,  # its lines hold query strings, and so commands
        timeout_graceful_shutdown=_GRACE,
        server_header=False,
        h11_max_incomplete_event_size=1 << 16,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )


def serve(
    settings: Settings,
    sock: socket.socket,
    where: str,
    log_requests: bool = False,
    tls: ssl.SSLContext | None = None,
) -> int:
    """Serve at *where* until a signal or the end of the instance; returns the exit code.

    Raises OSError and ValueError if it cannot.
    """

    async def main() -> int:
        await _check_instance(settings.uri)
        app = create_app(settings)
        server = RestServer(configuration(app, tls), app)
        if log_requests:
            from rosin.rest.requestlog import RequestLog

            app.add_middleware(RequestLog)
        sock.listen(2048)
        sys.stderr.write(_announcement(app, where))
        sys.stderr.flush()
        app.state.instances.on_gone = server.instance_gone
        app.state.instances.current()
        app.state.webhooks.begin()
        try:
            await server.serve([sock])
        finally:
            await app.state.webhooks.close()
            await app.state.instances.close()
            app.state.state.close()
        return 0

    return uvloop.run(main(), loop_factory=_Loop)
