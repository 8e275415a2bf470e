# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16: the KVS requests about a job's guest namespace (pure)."""

from __future__ import annotations

from typing import Any

from rosin.constants import FLUX_KVS_APPEND, FLUX_KVS_TREEOBJ
from rosin.rfc import blobref, treeobj
from rosin.rfc.exec_eventlog import KEY
from rosin.rfc.jobpath import guest_namespace, job_key

PRIMARY = "primary"


def empty_root(algo: str) -> str:
    """The root reference of a namespace with nothing in it; ``algo`` is the attribute content.hash."""
    return blobref.blobref(treeobj.encode(treeobj.dirobj({})), algo)


def create(jobid: int, owner: int, rootref: str) -> dict[str, Any]:
    """Payload of ``kvs.namespace-create``."""
    return {"namespace": guest_namespace(jobid), "rootref": rootref, "owner": owner, "flags": 0}


def append_events(jobid: int, lines: list[str]) -> dict[str, Any]:
    """Payload of the ``kvs.commit`` that adds lines to the exec.eventlog; no lines, no change."""
    ops = []
    if lines:
        dirent = treeobj.val("".join(lines).encode())
        ops.append({"key": KEY, "flags": FLUX_KVS_APPEND, "dirent": dirent})
    return commit(guest_namespace(jobid), ops)


def commit(namespace: str, ops: list[dict[str, Any]]) -> dict[str, Any]:
    """Payload of ``kvs.commit``."""
    return {"namespace": namespace, "flags": 0, "ops": ops}


def link(jobid: int) -> dict[str, Any]:
    """The operation that makes ``job.ID.guest`` lead to the namespace while the job runs."""
    dirent = treeobj.symlink(".", guest_namespace(jobid))
    return {"key": job_key(jobid, "guest"), "flags": 0, "dirent": dirent}


def graft(jobid: int, rootref: str) -> dict[str, Any]:
    """The operation that makes ``job.ID.guest`` the namespace's final content."""
    return {"key": job_key(jobid, "guest"), "flags": 0, "dirent": treeobj.dirref(rootref)}


def lookup(namespace: str, key: str, tree: bool = False) -> dict[str, Any]:
    """Payload of ``kvs.lookup``; with ``tree`` for the tree object itself."""
    return {"namespace": namespace, "key": key, "flags": FLUX_KVS_TREEOBJ if tree else 0}


def grafted_root(obj: Any) -> str | None:
    """The root reference that a clean shutdown left in ``job.ID.guest``, None if it is still a link."""
    if isinstance(obj, dict) and obj.get("type") == "dirref":
        return str(obj["data"][0])
    return None
