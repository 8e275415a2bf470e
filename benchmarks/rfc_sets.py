# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python -m benchmarks.rfc_sets [--flux /path/to/flux] [ROW...]``: idsets, host lists and R.

Sets of a million members and R of 100,000 ranks, in this process, against those that can be imported of
flux-core's Python bindings (``--flux``: C libraries, except for R), ClusterShell and python-hostlist. Shown
are the best of a few rounds in milliseconds; the factor is to the fastest rival. A rival has ``-`` where it
has no such operation and ``slow`` where a round takes more than ten times ``--patience`` seconds. No library
is told to forget what it keeps for later calls, but each round of the ``first`` rows has a new list.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

N = 1_000_000
RANKS = 100_000
ROUNDS = 5

EVENS = ",".join(map(str, range(0, 2 * N, 2)))
RANGES = ",".join(f"{i}-{i + 2}" if i % 8 == 0 else str(i) for i in range(0, 2 * N, 4))
HALF = f"{N // 2}-{N + N // 2}"
NAMES = ",".join(f"n{i}" for i in range(0, 2 * N, 2))
MIXED = ",".join(f"{'ab'[i & 1]}x{i}" for i in range(N))
ALL = f"n[0-{N - 1}]"
UPPER = f"n[{N // 2}-{N + N // 2}]"


def _R(groups: int, ranks: int) -> str:
    entries = [
        {"rank": ",".join(map(str, range(k, ranks, groups))) if groups > 1 else f"0-{ranks - 1}",
         "children": {"core": f"0-{k + 1}", "gpu": "0-7"}}
        for k in range(groups)
    ]  # fmt: skip
    execution = {"R_lite": entries, "nodelist": [f"node[0-{ranks - 1}]"], "starttime": 0.0, "expiration": 0.0}
    return json.dumps({"version": 1, "execution": execution})


