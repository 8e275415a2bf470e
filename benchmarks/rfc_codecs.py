# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python -m benchmarks.rfc_codecs [--flux /path/to/flux] [ROW...]``: speed of the codecs of rosin.rfc.

Rosin runs in this process, flux-core's bindings in its own interpreter (``flux python``), both by turns and
on the same input. Shown are operations per second (medians) and how many times faster Rosin is. Messages of
flux-core are those of its C library, called from Python.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from rosin import _json
from rosin.rfc import eventlog, fluid, fsd, jobspec, kvenc, message, sign, treeobj
from rosin.rfc.jobspec import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # An operation on the input, and the text of a program for flux-core that defines operation() on DATA.
    Row = tuple[Any, Callable[[Any], object], str | None]

_ROUNDS = 5
_SECONDS = 0.2  # of each round

# Runs in flux-core's interpreter: a round for each line of input.
_RIVAL = """
import json, sys, time
DATA = json.loads(sys.stdin.readline())
names = {"DATA": DATA}
exec(json.loads(sys.stdin.readline()), names)
operation, seconds = names["operation"], json.loads(sys.stdin.readline())
operation()
for line in sys.stdin:
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for _ in range(10):
            operation()
        count += 10
    print(count / (time.perf_counter() - began), flush=True)
"""

_MESSAGE = """
import ctypes, glob, os, flux
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(flux.__file__))))
lib = ctypes.CDLL(sorted(glob.glob(os.path.join(root, "libflux-core.so*")))[0])
lib.flux_msg_decode.restype = ctypes.c_void_p
lib.flux_msg_decode.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
lib.flux_msg_encode_size.restype = ctypes.c_ssize_t
lib.flux_msg_encode_size.argtypes = [ctypes.c_void_p]
lib.flux_msg_encode.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
lib.flux_msg_decref.argtypes = [ctypes.c_void_p]
data = bytes.fromhex(DATA)
def operation():
    msg = lib.flux_msg_decode(data, len(data))
    size = lib.flux_msg_encode_size(msg)
    buffer = ctypes.create_string_buffer(size)
    lib.flux_msg_encode(msg, buffer, size)
    lib.flux_msg_decref(msg)
"""
_EVENTLOG = """
import json
from flux.eventlog import EventLogEvent
def operation():
    return [EventLogEvent(line) for line in DATA.splitlines()]
"""
_EVENTLOG_WRITE = """
from flux.eventlog import EventLogEvent
events = [EventLogEvent(line) for line in DATA.splitlines()]
def operation():
    return "\\n".join(map(str, events))
"""
_JOBSPEC = "from flux.job import validate_jobspec\ndef operation(): return validate_jobspec(DATA)"
_FLUID_PARSE = "from flux.job import id_parse\ndef operation(): return id_parse(DATA)"
_FLUID_ENCODE = "from flux.job import id_encode\ndef operation(): return id_encode(DATA, 'f58')"
_FSD_PARSE = "from flux.util import parse_fsd\ndef operation(): return parse_fsd(DATA)"
_FSD_ENCODE = "from flux.util import fsd\ndef operation(): return fsd(DATA)"


def _message() -> str:
    msg = message.Message.request("job-manager.submit", {"id": 1 << 40, "flags": 0}, matchtag=7)
    msg.route = [b"8d6fbd2e-1d3f-4b8b-a3b9-5f2f0b0c6c11"]
    return message.encode(msg).hex()


def _log() -> str:
    names = (
        "submit",
        "validate",
        "depend",
        "priority",
        "alloc",
        "start",
        "finish",
        "release",
        "free",
        "clean",
    )
    entries = [
        eventlog.entry(name, {"userid": 1000, "urgency": 16, "note": "x" * 20}, 1_700_000_000.123456 + at)
        for at, name in enumerate(names)
    ]
    return eventlog.encode_entries(entries)


def _jobspec() -> str:
    spec = build.from_command(["hostname"], num_tasks=4, cwd="/tmp")
    spec["attributes"]["system"]["environment"] = {f"NAME{n}": "value" for n in range(50)}
    return _json.dumps(spec).decode()


def _tree() -> bytes:
    return treeobj.encode(treeobj.dirobj({f"key{n}": treeobj.val(b"value %d" % n) for n in range(100)}))


_ID = 6731191091817518
_ENTRIES = eventlog.decode_entries(_log())

ROWS: dict[str, Row] = {
    "message": (
        _message(),
        (lambda data: lambda _: message.encode(message.decode(data)))(bytes.fromhex(_message())),
        _MESSAGE,
    ),
    "eventlog-read": (_log(), eventlog.decode, _EVENTLOG),
    "eventlog-write": (_log(), lambda _: eventlog.encode_entries(_ENTRIES), _EVENTLOG_WRITE),
    "jobspec": (_jobspec(), lambda text: jobspec.validate(_json.loads(text)), _JOBSPEC),
    "f58-read": ("ƒuZZybuNNy", fluid.parse, _FLUID_PARSE),
    "f58-write": (_ID, fluid.encode, _FLUID_ENCODE),
    "duration-read": ("1.5h", fsd.parse, _FSD_PARSE),
    "duration-write": (5400.0, fsd.encode, _FSD_ENCODE),
    "tree-object": (_tree(), lambda data: treeobj.encode(treeobj.decode(data)), None),
    "envelope": (sign.wrap(_jobspec(), 1000), sign.unwrap, None),
    "kvenc": (kvenc.encode({"version": 1, "mechanism": "none", "userid": 1000}), kvenc.decode, None),
}


def _own(data: Any, operation: Callable[[Any], object]) -> float:
    """Operations per second in one round."""
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < _SECONDS:
        for _ in range(10):
            operation(data)
        count += 10
    return count / (time.perf_counter() - began)


class _Rival:
    """flux-core's interpreter, ready for rounds of one row; a context manager."""

    def __init__(self, flux: str, data: Any, code: str) -> None:
        self._process = subprocess.Popen(
            [flux, "python", "-c", _RIVAL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for value in (data, code, _SECONDS):
            self._say(json.dumps(value))

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def round(self) -> float:
        assert self._process.stdout is not None
        self._say("again")
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"flux-core's interpreter ended with {self._process.wait()}")
        return float(answer)

    def __enter__(self) -> _Rival:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def measure(row: str, flux: str | None) -> list[float]:
    """The median of each side, ours first."""
    data, operation, code = ROWS[row]
    operation(data)
    if flux is None or code is None:
        return [statistics.median(_own(data, operation) for _ in range(_ROUNDS))]
    with _Rival(flux, data, code) as rival:
        rounds = [(_own(data, operation), rival.round()) for _ in range(_ROUNDS)]
    return [statistics.median(values) for values in zip(*rounds, strict=True)]


def main() -> int:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rfc_codecs", description=__doc__)
    parser.add_argument("--flux", metavar="PATH", help="the flux command of a flux-core to compare with")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these: {', '.join(ROWS)}")
    args = parser.parse_args()
    unknown = [row for row in args.rows if row not in ROWS]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    _json.accelerate()  # as every program does that lives long
    print(f"{'':<16}{'rosin':>16}" + (f"{'flux-core':>18}" if args.flux else ""))
    for row in args.rows or ROWS:
        medians = measure(row, args.flux)
        cells = [f"{value:>12.4g} /s" for value in medians]
        if len(medians) == 2:
            cells.append(f"{medians[0] / medians[1]:>8.2f}x")
        print(f"{row:<16}" + "  ".join(cells), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
