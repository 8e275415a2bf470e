# SPDX-License-Identifier: LGPL-3.0-or-later
"""A part of the archive of inactive jobs: what a restart would else read from their eventlogs.

A chunk holds groups of jobs. A group is all jobs below one directory ``job.XXXX.XXXX`` of the KVS, with that
directory's blobref: as the KVS is a hash tree, an equal blobref says that nothing below has changed since, so
that a chunk that is old, or of another instance, is found out without reading any job.

Its bytes are a line that names format and checksum, a JSON header with its length in front, the jobs' rows in
the table of job-list (deflated lines, which only job-list reads), and the jobs' compressed texts.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin import _json
from rosin.errors import FormatError
from rosin.modules.job_manager.inactive import PACKING, InactiveJob

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAGIC = f"rosin-inactive-jobs 1 {PACKING} ".encode()
_DIGEST = 40
#: Beside the bits of a job: its row is there.
_LISTED = 1 << 16


class ArchivedGroup(NamedTuple):
    """The jobs of one directory. ``prefix``: their ids without the last 32 bits; ``ref``: its blobref."""

    prefix: int
    ref: str
    jobs: list[InactiveJob]


class Rows(NamedTuple):
    """Rows of job-list. ``ids``: whose line each is, 0: it does not count; ``shape``: their format."""

    shape: str
    ids: list[int]
    deflated: bytes

    def lines(self) -> list[bytes]:
        """The rows as JSON, beside ``ids``."""
        return zlib.decompress(self.deflated).split(b"\n") if self.ids else []


def encode(groups: Sequence[ArchivedGroup], shape: str, rows: Sequence[bytes]) -> bytes:
    """A chunk. *rows*: a line for each job of *groups*, an empty one if there is none; or none at all."""
    lines = iter(rows)
    jobs: list[tuple[Any, ...]] = []
    for group in groups:
        for job in group.jobs:
            bits = job.bits | (_LISTED if next(lines, b"") else 0)
            jobs.append((job.id, job.userid, job.t_submit, job.t_clean, job.result, bits, len(job.packed)))
    deflated = zlib.compress(b"\n".join(rows), 1)
    header = _json.dumps(
        {
            "groups": [(group.prefix, group.ref, len(group.jobs)) for group in groups],
            "jobs": jobs,
            "shape": shape,
            "rows": len(deflated),
        }
    )
    packed = [job.packed for group in groups for job in group.jobs]
    body = b"".join((len(header).to_bytes(4, "little"), header, deflated, *packed))
    return b"".join((_MAGIC, hashlib.sha1(body).hexdigest().encode(), b"\n", body))


def decode(data: bytes) -> tuple[list[ArchivedGroup], Rows]:
    """The groups of a chunk, and their rows. Raises FormatError when it is damaged, or of another release."""
    start = len(_MAGIC) + _DIGEST + 1
    if not data.startswith(_MAGIC):
        raise FormatError("not an archive of this release")
    body = data[start:]
    if hashlib.sha1(body).hexdigest().encode() + b"\n" != data[len(_MAGIC) : start]:
        raise FormatError("damaged: the checksum is another")
    at = 4 + int.from_bytes(body[:4], "little")
    try:
        header = _json.loads(body[4:at])
        end = at + header["rows"]
        deflated, at = body[at:end], end
        ids: list[int] = []
        groups: list[ArchivedGroup] = []
        jobs = iter(header["jobs"])
        for prefix, ref, count in header["groups"]:
            members = []
            for _ in range(count):
                id, userid, t_submit, t_clean, result, bits, size = next(jobs)
                members.append(InactiveJob(id, userid, t_submit, t_clean, result, bits, body[at : at + size]))
                at += size
                ids.append(id if bits & _LISTED else 0)
            groups.append(ArchivedGroup(prefix, ref, members))
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise FormatError(f"malformed: {error}") from None
    return groups, Rows(header["shape"], ids, deflated)
