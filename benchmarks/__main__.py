# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python -m benchmarks [--flux /path/to/flux] [ROW...]``: a table of ratios.

The two sides take turns within each row, so that a machine whose speed drifts does not favour one of them.
Shown are the medians and how many times better Rosin is than flux-core.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from benchmarks.rows import ROWS, UNITS
from benchmarks.side import Side
from rosin import _json


def measure(row: str, sides: list[Side]) -> list[float]:
    """The median of each side."""
    function, _, _, repetitions = ROWS[row]
    samples: list[list[float]] = [[] for _ in sides]
    for _ in range(repetitions):
        for side, values in zip(sides, samples, strict=True):
            values.append(function(side))
    return [statistics.median(values) for values in samples]


def describe(row: str, medians: list[float]) -> str:
    """One line of the table."""
    _, more, goal, _ = ROWS[row]
    unit = UNITS.get(row, "/s")
    cells = [f"{value:>10.4g} {unit:<5}" for value in medians]
    if len(medians) == 2:
        rosin, flux = medians
        factor = rosin / flux if more else flux / rosin
        cells.append(f"{factor:>8.2f}x  goal {goal:.3g}x {'met' if factor >= goal else 'MISSED'}")
    return f"{row:<22}" + "  ".join(cells)


def main() -> int:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--flux", metavar="PATH", help="the flux command of a flux-core to compare with")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these: {', '.join(ROWS)}")
    args = parser.parse_args()
    unknown = [row for row in args.rows if row not in ROWS]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    sides = [Side("rosin", str(Path(sys.executable).with_name("rosin")))]
    if args.flux:
        sides.append(Side("flux-core", args.flux))
    _json.accelerate()  # as every program does that lives long; the client is the same for both sides
    print(f"{'':<22}" + "  ".join(f"{side.name:>16}" for side in sides))
    try:
        for side in sides:
            side.start()
        for row in args.rows or ROWS:
            print(describe(row, measure(row, sides)), flush=True)
    finally:
        for side in sides:
            side.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
