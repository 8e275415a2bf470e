# SPDX-License-Identifier: LGPL-3.0-or-later
"""The answer to ``kvs.stats-get``, with flux-core's member names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.broker.tstat import Tstat
    from rosin.broker.waiters import Waiters
    from rosin.modules.kvs.objects import Objects
    from rosin.modules.kvs.roots import Root, VersionWait


def report(
    objects: Objects,
    roots: Iterable[Root],
    versions: Waiters[VersionWait],
    opcount: Tstat,
    pending: int,
) -> dict[str, Any]:
    """Cache, namespaces, operations per transaction and requests in progress.

    *pending* counts requests besides transactions and those that wait for a version.
    """
    stats = objects.stats()
    count = stats["objects"]
    mean = stats["bytes"] / count / 1024 if count else 0.0
    counts = [(root, *root.counts()) for root in roots]
    return {
        "cache": {
            "obj size total (MiB)": stats["bytes"] / (1 << 20),
            "obj size (KiB)": {"count": count, "min": 0, "mean": mean, "stddev": 0.0, "max": 0},
            "#obj dirty": stats["fresh"],
            "#obj incomplete": 0,
            "#faults": stats["faults"],
        },
        "namespace": {
            root.name: {
                "#versionwaiters": versions.count(root),
                "#no-op stores": noops,
                "#transactions": waiting,
                "#readytransactions": ready,
                "store revision": root.seq,
            }
            for root, noops, waiting, ready in counts
        },
        "transaction-opcount": {"commit": opcount.report()},
        "pending_requests": pending + len(versions) + sum(ready for *_, ready in counts),
    }
