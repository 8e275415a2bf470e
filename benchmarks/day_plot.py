# SPDX-License-Identifier: LGPL-3.0-or-later
"""The picture of a day: memory, store and descriptors after each hour, and when there was a restart."""

from __future__ import annotations

import os
from typing import Any


def plot(rows: list[tuple[Any, ...]], path: str) -> None:
    """Draw the rows of :mod:`benchmarks.day`."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    jobs = [row[1] for row in rows]
    parts = (("broker's memory (PSS), MB", 2), ("store, MB", 4), ("open descriptors", 3))
    for axis, (label, column) in zip(axes, parts, strict=True):
        axis.plot(jobs, [row[column] for row in rows], color="#b5541c", marker=".")
        for row in rows:
            if row[7]:
                colour = "#3a6ea5" if row[7] == "stop" else "#9a2a2a"
                axis.axvline(row[1], color=colour, linestyle=":", linewidth=1)
        axis.set_ylim(0, 1.4 * max(row[column] for row in rows))
        axis.set_title(label, fontsize=10)
        axis.set_xlabel("jobs (dotted: stopped, blue; killed, red)")
        axis.grid(alpha=0.3)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    figure.savefig(path, dpi=100)
