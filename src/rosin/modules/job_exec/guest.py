# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16: what the KVS holds of a job's guest namespace (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.rfc import treeobj
from rosin.rfc.jobpath import guest_namespace, job_key

if TYPE_CHECKING:
    from rosin.kvs import KVSTxn


def link(txn: KVSTxn, jobid: int) -> None:
    """Make ``job.ID.guest`` lead to the namespace while the job runs."""
    txn.symlink(job_key(jobid, "guest"), ".", guest_namespace(jobid))


def graft(txn: KVSTxn, jobid: int, rootref: str) -> None:
    """Make ``job.ID.guest`` the namespace's final content."""
    txn.put_treeobj(job_key(jobid, "guest"), treeobj.dirref(rootref))


def grafted_root(obj: Any) -> str | None:
    """The root reference that a clean shutdown left in ``job.ID.guest``, None if it is still a link."""
    if isinstance(obj, dict) and obj.get("type") == "dirref":
        return str(obj["data"][0])
    return None
