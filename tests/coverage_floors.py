# SPDX-License-Identifier: LGPL-3.0-or-later
"""``make test COVERAGE=1``: is each package tested as well as it was when its floor was written?

Reads a report of ``coverage json`` and compares, by package, the percentage of lines and branches that tests
run in their own process with the floors in ``coverage_floors.toml``. ``--write`` makes today's figures these.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tomllib
from pathlib import Path

FLOORS = Path(__file__).with_suffix(".toml")
_HEADER = """\
# SPDX-License-Identifier: LGPL-3.0-or-later
# Percentage of lines and branches of each package that tests run in their own process, at least.
"""
#: What is kept below a figure when it becomes a floor: what depends on the order of events differs a little.
_SLACK = 1.0


def main(argv: list[str] | None = None) -> int:
    """Compare; 1 when a package is below its floor, after one line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.coverage_floors", description=__doc__)
    parser.add_argument("report", type=Path, help="of `coverage json`")
    parser.add_argument("--floors", type=Path, default=FLOORS, help="the table (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="make these figures the floors")
    args = parser.parse_args(argv)
    reached = figures(json.loads(args.report.read_text()))
    if args.write:
        args.floors.write_text(table(reached))
        return 0
    faults = compare(reached, tomllib.loads(args.floors.read_text()))
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def package(path: str) -> str:
    """The package that a file below ``src`` counts to: the area's, or the service's."""
    parts = path.partition("src/")[2].split("/")[:-1]
    return ".".join(parts[: 3 if parts[1:2] == ["modules"] else 2])


def figures(report: dict) -> dict[str, float]:
    """The percentage of each package in a report."""
    sums: dict[str, list[int]] = {}
    for path, file in report["files"].items():
        covered, all = sums.setdefault(package(path), [0, 0])
        summary = file["summary"]
        covered += summary["covered_lines"] + summary["covered_branches"]
        all += summary["num_statements"] + summary["num_branches"]
        sums[package(path)] = [covered, all]
    return {name: 100 * covered / all if all else 100.0 for name, (covered, all) in sorted(sums.items())}


def compare(reached: dict[str, float], floors: dict[str, int]) -> list[str]:
    """One line for each package that is below its floor, has none, or is not there any more."""
    faults = []
    for name in sorted({*reached, *floors}):
        if name not in floors:
            faults.append(f"{name}: has no floor: write one of {floor(reached[name])} to {FLOORS.name}")
        elif name not in reached:
            faults.append(f"{name}: has a floor in {FLOORS.name}, but no files")
        elif reached[name] < floors[name]:
            figure = math.floor(reached[name] * 100) / 100
            faults.append(f"{name}: tests run {figure:.2f} % of it, its floor is {floors[name]} %")
    return faults


def floor(figure: float) -> int:
    """What becomes of a figure in the table."""
    return math.floor(figure - _SLACK) if figure < 100 else 100


def table(reached: dict[str, float]) -> str:
    """The table's text."""
    return _HEADER + "".join(f'"{name}" = {floor(figure)}\n' for name, figure in sorted(reached.items()))


if __name__ == "__main__":
    sys.exit(main())
