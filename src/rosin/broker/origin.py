# SPDX-License-Identifier: LGPL-3.0-or-later
"""Attributes of a broker that follow from where it was started."""

from __future__ import annotations

import os
import time


def of_process() -> dict[str, object]:
    """Attributes that say which process this is."""
    return {
        "security.owner": os.getuid(),
        "broker.pid": os.getpid(),
        "broker.starttime": f"{time.time():.2f}",
    }


def of_parent() -> dict[str, object]:
    """Attributes of an instance that is a job of another one, from what its job shell has told it."""
    uri, jobid = os.environ.get("FLUX_URI"), os.environ.get("FLUX_JOB_ID")
    if not uri or not jobid:
        return {}
    path = os.environ.get("FLUX_JOB_ID_PATH", "/" + jobid)
    result: dict[str, object] = {
        "parent-uri": uri,
        "jobid": jobid,
        "jobid-path": path,
        "instance-level": path.strip("/").count("/") + 1,
    }
    namespace = os.environ.get("FLUX_KVS_NAMESPACE")
    return {**result, "parent-kvs-namespace": namespace} if namespace else result
