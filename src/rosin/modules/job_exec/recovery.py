# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 32, reattach: what the KVS still knows of a job that was running before a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin import kvs
from rosin.constants import FLUX_KVS_TREEOBJ
from rosin.errors import FormatError
from rosin.modules.job_exec import guest
from rosin.modules.job_exec.job import JobHistory
from rosin.rfc import eventlog, treeobj
from rosin.rfc.exec_eventlog import KEY
from rosin.rfc.jobpath import guest_namespace, job_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.handle import Handle


async def restore_namespace(h: Handle, jobid: int, owner: int, empty_root: str) -> None:
    """Make the guest namespace exist again, with the content that a clean shutdown has kept.

    Raises OSError if that is impossible. A namespace that is still there (only the execution service was
    reloaded) stays as it is.
    """
    rootref = empty_root
    try:
        key = job_key(jobid, "guest")
        reply = await kvs.lookup_async(h, key, kvs.PRIMARY, FLUX_KVS_TREEOBJ)
        rootref = guest.grafted_root(reply["val"]) or rootref
    except FileNotFoundError:
        pass  # the job had not got that far
    try:
        await kvs.namespace_create_async(h, guest_namespace(jobid), owner, rootref=rootref)
    except FileExistsError:
        pass


async def read_history(h: Handle, jobid: int, warn: Callable[[str], None]) -> JobHistory:
    """What the job's two event logs say; a log that cannot be read says nothing but a warning."""
    events = await _read(h, guest_namespace(jobid), KEY, warn)
    log = await _read(h, kvs.PRIMARY, job_key(jobid, "eventlog"), warn)
    starts = [event.timestamp for event in log if event.name == "start"]
    return JobHistory([event.name for event in events], starts[0] if starts else None)


async def _read(h: Handle, namespace: str, key: str, warn: Callable[[str], None]) -> list[eventlog.Event]:
    try:
        reply = await kvs.lookup_async(h, key, namespace)
        return eventlog.decode(treeobj.val_data(reply["val"]))
    except FileNotFoundError:
        return []  # the job had not got that far
    except (OSError, FormatError) as error:
        warn(f"cannot read {key} in namespace {namespace}: {error}")
        return []
