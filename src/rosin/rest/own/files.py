# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/rosin/v1/jobs/ID/files``: the files of a job's working directory."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from rosin.job.table.attributes import POSITION
from rosin.rest.context import Here
from rosin.rest.instance import InstanceLink
from rosin.rest.own import beneath
from rosin.rest.own.jobs import JobId
from rosin.rest.own.output import byte_range
from rosin.rest.own.route import PREFIX, OwnRoute, errors, reply
from rosin.rest.own.schema.files import FileList, Written
from rosin.rest.problem import Problem
from rosin.rest.routes.jobs import known
from rosin.rest.stream import StreamResponse

router = APIRouter(
    prefix=f"{PREFIX}/jobs", tags=["files"], default_response_class=Response, route_class=OwnRoute
)

T = TypeVar("T")
_BYTES = "application/octet-stream"
_PIECE = 1 << 18
_USERID, _CWD = POSITION["userid"], POSITION["cwd"]
_STATUS = {
    errno.ENOENT: 404,
    errno.ENOTDIR: 404,
    errno.EACCES: 403,
    errno.EPERM: 403,
    errno.ELOOP: 403,
    errno.EISDIR: 409,
    errno.EINVAL: 409,
    errno.ENXIO: 409,
    errno.ENOSPC: 507,
    errno.EDQUOT: 507,
    errno.EROFS: 403,
}

FilePath = Annotated[str, Path(max_length=4096, description="relative to the job's working directory")]
_BINARY: dict[str, Any] = {_BYTES: {"schema": {"type": "string", "format": "binary"}}}


async def _directory(instance: InstanceLink, text: str) -> str:
    """The working directory of a job of the server's own account. Raises Problem.

    The server may do all that its account may; of another's files that would be too much.
    """
    _, row = await known(instance, text)
    if row[_USERID] != os.getuid():
        raise Problem(403, "the job is another user's")
    if not row[_CWD] or not os.path.isabs(row[_CWD]):
        raise Problem(404, "the job has no working directory")
    return str(row[_CWD])


async def _in_thread(act: Callable[..., T], *args: Any) -> T:
    """File systems can be slow. Raises Problem."""
    try:
        return await asyncio.to_thread(act, *args)
    except ValueError as exc:
        raise Problem(400, f"path: {exc}") from None
    except OSError as exc:
        text = "it is a symbolic link" if exc.errno == errno.ELOOP else exc.strerror or str(exc)
        raise Problem(_STATUS.get(exc.errno or 0, 500), text) from None


@router.get("/{jobid}/files", responses={200: {"model": FileList}, **errors(404)})
async def own_files(
    instance: Here,
    jobid: JobId,
    path: Annotated[str, Query(max_length=4096, description="a directory below the working directory")] = "",
) -> Response:
    """What a directory holds, by name: 10,000 names at most."""
    root = await _directory(instance, jobid)
    items, whole = await _in_thread(beneath.listing, root, path)
    return reply({"directory": root, "path": path, "items": items, "complete": whole})


@router.get(
    "/{jobid}/files/{path:path}",
    responses={
        200: {"content": _BINARY, "description": "its bytes"},
        206: {"content": _BINARY, "description": "some of them"},
        416: {"description": "there are not so many bytes"},
        **errors(404, 409),
    },
)
async def own_read_file(request: Request, instance: Here, jobid: JobId, path: FilePath) -> Response:
    """The bytes of a file, also in parts."""
    root = await _directory(instance, jobid)
    fd = await _in_thread(beneath.open_file, root, path)
    try:
        size = os.fstat(fd).st_size
        name = quote(path.rstrip("/").rpartition("/")[2], safe="", errors="replace")
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Vary": "Accept, Range",
        }
        part = byte_range(request.headers.get("range", ""), size)
        start, stop = part or (0, size)
        if part is not None:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    except BaseException:
        os.close(fd)
        raise
    return StreamResponse(_parts(fd, start, stop), _BYTES, status_code=206 if part else 200, headers=headers)


async def _parts(fd: int, at: int, stop: int) -> AsyncGenerator[bytes, None]:
    try:
        while at < stop:
            data = await asyncio.to_thread(os.pread, fd, min(_PIECE, stop - at), at)
            if not data:
                return  # it has become shorter
            at += len(data)
            yield data
    finally:
        os.close(fd)


@router.put(
    "/{jobid}/files/{path:path}",
    responses={200: {"model": Written}, **errors(404, 409, 413)},
    openapi_extra={"requestBody": {"required": True, "content": _BINARY}},
)
async def own_write_file(
    request: Request,
    instance: Here,
    jobid: JobId,
    path: FilePath,
    offset: Annotated[
        int | None,
        Query(ge=0, le=1 << 50, description="write a part from here on; without it all is replaced"),
    ] = None,
) -> Response:
    """Write a file, for its owner alone. What is longer than a request may be comes in parts."""
    root = await _directory(instance, jobid)
    size = await _in_thread(beneath.write, root, path, await request.body(), offset)
    return reply({"path": path, "size": size})
