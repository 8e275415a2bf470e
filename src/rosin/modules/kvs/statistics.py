# SPDX-License-Identifier: LGPL-3.0-or-later
"""The answer to ``kvs.stats-get``, with flux-core's member names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.modules.kvs.namespace import Namespace
    from rosin.modules.kvs.objects import Objects


class Counter:
    """Count, range, mean and standard deviation of a series of numbers (Welford)."""

    __slots__ = ("_m2", "count", "max", "mean", "min")

    def __init__(self) -> None:
        self.count = 0
        self.min = self.max = 0
        self.mean = self._m2 = 0.0

    def add(self, value: int) -> None:
        """Take one number into account."""
        self.min = value if not self.count else min(self.min, value)
        self.max = max(self.max, value)
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self._m2 += delta * (value - self.mean)

    def report(self) -> dict[str, float]:
        """The JSON form."""
        stddev = (self._m2 / (self.count - 1)) ** 0.5 if self.count > 1 else 0.0
        return {
            "count": self.count,
            "min": self.min,
            "mean": self.mean,
            "stddev": stddev,
            "max": self.max,
        }


def report(
    objects: Objects, namespaces: Iterable[Namespace], opcount: Counter, pending: int
) -> dict[str, Any]:
    """Cache, namespaces, operations per transaction and requests in progress."""
    stats = objects.stats()
    count = stats["objects"]
    mean = stats["bytes"] / count / 1024 if count else 0.0
    namespaces = list(namespaces)
    return {
        "cache": {
            "obj size total (MiB)": stats["bytes"] / (1 << 20),
            "obj size (KiB)": {"count": count, "min": 0, "mean": mean, "stddev": 0.0, "max": 0},
            "#obj dirty": stats["fresh"],
            "#obj incomplete": 0,
            "#faults": stats["faults"],
        },
        "namespace": {
            ns.name: {
                "#versionwaiters": len(ns.waiters),
                "#no-op stores": ns.noops,
                "#transactions": len(ns.queue) + len(ns.held),
                "#readytransactions": len(ns.queue),
                "store revision": ns.seq,
            }
            for ns in namespaces
        },
        "transaction-opcount": {"commit": opcount.report()},
        "pending_requests": pending + sum(len(ns.waiters) + len(ns.queue) for ns in namespaces),
    }
