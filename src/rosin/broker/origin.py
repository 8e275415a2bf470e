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


def of_parent() -> dict[str, str]:
    """Attributes of an instance that is a job of another one, from what its job shell has told it.

    That it is a job is known by PMI: these variables are there in whatever a job starts.
    """
    variables = {
        "parent-uri": "FLUX_URI",
        "parent-kvs-namespace": "FLUX_KVS_NAMESPACE",
        "jobid-path": "FLUX_JOB_ID_PATH",
    }
    found = {name: os.environ.get(variable) for name, variable in variables.items()}
    return {name: value for name, value in found.items() if value}
