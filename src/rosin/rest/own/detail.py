# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is known of one job: jobspec, resources, event logs, what it waits for."""

from __future__ import annotations

import errno
from contextlib import aclosing
from typing import Any

from rosin import _json
from rosin.constants import FLUX_JOB_INFO_LOOKUP_CURRENT
from rosin.errors import FormatError
from rosin.job.lookup import decode_special_data, job_info_lookup
from rosin.job.table.attributes import Row
from rosin.job.why import job_why_async, known_reasons, sentences
from rosin.resource.rset import ResourceSet
from rosin.rest import jobview
from rosin.rest.instance import InstanceLink
from rosin.rest.output import OutputChunk
from rosin.rest.outputlog import open_log
from rosin.rest.own.jobrow import ALL
from rosin.rest.problem import Problem
from rosin.rfc import eventlog, fluid, sign

#: Event logs of a job, and what they are called.
_LOGS = {"eventlog": "job", "guest.exec.eventlog": "exec"}
#: What it has read and written (RFC 24), and bytes of that which are told.
_TALK = ("input", "output")
_TOLD = 200
TIMELINE_LOGS = frozenset({*_LOGS.values(), *_TALK})
_OVER: dict[str, Any] = {"state": "INACTIVE", "reasons": []}


async def looked_up(instance: InstanceLink, jobid: int, key: str) -> Any:
    """The text of a key of a job, with updates; None if there is none. Raises Problem."""
    handle = await instance.connected()
    try:
        reply = await instance.answer(job_info_lookup(handle, jobid, [key], FLUX_JOB_INFO_LOOKUP_CURRENT))
    except Problem as problem:
        if problem.status == 404:
            return None
        raise
    return reply[key]


async def detail_of(instance: InstanceLink, jobid: int, row: Row) -> dict[str, Any]:
    """A :class:`~rosin.rest.own.schema.jobs.JobDetail`. Raises Problem."""
    data: dict[str, Any] = {key: await looked_up(instance, jobid, key) for key in ("jobspec", "R")}
    decode_special_data(data)
    jobspec, R = data["jobspec"], data["R"]
    return {
        **ALL.of(row),
        "command": _dig(jobspec, "tasks", 0, "command"),
        "environment": _dig(await signed_jobspec(instance, jobid), "attributes", "system", "environment"),
        "script": _script(jobspec),
        "gpus": _gpus(R),
        "jobspec": jobspec if isinstance(jobspec, dict) else None,
        "R": R if isinstance(R, dict) else None,
    }


async def signed_jobspec(instance: InstanceLink, jobid: int) -> dict[str, Any] | None:
    """What was submitted, with the environment that the other jobspec has lost; None if it is not shown."""
    handle = await instance.connected()
    try:
        signed = (await instance.answer(job_info_lookup(handle, jobid, ["J"])))["J"]
        spec = _json.loads(sign.unwrap(signed)[0])
    except (Problem, FormatError, ValueError, TypeError):
        return None
    return spec if isinstance(spec, dict) else None


def _dig(obj: Any, *path: Any) -> Any:
    for step in path:
        try:
            obj = obj[step]
        except (KeyError, IndexError, TypeError):
            return None
    return obj


def _script(jobspec: Any) -> str | None:
    data = _dig(jobspec, "attributes", "system", "files", "script", "data")
    return data if isinstance(data, str) else None


def _gpus(R: Any) -> int | None:
    if not isinstance(R, dict):
        return None
    try:
        return ResourceSet(R).ngpus
    except (FormatError, ValueError):
        return None


async def why_of(instance: InstanceLink, jobid: int, row: Row) -> dict[str, Any]:
    """A :class:`~rosin.rest.own.schema.jobs.JobWhy`; of a flux-core instance what its jobs' table knows."""
    if jobview.is_inactive(row):
        return _reasons(jobid, _OVER)
    handle = await instance.connected()
    try:
        told = await instance.answer(job_why_async(handle, jobid))
    except Problem as problem:
        if problem.errno == errno.ENOENT:
            return _reasons(jobid, _OVER)
        if problem.errno != errno.ENOSYS:
            raise
        told = known_reasons(jobview.record(row))
    return _reasons(jobid, told)


def _reasons(jobid: int, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": fluid.encode(jobid, "f58"),
        "state": told["state"],
        "reasons": told["reasons"],
        "sentences": sentences(told),
        "ahead": told.get("ahead"),
        "t_estimate": told.get("t_estimate"),
    }


async def timeline_of(instance: InstanceLink, jobid: int, logs: frozenset[str], limit: int) -> dict[str, Any]:
    """A :class:`~rosin.rest.own.schema.jobs.Timeline`, of input and output *limit* pieces. Raises Problem."""
    items: list[dict[str, Any]] = []
    for key, name in _LOGS.items():
        if name not in logs:
            continue
        text = await looked_up(instance, jobid, key)
        try:
            items += [_event(name, entry) for entry in eventlog.decode_entries(text or "")]
        except FormatError as exc:
            raise Problem(502, f"the event log {key} of the job: {exc}") from None
    complete = True
    for name in _TALK:
        if name in logs:
            found, whole = await _talk(instance, jobid, name, limit)
            items += found
            limit -= len(found)
            complete = complete and whole
    items.sort(key=lambda item: item["timestamp"])
    return {"items": items, "complete": complete}


async def _talk(
    instance: InstanceLink, jobid: int, name: str, limit: int
) -> tuple[list[dict[str, Any]], bool]:
    """The first pieces of what a job has read or written, and whether these are all. Raises Problem."""
    found: list[dict[str, Any]] = []
    log = await open_log(instance, jobid, name)
    if log is None:
        return found, True
    try:
        async with aclosing(log.chunks()) as chunks:
            async for chunk in chunks:
                if len(found) == limit:
                    return found, False
                found.append(_piece(name, chunk))
    except FormatError as exc:
        raise Problem(502, f"the {name} log of the job: {exc}") from None
    return found, True


def _piece(name: str, chunk: OutputChunk) -> dict[str, Any]:
    context = {
        "stream": chunk.stream,
        "rank": chunk.rank,
        "bytes": len(chunk.data),
        "text": chunk.data[:_TOLD].decode("utf-8", "ignore"),
    }
    return {"log": name, "timestamp": chunk.timestamp, "name": "data", "context": context}


def _event(log: str, entry: dict[str, Any]) -> dict[str, Any]:
    context = entry.get("context") or {}
    return {"log": log, "timestamp": entry["timestamp"], "name": entry["name"], "context": context}
