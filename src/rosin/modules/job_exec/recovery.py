# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 32, reattach: what the KVS still knows of a job that was running before a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin import kvs
from rosin.constants import FLUX_KVS_TREEOBJ
from rosin.errors import FormatError
from rosin.internal.kept_namespace import kept_key
from rosin.kvs.lookup import decode_value
from rosin.modules.job_exec import guest
from rosin.modules.job_exec.job import JobHistory
from rosin.rfc import eventlog, fluid, treeobj
from rosin.rfc.exec_eventlog import KEY
from rosin.rfc.idset import Idset
from rosin.rfc.jobpath import guest_namespace, job_key
from rosin.rfc.payload import field
from rosin.rfc.rset.format import MAX_RANKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC


#: Which shells had ended when the execution service was unloaded.
ENDED_KEY = "exec.ended"
#: Without which shells the job cannot go on, if it has said so.
CRITICAL_KEY = "exec.critical-ranks"


async def restore_namespace(h: Handle, jobid: int, owner: int, empty_root: str, *, kept: bool) -> bool:
    """Make the guest namespace exist again, with what it had last, if it was kept, or with the content that a
    clean shutdown has kept.

    Raises OSError if that is impossible. A namespace that is still there (only the execution service was
    reloaded) stays as it is: then the result is False.
    """
    rootref = empty_root
    for key in (kept_key(guest_namespace(jobid)), job_key(jobid, "guest")):
        try:
            reply = await kvs.lookup_async(h, key, kvs.PRIMARY, FLUX_KVS_TREEOBJ)
        except FileNotFoundError:
            continue  # it was not kept, or had not got that far
        if root := guest.grafted_root(reply["val"]):
            rootref = root
            break
    try:
        await kvs.namespace_create_async(h, guest_namespace(jobid), owner, rootref=rootref, kept=kept)
    except FileExistsError:
        return False
    return True


async def read_history(
    h: Handle, jobid: int, warn: Callable[[str], None], *, restarted: bool = False
) -> JobHistory:
    """What the job's two event logs say; a log that cannot be read says nothing but a warning."""
    events = await _read(h, guest_namespace(jobid), KEY, warn)
    log = await _read(h, kvs.PRIMARY, job_key(jobid, "eventlog"), warn)
    starts = [event.timestamp for event in log if event.name == "start"]
    ended = await _ended(h, guest_namespace(jobid), warn)
    critical = await _critical(h, guest_namespace(jobid), warn)
    names = [event.name for event in events]
    return JobHistory(names, starts[0] if starts else None, ended, critical, restarted=restarted)


def keep_critical(h: Handle, jobid: int, ranks: Idset) -> RPC:
    """Note without which shells the job cannot go on: it says so once."""
    txn = kvs.KVSTxn(h, namespace=guest_namespace(jobid))
    txn.put(CRITICAL_KEY, ranks.encode())
    return txn.commit_async()


def keep_ended(h: Handle, jobid: int, ended: dict[int, int]) -> RPC:
    """Note shells that have ended, rank -> wait status: nobody else could tell. Their others go on."""
    txn = kvs.KVSTxn(h, namespace=guest_namespace(jobid))
    txn.put(ENDED_KEY, {str(rank): status for rank, status in ended.items()})
    return txn.commit_async()


async def graft_all(h: Handle, written: dict[int, RPC], report: Callable[[str], None]) -> None:
    """Graft guest namespaces on the directories of their jobs: job id -> the last commit there."""
    txn = kvs.KVSTxn(h, namespace=kvs.PRIMARY)
    for jobid, rpc in written.items():
        try:
            guest.graft(txn, jobid, (await rpc)["rootref"])
        except OSError as err:
            report(f"{fluid.encode(jobid, 'f58')}: cannot keep the guest namespace: {err}")
    if not txn.is_empty():
        try:
            await txn.commit_async()
        except OSError as err:
            report(f"failed to graft guest namespaces: {err}")


async def _ended(h: Handle, namespace: str, warn: Callable[[str], None]) -> dict[int, int]:
    try:
        found = decode_value(await kvs.lookup_async(h, ENDED_KEY, namespace))
        return {int(rank): field(found, rank, int) for rank in found}
    except FileNotFoundError:
        return {}
    except (OSError, TypeError, ValueError) as error:
        warn(f"cannot read {ENDED_KEY} in namespace {namespace}: {error}")
        return {}


async def _critical(h: Handle, namespace: str, warn: Callable[[str], None]) -> Idset | None:
    try:
        found = decode_value(await kvs.lookup_async(h, CRITICAL_KEY, namespace))
        return Idset.decode(found, limit=MAX_RANKS)
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError) as error:
        warn(f"cannot read {CRITICAL_KEY} in namespace {namespace}: {error}")
        return None


async def _read(h: Handle, namespace: str, key: str, warn: Callable[[str], None]) -> list[eventlog.Event]:
    try:
        reply = await kvs.lookup_async(h, key, namespace)
        return eventlog.decode(treeobj.val_data(reply["val"]))
    except FileNotFoundError:
        return []  # the job had not got that far
    except (OSError, FormatError) as error:
        warn(f"cannot read {key} in namespace {namespace}: {error}")
        return []
