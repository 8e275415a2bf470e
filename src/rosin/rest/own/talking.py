# SPDX-License-Identifier: LGPL-3.0-or-later
"""``POST /rosin/v1/jobs/ID/input`` and the WebSocket ``/terminal``: what is said to a running job."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, WebSocket
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from rosin import _base64, _json
from rosin.constants import FLUX_JOB_STATE_RUN, FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.handle.aio import AsyncFlux
from rosin.job import ptydata
from rosin.job.table.attributes import POSITION
from rosin.rest.context import Here
from rosin.rest.own.events import check_parameters, refuse, short
from rosin.rest.own.fields import field_problem
from rosin.rest.own.jobs import JobId
from rosin.rest.own.route import PREFIX, OwnRoute, errors, reply
from rosin.rest.own.schema.jobs import Acted
from rosin.rest.own.schema.requests import Input
from rosin.rest.own.shellservice import ShellPlace, shell_of, shell_soon
from rosin.rest.problem import Problem, of_error
from rosin.rest.routes.jobs import known
from rosin.rfc import fluid
from rosin.rfc.idset import Idset
from rosin.rfc.ioencode import encode_data

if TYPE_CHECKING:
    from rosin.rest.instance import InstanceLink

router = APIRouter(
    prefix=f"{PREFIX}/jobs", tags=["jobs"], default_response_class=Response, route_class=OwnRoute
)

#: Seconds after which a terminal is told that its client is still there.
_KEEPALIVE = 2.0
_STATE = POSITION["state"]
#: Bytes of one message to a terminal, and pieces that wait for a slow reader.
_MOST = 4096
_WAITING = 256
_LARGEST = 1000


@router.post("/{jobid}/input", responses={200: {"model": Acted}, **errors(404, 409, 413, 415)})
async def own_input(instance: Here, jobid: JobId, asked: Input) -> Response:
    """Give the tasks of a running job something to read, or the end of it (`end`)."""
    number, row = await known(instance, jobid)
    data = _data(asked)
    if not data and not asked.end:
        raise field_problem("data", "there is nothing to be read; end: true says that there is no more")
    shell = await shell_soon(instance, number, row)
    handle = await instance.connected()
    message = encode_data("stdin", asked.ranks, data or None, asked.end)
    try:
        told = await instance.answer(handle.rpc(f"{shell.topic}.stdin", message, shell.rank))
    except Problem as problem:
        if problem.errno in (errno.ENOSYS, errno.EPIPE):
            raise Problem(409, "the job reads no input: it is over, or reads a file") from None
        raise
    result = {"bytes": len(data), "end": asked.end, "read": not (told or {}).get("unread")}
    return reply({"id": fluid.encode(number, "f58"), "action": "input", "result": result})


def _data(asked: Input) -> bytes:
    if asked.ranks != "all":
        try:
            Idset(asked.ranks)
        except FormatError as exc:
            raise field_problem("ranks", f"{exc}; it takes all or an idset such as 0-3") from None
    if asked.encoding == "utf-8":
        return asked.data.encode("utf-8", "surrogatepass")
    try:
        return _base64.decode(asked.data)
    except ValueError as exc:
        raise field_problem("data", f"it is no base64: {exc}") from None


@router.websocket("/{jobid}/terminal")
async def own_terminal(socket: WebSocket, jobid: str, columns: str = "80", rows: str = "24") -> None:
    """The terminal of a job that was submitted with `pty`.

    Binary messages are bytes, in both directions; text messages are `{"resize": {"columns", "rows"}}` from
    the client and `{"exit": {"message"}}` from the server.
    """
    instance = socket.app.state.instances.current()
    try:
        check_parameters(socket, ("columns", "rows"))
        size = _size({"columns": _whole(columns), "rows": _whole(rows)})
        number, row = await known(instance, jobid[:256])
        running = row[_STATE] == FLUX_JOB_STATE_RUN
        shell = await (shell_soon if running else shell_of)(instance, number, row)
        if shell.terminal is None:
            raise Problem(409, "the job has no terminal: submit it with pty")
    except Problem as problem:
        await refuse(socket, problem)
        return
    await socket.accept()
    terminal = JobTerminal(instance, shell, size)
    try:
        await terminal.begin()
    except Problem as problem:
        await socket.close(1013, short(problem))
        return
    tasks = [asyncio.ensure_future(part) for part in (_show(socket, terminal), _type(socket, terminal))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await terminal.close()


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 6 else 0


def _size(asked: Any) -> dict[str, int]:
    """A window. Raises Problem 400."""
    if isinstance(asked, dict) and asked.keys() == {"columns", "rows"}:
        columns, rows = asked["columns"], asked["rows"]
        if type(columns) is int and type(rows) is int and 0 < columns <= _LARGEST and 0 < rows <= _LARGEST:
            return {"rows": rows, "cols": columns}
    raise Problem(400, f"a window has columns and rows, each 1 to {_LARGEST}")


class JobTerminal:
    """A client of the pseudo-terminal of a job. The job shell tells clients apart by their connections."""

    def __init__(self, instance: InstanceLink, shell: ShellPlace, size: dict[str, int]) -> None:
        self._instance, self._shell, self._size = instance, shell, size
        self._found: asyncio.Queue[bytes | str] = asyncio.Queue()
        self._handle: AsyncFlux | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def begin(self) -> None:
        """Attach. Raises Problem."""
        await self._instance.connected()
        try:
            handle = self._handle = await AsyncFlux.connect(self._instance.settings.uri)
        except OSError as exc:
            raise of_error(exc, 503) from exc
        request = {"type": "attach", "mode": "rw", "winsize": self._size}
        rpc = handle.rpc(self._shell.terminal or "", request, self._shell.rank, FLUX_RPC_STREAMING)
        rpc.listen(self._arrived)
        self._keep()

    def _keep(self) -> None:
        self.send(ptydata.encode(b""))
        self._timer = self._instance.loop.call_later(_KEEPALIVE, self._keep)

    def _arrived(self, rpc: Any) -> None:
        while rpc.is_ready():
            try:
                message = rpc.get()
                kind = message.get("type")
                if kind == "data":
                    self._put(ptydata.decode(message))
                elif kind == "exit":
                    self._found.put_nowait(str(message.get("message") or "it is over"))
                    return
            except OSError as exc:
                gone = exc.errno in (errno.ENOSYS, errno.ENODATA)
                self._found.put_nowait("it is over" if gone else exc.strerror or str(exc))
                return
            except FormatError as exc:
                self._found.put_nowait(str(exc))
                return
            rpc.reset()

    def _put(self, data: bytes) -> None:
        if self._found.qsize() < _WAITING:
            self._found.put_nowait(data)
        elif self._found.qsize() == _WAITING:
            self._found.put_nowait("this client is too slow")

    async def next(self) -> bytes | str:
        """What it shows next; a text is why it ends."""
        return await self._found.get()

    def send(self, message: dict[str, Any]) -> Any:
        """Tell it something; what becomes of that nobody needs to know, as its end comes otherwise."""
        if self._handle is None:
            return None
        rpc = self._handle.rpc(self._shell.terminal or "", message, self._shell.rank)
        rpc.listen(_read)
        return rpc

    async def close(self) -> None:
        """Detach: the broker tells the shell that this client has gone."""
        if self._timer is not None:
            self._timer.cancel()
        handle, self._handle = self._handle, None
        if handle is not None:
            await handle.close()


def _read(rpc: Any) -> None:
    try:
        rpc.get()
    except OSError as exc:
        _log.debug("terminal: %s", exc)


_log = logging.getLogger(__name__)


async def _show(socket: WebSocket, terminal: JobTerminal) -> None:
    while isinstance(data := await terminal.next(), bytes):
        if data:
            await socket.send_bytes(data)
    await socket.send_text(_json.dumps({"exit": {"message": data}}).decode())
    await socket.close(1000)


async def _type(socket: WebSocket, terminal: JobTerminal) -> None:
    while True:
        try:
            message = await socket.receive()
        except (WebSocketDisconnect, RuntimeError):
            return
        if message["type"] == "websocket.disconnect":
            return
        data, text = message.get("bytes"), message.get("text")
        try:
            if data is not None:
                for at in range(0, len(data), _MOST):
                    rpc = terminal.send(ptydata.encode(data[at : at + _MOST]))
                    if rpc is not None:
                        await rpc  # a program that reads nothing is not flooded
            else:
                terminal.send({"type": "resize", "winsize": _size(_resize(text or ""))})
        except (Problem, OSError) as exc:
            problem = exc if isinstance(exc, Problem) else of_error(exc)
            await socket.close(1008, short(problem))
            return


def _resize(text: str) -> Any:
    try:
        asked = _json.loads(text)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or asked.keys() != {"resize"}:
        raise Problem(400, 'a text is {"resize": {"columns": 80, "rows": 24}}; what is typed is binary')
    return asked["resize"]
