# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin terminus``: terminal sessions that are left and come back to, from any rank."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any

from rosin.cli.arguments import REMAINDER
from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, about, dispatch
from rosin.constants import FLUX_NODEID_ANY

if TYPE_CHECKING:
    import argparse

    from rosin.handle.flux import Flux
    from rosin.handle.rpc import RPC

#: How ``kill`` ends a session.
_SIGNAL = 15


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(
        prog, "Run commands in terminals that one can leave and come back to, from any rank."
    )
    sub = result.command("start", _start, "start a session", epilog=_KEYS)
    sub.flag("-d", "--detach", text="leave it at once")
    sub.flag(
        "-w", "--wait", text="with --detach, keep it when its command has ended until somebody has looked"
    )
    sub.add_argument("-n", "--name", metavar="NAME", help="name of the session (default: the command)")
    _where(sub)
    sub.add_argument("command", metavar="COMMAND", nargs=REMAINDER, help="command (default: your shell)")
    sub = result.command("attach", _attach, "come back to a session", epilog=_KEYS)
    _where(sub)
    sub.flag("-p", "--pipe", text="send it standard input, and print nothing")
    _session(sub)
    _where(result.command("list", _list, "list the sessions"))
    sub = result.command("kill", _kill, "end a session")
    _where(sub)
    _session(sub)
    _where(result.command("kill-server", _kill_server, "end all sessions"))
    return result


_KEYS = "Control-Backslash leaves a session; it goes on."


def _where(sub: AdminParser) -> None:
    sub.add_argument("-r", "--rank", metavar="RANK", type=_number, help="on this rank (default: this one)")
    sub.add_argument("-s", "--service", metavar="NAME", help="name of the service (default: USERID-terminus)")


def _session(sub: AdminParser) -> None:
    sub.add_argument("session", metavar="ID", type=_number, help="number of the session")


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 31:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"invalid number '{text}': expected one such as 0")
    return int(text)


class TerminusService:
    """The terminus service that the options name."""

    def __init__(self, h: Flux, args: argparse.Namespace) -> None:
        self.name: str = args.service or f"{os.getuid()}-terminus"
        self.rank: int = FLUX_NODEID_ANY if args.rank is None else args.rank
        self._h = h

    def rpc(self, method: str, payload: dict[str, Any] | None = None) -> RPC:
        """Send it a request."""
        return self._h.rpc(f"{self.name}.{method}", payload, self.rank)

    def running(self) -> bool:
        """Whether there is one."""
        try:
            self.rpc("list").get()
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise
            return False
        return True

    def ask(self, what: str, method: str, payload: dict[str, Any] | None = None) -> Any:
        """The answer to a request. Raises OSError that says *what* has failed."""
        try:
            return self.rpc(method, payload).get()
        except OSError as exc:
            if exc.errno == errno.ENOSYS:
                raise OSError(exc.errno, f"no server running at {self.name}") from None
            with about(what):
                raise


def _refuse_nesting() -> None:
    if "FLUX_TERMINUS_SESSION" in os.environ:
        raise ValueError("Nesting terminus sessions is not supported")


def _start(args: argparse.Namespace) -> int:
    _refuse_nesting()
    with connect() as h:
        service = TerminusService(h, args)
        if not service.running():
            if args.rank is not None:
                raise ValueError(
                    "Unable to start a new server with --rank: use 'exec -r RANK ... terminus start'"
                )
            from rosin.cli.terminusserver import start

            start(service.name)
        request = {
            "cmd": args.command,
            "environ": dict(os.environ),
            "cwd": os.getcwd(),
            "wait": int(args.wait or not args.detach),
            **({"name": args.name} if args.name else {}),
        }
        with about("new session"):
            topic = service.rpc("new", request).get()["pty_service"]
        return 0 if args.detach else _follow(h, topic, service.rank)


def _attach(args: argparse.Namespace) -> int:
    _refuse_nesting()
    with connect() as h:
        service = TerminusService(h, args)
        topic = f"{service.name}.{args.session}"
        return _pipe(h, topic, service.rank) if args.pipe else _follow(h, topic, service.rank)


def _follow(h: Flux, topic: str, rank: int) -> int:
    """Copy between this terminal and a session until it ends, or is left; its exit code."""
    from rosin.cli.job.pty import PtyClient
    from rosin.process import outcome

    result: list[tuple[bool, int]] = []

    def ended(attached: bool, status: int) -> None:
        result.append((attached, status))
        h.reactor_stop()

    client = PtyClient(h, topic, rank, ended, clear=True)
    try:
        h.reactor_run()
    finally:
        client.close()
    attached, status = result[0] if result else (False, 1)
    if not attached:
        raise ValueError(f"Invalid session or server at {topic}: {client.reason}")
    return outcome.exit_code(status)


def _pipe(h: Flux, topic: str, rank: int) -> int:
    """Send standard input to a session."""
    from rosin.constants import FLUX_RPC_STREAMING
    from rosin.job import ptydata

    attached = h.rpc(topic, {"type": "attach", "mode": "wo"}, rank, FLUX_RPC_STREAMING)
    try:
        attached.get()
    except OSError as exc:
        if exc.errno != errno.ENOSYS:
            raise
        raise ValueError(f"Invalid session or server at {topic}: No such session") from None
    while data := os.read(0, 4096):
        with about(topic):
            h.rpc(topic, ptydata.encode(data), rank).get()
    try:
        h.rpc(topic, {"type": "detach"}, rank).get()
    except OSError as exc:
        if exc.errno != errno.ENOSYS:  # what it has read has ended it
            raise
    return 0


def _list(args: argparse.Namespace) -> None:
    with connect() as h:
        answer = TerminusService(h, args).ask("list sessions failed", "list")
    server, sessions = answer["server"], answer["sessions"]
    print(f"server at {server['service']} running on rank {server['rank']} since {_date(server['ctime'])}")
    if sessions:
        print(f"{len(sessions)} current session{'s' if len(sessions) > 1 else ''}:")
    else:
        print("no sessions")
    for session in sessions:
        exited = " (exited)" if session["exited"] else ""
        created = f"(created {_date(session['ctime'])})"
        print(f"{session['id']}: [{session['name']}]{exited} {session['clients']} clients {created}")


def _date(seconds: float) -> str:
    return time.strftime("%c", time.localtime(seconds))


def _kill(args: argparse.Namespace) -> None:
    with connect() as h:
        request = {"id": args.session, "signal": _SIGNAL, "wait": 1}
        TerminusService(h, args).ask("kill failed", "kill", request)


def _kill_server(args: argparse.Namespace) -> None:
    with connect() as h:
        TerminusService(h, args).ask("kill-server", "kill-server")


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
