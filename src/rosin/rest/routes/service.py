# SPDX-License-Identifier: LGPL-3.0-or-later
"""The service itself: stopping the instance."""

from __future__ import annotations

import errno
import os
import signal
import sys

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from rosin.constants import FLUX_RPC_STREAMING
from rosin.handle.future import Future
from rosin.rest.context import PROBLEMS, Here, answer
from rosin.rest.instance import InstanceLink
from rosin.rest.models import Message
from rosin.rest.problem import Problem

router = APIRouter(prefix="/service", tags=["service"], default_response_class=Response)

_LOG_ERRORS = 3


async def stop_service(instance: InstanceLink) -> Response:
    """Answer, then shut the instance down. Raises Problem if that cannot be done."""
    handle = await instance.connected()
    # Asked first: a guest, or a service that is not there, must be told before "stopping" is said.
    reply = await instance.answer(handle.rpc("attr.get", {"name": "security.owner"}))
    if int(reply["value"]) != handle.userid and handle.userid != 0:
        raise Problem(403, "only the owner of the instance can stop it")
    reply = await instance.answer(handle.rpc("attr.get", {"name": "broker.pid"}))
    initial_program = int(reply["value"]) == os.getppid()

    async def shut_down() -> None:
        if initial_program:
            # The instance lives as long as its initial program; ending is not being interrupted.
            os.kill(os.getpid(), signal.SIGTERM)
            return
        # Not waited for: the stream ends when the instance has gone, and this server may be part of it.
        rpc = handle.rpc("shutdown.start", {"loglevel": _LOG_ERRORS}, 0, FLUX_RPC_STREAMING)
        rpc.listen(_watch)

    return Response(
        answer({"Message": "The instance is stopping."}).body,
        media_type="application/json",
        background=BackgroundTask(shut_down),
    )


def _watch(rpc: Future) -> None:
    """Tell the operator why the instance goes on; the client has its answer already."""
    try:
        rpc.get()
        rpc.reset()
    except OSError as exc:
        if exc.errno not in (errno.ENODATA, errno.ECONNRESET):
            sys.stderr.write(f"rosin-serve: ERROR: the instance does not stop: {exc.strerror}\n")


@router.post("/stop", responses={200: {"model": Message}, **PROBLEMS})
async def stop(request: Request, instance: Here) -> Response:
    """Stop the instance: jobs are ended, and this server ends with it if it is its initial program."""
    return await stop_service(instance)
