# SPDX-License-Identifier: LGPL-3.0-or-later
"""The parts of `/rosin/v1`, in the order in which paths are looked for."""

from __future__ import annotations

from rosin.rest.own import (
    actions,
    events,
    files,
    instance,
    jobs,
    output,
    probes,
    queues,
    resources,
    submitting,
    talking,
)

_PARTS = (instance, submitting, actions, output, talking, files, jobs, resources, queues, events, probes)
ROUTERS = [part.router for part in _PARTS]
