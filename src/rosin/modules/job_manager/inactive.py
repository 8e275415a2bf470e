# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: jobs that are over, kept small.

An inactive job never changes again, so its log, jobspec and R are one compressed text (the journal's backlog
sends it as it is) of a few hundred bytes; what is asked often stands beside it.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.constants import FLUX_JOB_WAITABLE
from rosin.modules.job_manager.job import log_text

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job

#: What most jobs have in common: deflate's preset dictionary, the most frequent text last.
_DICTIONARY = (
    b'"timeout","cancel","note":"","exec","dependency-add","context":{"description":"after-success='
    b'"jobspec-update","resource-update","expiration":"memo","urgency","exception","context":{"type":'
    b'"severity":0,"userid":0,"count":{"min":"gpu","exclusive":true,"per_resource","total":'
    b'"shell":{"options":{"output":{"stdout":{"type":"file","path":"queue":"batch","job":{"name":"'
    b'],"jobspec":{"resources":[{"type":"node","count":1,"with":[{"type":"slot","count":1,"with":[{"type":"core"'
    b',"count":1}],"label":"task"}],"tasks":[{"command":["sleep","true","hostname"],"slot":"task",'
    b'"count":{"per_slot":1}}],"attributes":{"system":{"duration":0,"cwd":"/home/","shell":{"options":{"rlimit":{'
    b'"cpu":-1,"fsize":-1,"data":-1,"stack":8388608,"core":-1,"nofile":1048576,"as":-1,"rss":-1,"nproc":-1}}}}}'
    b',"version":1}'
    b',"R":{"version":1,"execution":{"R_lite":[{"rank":"0","children":{"core":"0-1"}}],"starttime":17,'
    b'"expiration":0.0,"nodelist":["nslots":1,'
    b'{"id":,"events":[{"timestamp":17,"name":"submit","context":{"userid":0,"urgency":16,"flags":0,"version":1}},'
    b'{"timestamp":17,"name":"validate"},{"timestamp":17,"name":"depend"},'
    b'{"timestamp":17,"name":"priority","context":{"priority":16}},{"timestamp":17,"name":"alloc",'
    b'"context":{"annotations":{"sched":{"resource_summary":"rank0/core0"}}}},{"timestamp":17,"name":"start"},'
    b'{"timestamp":17,"name":"finish","context":{"status":0}},{"timestamp":17,"name":"release",'
    b'"context":{"ranks":"all","final":true}},{"timestamp":17,"name":"free"},{"timestamp":17,"name":"clean"}]'
)

#: What compressed texts can be read by: it changes with what they were made by.
PACKING = f"deflate-{zlib.crc32(_DICTIONARY):08x}"

_ALLOCATED, _STARTED, _EXCEPTED, _WAITABLE = 1, 2, 4, 8


class InactiveJob:
    """A job that is over. ``excepted``: it ended by a fatal exception, not by finishing.

    ``ended`` is when, by the monotonic clock, which may be before this broker was. ``packed`` is its
    compressed text.
    """

    __slots__ = (
        "allocated",
        "ended",
        "excepted",
        "id",
        "packed",
        "result",
        "started",
        "t_clean",
        "t_submit",
        "userid",
        "waitable",
    )

    def __init__(
        self,
        id: int,
        userid: int,
        t_submit: float,
        t_clean: float,
        result: int,
        bits: int,
        packed: bytes,
    ) -> None:
        """*bits*: what :attr:`bits` was."""
        self.id = id
        self.userid = userid
        self.t_submit = t_submit
        self.t_clean = t_clean
        self.ended = 0.0
        self.result = result
        self.allocated = bool(bits & _ALLOCATED)
        self.started = bool(bits & _STARTED)
        self.excepted = bool(bits & _EXCEPTED)
        self.waitable = bool(bits & _WAITABLE)
        self.packed = packed

    @classmethod
    def of(cls, job: Job) -> InactiveJob:
        """What is kept of *job*, which is over."""
        excepted = job.end_event is None or job.end_event[0] == "exception"
        bits = (
            (_ALLOCATED if job.allocated else 0)
            | (_STARTED if job.started else 0)
            | (_EXCEPTED if excepted else 0)
            | (_WAITABLE if job.flags & FLUX_JOB_WAITABLE else 0)
        )
        packer = zlib.compressobj(1, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
        packed = packer.compress(log_text(job)) + packer.flush()
        return cls(job.id, job.userid, job.t_submit, job.t_clean, job.result(), bits, packed)

    @property
    def bits(self) -> int:
        """What is true of the job, as a number."""
        return (
            self.allocated * _ALLOCATED
            | self.started * _STARTED
            | self.excepted * _EXCEPTED
            | self.waitable * _WAITABLE
        )

    def text(self) -> bytes:
        """``{"id":..,"events":[..],"jobspec":..,"R":..}`` as JSON text."""
        return zlib.decompressobj(-15, _DICTIONARY).decompress(self.packed)

    def record(self) -> dict[str, Any]:
        """The same, decoded."""
        record: dict[str, Any] = _json.loads(self.text())
        return record