ONE, MANY, PART = _R(1, RANKS), _R(64, RANKS), _R(1, RANKS // 2)


class Library:
    """One library: a constructor for each kind of value, and the names of its operations."""

    def __init__(self, name: str, **kinds: Any) -> None:
        self.name = name
        self.kinds = kinds


def libraries(flux: str | None) -> list[Library]:
    """Rosin and the rivals that can be imported."""
    found = [Library("rosin", idset=Idset, hostlist=Hostlist, rset=ResourceSet.decode)]
    if flux:
        paths = subprocess.run([flux, "python", "-c", "import sys; print(*sys.path, sep=chr(10))"],
                               capture_output=True, text=True, check=True).stdout.splitlines()  # fmt: skip
        # Before a package of the same name that may be installed here.
        sys.path[:0] = [path for path in paths if path and (Path(path) / "_flux").is_dir()]
        try:
            idset = importlib.import_module("flux.idset").IDset
            hostlist = importlib.import_module("flux.hostlist").Hostlist
            kinds = {"idset": idset, "hostlist": hostlist}
        except ImportError as exc:
            print(f"flux-core's bindings: {exc}", file=sys.stderr)
            kinds = {}
        try:
            kinds["rset"] = importlib.import_module("flux.resource").ResourceSet
        except ImportError as exc:
            print(f"flux-core's ResourceSet: {exc}", file=sys.stderr)
        if kinds:
            found.append(Library("flux-core", **kinds))
    try:
        shell = importlib.import_module("ClusterShell.NodeSet").NodeSet
        ranges = importlib.import_module("ClusterShell.RangeSet").RangeSet
        found.append(Library("ClusterShell", idset=ranges, hostlist=shell))
    except ImportError as exc:
        print(f"ClusterShell: {exc}", file=sys.stderr)
    try:
        module = importlib.import_module("hostlist")
        found.append(Library("python-hostlist", hostlist=PythonHostlist.of(module)))
    except (ImportError, AttributeError) as exc:
        print(f"python-hostlist: {exc}", file=sys.stderr)
    return found


class PythonHostlist:
    """python-hostlist works on lists of names and their text."""

    module: Any = None

    def __init__(self, text: str) -> None:
        # It limits the names of one expression unless told otherwise.
        self.names = self.module.expand_hostlist(text, allow_duplicates=True)

    @classmethod
    def of(cls, module: Any) -> type[PythonHostlist]:
        cls.module = module
        module.MAX_SIZE = 4 * N
        return cls

    def encode(self) -> str:
        return str(self.module.collect_hostlist(self.names))

    def union(self, other: PythonHostlist) -> list[str]:
        return sorted(set(self.names) | set(other.names))

    def intersect(self, other: PythonHostlist) -> list[str]:
        return sorted(set(self.names) & set(other.names))

    def minus(self, other: PythonHostlist) -> list[str]:
        gone = set(other.names)
        return [name for name in self.names if name not in gone]

    def __iter__(self) -> Any:
        return iter(self.names)


def _method(*names: str) -> Callable[..., Any]:
    """Call the first method of these that an object has."""

    def call(one: Any, *others: Any) -> Any:
        for name in names:
            if hasattr(one, name):
                return getattr(one, name)(*others)
        raise NotImplementedError

    return call


_encode = _method("encode", "__str__")
_find = _method("index")
_both = {
    "union": lambda a, b: a | b if hasattr(a, "__or__") else a.union(b),
    "intersect": lambda a, b: a & b if hasattr(a, "__and__") else a.intersect(b),
    "minus": lambda a, b: a - b if hasattr(a, "__sub__") else _method("minus")(a, b),
}


def _pair(kind: str, one: str, other: str, operation: str) -> tuple[str, Any, Any]:
    return kind, lambda make: (make(one), make(other)), lambda given: _both[operation](*given)


#: Kind, what to prepare with the constructor, and what is timed.
ROWS: dict[str, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "idset-decode": ("idset", lambda make: make, lambda make: make(EVENS)),
    "idset-decode-ranges": ("idset", lambda make: make, lambda make: make(RANGES)),
    "idset-encode": ("idset", lambda make: make(EVENS), _encode),
    "idset-encode-ranges": ("idset", lambda make: make(RANGES), _encode),
    "idset-union": _pair("idset", EVENS, HALF, "union"),
    "idset-intersect": _pair("idset", EVENS, HALF, "intersect"),
    "idset-difference": _pair("idset", EVENS, HALF, "minus"),
    "idset-iterate": ("idset", lambda make: make(EVENS), list),
    "hostlist-decode": ("hostlist", lambda make: make, lambda make: make(NAMES)),
    "hostlist-encode": ("hostlist", lambda make: make(NAMES), _encode),
    "hostlist-decode-mixed": ("hostlist", lambda make: make, lambda make: make(MIXED)),
    "hostlist-encode-mixed": ("hostlist", lambda make: make(MIXED), _encode),
    "hostlist-first-nth": ("hostlist", lambda make: make(NAMES), lambda given: given[N // 2]),
    "hostlist-first-find": ("hostlist", lambda make: make(NAMES), lambda given: _find(given, [f"n{N}"])),
    "hostlist-decode-range": ("hostlist", lambda make: make, lambda make: make(ALL)),
    "hostlist-expand": ("hostlist", lambda make: make, lambda make: list(make(ALL))),
    "hostlist-union": _pair("hostlist", ALL, UPPER, "union"),
    "hostlist-intersect": _pair("hostlist", ALL, UPPER, "intersect"),
    "hostlist-minus": _pair("hostlist", ALL, UPPER, "minus"),
    "hostlist-union-names": _pair("hostlist", NAMES, UPPER, "union"),
    "hostlist-minus-names": _pair("hostlist", NAMES, UPPER, "minus"),
    "hostlist-index-1000": (
        "hostlist",
        lambda make: (make(NAMES), [f"n{i}" for i in range(0, 2 * N, N // 500)]),
        lambda given: _find(*given),
    ),
    "R-decode": ("rset", lambda make: make, lambda make: make(ONE)),
    "R-decode-64-groups": ("rset", lambda make: make, lambda make: make(MANY)),
    "R-encode": ("rset", lambda make: make(MANY), _encode),
    "R-union": ("rset", lambda make: (make(ONE), make(PART)), lambda given: given[0].union(given[1])),
    "R-difference": ("rset", lambda make: (make(ONE), make(PART)), lambda given: given[0].diff(given[1])),
    "R-intersect": ("rset", lambda make: (make(ONE), make(PART)), lambda given: given[0].intersect(given[1])),
}
_NAME_ROWS = {row for row in ROWS if row.startswith(("hostlist-decode", "hostlist-encode", "hostlist-first"))}
#: What takes ten seconds (flux-core's hostlist-expand) to hours: a linear search, or a new list, for each
#: of a million members.
_SLOW = {
    ("flux-core", "idset-encode"),
    ("flux-core", "idset-encode-ranges"),
    ("flux-core", "hostlist-expand"),
    ("python-hostlist", "hostlist-encode"),
    ("python-hostlist", "hostlist-encode-mixed"),
    *(("ClusterShell", row) for row in _NAME_ROWS - {"hostlist-decode-range"}),
    ("ClusterShell", "hostlist-union-names"),
    ("ClusterShell", "hostlist-minus-names"),
    ("ClusterShell", "hostlist-index-1000"),
}


def _give_up(_number: int, _frame: Any) -> None:
    raise TimeoutError


def measure(library: Library, row: str, patience: float) -> float | None:
    """Best milliseconds of a few rounds; infinity if that takes too long, None without such an operation."""
    kind, prepare, run = ROWS[row]
    make = library.kinds.get(kind)
    if make is None:
        return None
    if (library.name, row) in _SLOW:
        return math.inf
    best = math.inf
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, 10 * patience)
    try:
        given = prepare(make)
        for turn in range(ROUNDS):
            if turn and "-first-" in row:
                given = prepare(make)
            began = time.perf_counter()
            run(given)
            took = time.perf_counter() - began
            best = min(best, took)
            if took > patience:
                break
    except (NotImplementedError, TypeError, ValueError, AttributeError):
        return None
    except TimeoutError:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return best * 1000


def _cell(value: float | None) -> str:
    return f"{'-':>17}" if value is None else f"{'slow':>17}" if value == math.inf else f"{value:>17.3f}"


def main() -> int:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rfc_sets", description=__doc__)
    parser.add_argument("--flux", metavar="PATH", help="the flux command of a flux-core to compare with")
    parser.add_argument(
        "--patience", metavar="SECONDS", type=float, default=1.0, help="rounds end after this"
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these: {', '.join(ROWS)}")
    args = parser.parse_args()
    unknown = [row for row in args.rows if row not in ROWS]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    found = libraries(args.flux)
    print(f"{'milliseconds':<24}" + "".join(f"{library.name:>17}" for library in found) + f"{'factor':>12}")
    for row in args.rows or ROWS:
        times = [measure(library, row, args.patience) for library in found]
        cells = map(_cell, times)
        rivals = [value for value in times[1:] if value is not None and value < math.inf]
        factor = f"{min(rivals) / times[0]:>11.2f}x" if rivals and times[0] else ""
        print(f"{row:<24}" + "".join(cells) + factor, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
