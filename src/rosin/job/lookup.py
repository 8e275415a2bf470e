# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 41: what the KVS holds of a job: jobspec, R, event logs, output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.constants import FLUX_JOB_INFO_LOOKUP_CURRENT, FLUX_NODEID_ANY
from rosin.handle.future import Future, WaitAllFuture
from rosin.handle.rpc import RPC
from rosin.job.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rosin.handle.handle import Handle

_JOBSPEC = ("jobspec",)


def decode_special_data(data: dict[str, Any]) -> None:
    """Decode the JSON text under ``jobspec`` and ``R``, if it is there and is JSON."""
    for key in ("jobspec", "R"):
        if isinstance(data.get(key), str):
            try:
                data[key] = _json.loads(data[key])
            except ValueError:
                continue


class JobInfoLookupRPC(RPC):
    """The answer to ``job-info.lookup``: ``id`` and the text of each key. ``jobid``: as the caller wrote
    it.
    """

    jobid: Any = None

    def get_decode(self) -> dict[str, Any]:
        """The answer with ``jobspec`` and ``R`` decoded."""
        data = dict(self.get())
        decode_special_data(data)
        return data


def job_info_lookup(
    flux_handle: Handle,
    jobid: int | str,
    keys: Sequence[str] = _JOBSPEC,
    flags: int = 0,
    *,
    nodeid: int = FLUX_NODEID_ANY,
) -> JobInfoLookupRPC:
    """Look up keys of a job's KVS directory: ``J``, ``jobspec``, ``R``, ``eventlog``, ``guest.output``..."""
    target = JobID(jobid)
    payload = {"id": int(target), "keys": list(keys), "flags": flags}
    rpc = JobInfoLookupRPC(flux_handle, "job-info.lookup", payload, nodeid)
    rpc.jobid = target
    return rpc


def _wanted(keys: Sequence[str], original: bool) -> list[str]:
    """The keys to ask for; an original jobspec is inside J."""
    if not original:
        return list(keys)
    return list(dict.fromkeys("J" if key == "jobspec" else key for key in keys))


def _answer(data: dict[str, Any], keys: Sequence[str], original: bool, decode: bool) -> dict[str, Any]:
    if original and "jobspec" in keys:
        from rosin.rfc import sign

        data["jobspec"] = sign.unwrap(data["J"])[0].decode()
        if "J" not in keys:
            del data["J"]
    if decode:
        decode_special_data(data)
    return data


def job_kvs_lookup(
    flux_handle: Handle,
    jobid: int | str,
    keys: Sequence[str] = _JOBSPEC,
    decode: bool = True,
    original: bool = False,
    base: bool = False,
) -> dict[str, Any] | None:
    """Look up keys of a job, None if there is no such job or key.

    ``decode`` turns ``jobspec`` and ``R`` into objects. They are as updates have left them, unless ``base``
    asks for what was stored first; ``original`` asks for the jobspec as it was submitted, with its
    environment.
    """
    flags = 0 if base else FLUX_JOB_INFO_LOOKUP_CURRENT
    try:
        data = dict(job_info_lookup(flux_handle, jobid, _wanted(keys, original), flags).get())
    except FileNotFoundError:
        return None
    return _answer(data, keys, original, decode)


class JobKVSLookupFuture(WaitAllFuture):
    """The answers to several :func:`job_info_lookup`. ``errors`` has a line for each that failed."""

    def __init__(self, children: Iterable[Future] | None = None, handle: Handle | None = None) -> None:
        super().__init__(children, handle)
        self.errors: list[str] = []

    def results(self) -> list[dict[str, Any]]:
        """The answers that there are."""
        WaitAllFuture.get(self)
        answers = []
        for child in self.children:
            assert isinstance(child, JobInfoLookupRPC)
            try:
                answers.append(dict(child.get()))
            except FileNotFoundError:
                self.errors.append(f"JobID {child.jobid.orig} unknown")
            except OSError as exc:
                self.errors.append(f"rpc: {exc.strerror}")
        return answers

    def get(self) -> list[dict[str, Any]]:
        """The answers that there are."""
        return self.results()

    def get_decode(self) -> list[dict[str, Any]]:
        """The same with ``jobspec`` and ``R`` decoded."""
        answers = self.results()
        for answer in answers:
            decode_special_data(answer)
        return answers


class JobKVSLookup:
    """:func:`job_kvs_lookup` of many jobs at once; ``errors`` has a line for each that failed."""

    def __init__(
        self,
        flux_handle: Handle,
        ids: Iterable[int | str] = (),
        keys: Sequence[str] = _JOBSPEC,
        decode: bool = True,
        original: bool = False,
        base: bool = False,
    ) -> None:
        self.handle = flux_handle
        self.ids = [JobID(jobid) for jobid in ids or ()]
        self.keys = list(keys)
        self.decode = decode
        self.original = original
        self.base = base
        self.errors: list[str] = []

    def fetch_data(self) -> JobKVSLookupFuture:
        """Send the requests."""
        flags = 0 if self.base else FLUX_JOB_INFO_LOOKUP_CURRENT
        keys = _wanted(self.keys, self.original)
        calls = [job_info_lookup(self.handle, jobid, keys, flags) for jobid in self.ids]
        return JobKVSLookupFuture(calls, self.handle)

    def data(self) -> list[dict[str, Any]]:
        """Send the requests and wait for the answers."""
        future = self.fetch_data()
        answers = [_answer(data, self.keys, self.original, self.decode) for data in future.results()]
        self.errors = future.errors
        return answers
