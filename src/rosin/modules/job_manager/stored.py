# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16: reading jobs from the KVS, many lookups in flight at a time.

``lookup(key, flags)`` sends a ``kvs.lookup`` at once and returns what to await for its tree object;
``load(blobref)`` does the same with ``content.load`` for the bytes of a blob. Values are loaded from there
directly: each is read once, so that the caches of the KVS have no use for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rosin import _json
from rosin.constants import FLUX_KVS_READDIR
from rosin.errors import FormatError
from rosin.modules.job_manager import restart
from rosin.rfc import treeobj
from rosin.rfc.jobpath import job_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from rosin.modules.job_manager.job import Job

    Lookup = Callable[[str, int], Awaitable[dict[str, Any]]]
    Load = Callable[[str], Awaitable[bytes]]
    Value = bytes | None | Exception

#: Lookups in flight.
WINDOW = 256
_NAMES = ("eventlog", "jobspec", "R")


class Stored:
    """What the KVS holds of one job: bytes, None for a key that does not exist, or why it cannot be read."""

    __slots__ = ("R", "eventlog", "id", "jobspec")

    def __init__(self, id: int, eventlog: Value, jobspec: Value, R: Value) -> None:
        self.id = id
        self.eventlog = eventlog
        self.jobspec = jobspec
        self.R = R

    def replay(self) -> Job | None:
        """The job; None when its submission was cut short. Raises FormatError when its data is damaged."""
        values = (self.eventlog, self.jobspec, self.R)
        for name, value in zip(_NAMES, values, strict=True):
            if isinstance(value, Exception):
                raise FormatError(f"{name}: {value}")
        eventlog, jobspec, R = cast("tuple[bytes | None, ...]", values)
        if eventlog is None:
            return None
        try:
            spec, resources = _json.loads(jobspec or b"null"), _json.loads(R or b"null")
        except ValueError as error:
            raise FormatError(f"jobspec or R is not JSON: {error}") from None
        return restart.replay(self.id, eventlog, spec, resources)


async def stored_jobs(lookup: Lookup, load: Load, ids: Sequence[int]) -> AsyncIterator[Stored]:
    """The data of the jobs *ids*, in that order."""
    for first in range(0, len(ids), WINDOW):
        window = ids[first : first + WINDOW]
        directories = [lookup(job_key(id), FLUX_KVS_READDIR) for id in window]
        begun = []
        for directory in directories:
            try:
                entries = (await directory)["data"]
            except FileNotFoundError:
                entries = {}
            begun.append([begin(entries.get(name), load) for name in _NAMES])
        for id, three in zip(window, begun, strict=True):
            yield Stored(id, *[await value(part) for part in three])


def begin(entry: dict[str, Any] | None, load: Load) -> Value | list[Awaitable[bytes]]:
    """The value of a directory entry, or what to await for its parts."""
    if entry is None:
        return None
    if entry["type"] == "valref":
        return [load(ref) for ref in entry["data"]]
    try:
        return treeobj.val_data(entry)
    except FormatError as error:
        return error


async def value(begun: Value | list[Awaitable[bytes]]) -> Value:
    """What :func:`begin` has begun to read: bytes, None, or why they cannot be read."""
    if not isinstance(begun, list):
        return begun
    parts: list[bytes] = []
    failure: OSError | None = None
    for part in begun:
        try:
            parts.append(await part)
        except OSError as error:
            failure = error
    return b"".join(parts) if failure is None else failure
