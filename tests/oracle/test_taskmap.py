# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 34: random task maps, the same conversions as ``flux job taskmap`` and the library that it calls.

Differences, which the inputs avoid or the comparison levels out:

- flux-core takes PMI text with anything between its blocks, and stray commas in idsets; here not.
- flux-core keeps the blocks of JSON and PMI text as they are; here neighbours that one block can say are
  joined, so that both are compared by the tasks of each node.
- flux-core answers questions about nodes and unknown maps that have no answer with -1, here they are 0.
- flux-core has no raw form for a map that leaves a node out, and skips an empty idset in a raw map.
- flux-core cannot tell a raw map in brackets (``[0-1];2``) from JSON, and takes no spaces around idsets.
"""

import json
import subprocess
import sys

import pytest

from rosin.errors import FormatError
from rosin.rfc.taskmap import TaskMap

from .conftest import Refused, answers, differing

COUNT = 10_000
THEIRS = """
import _flux._core, ctypes, os, pathlib
parents = pathlib.Path(os.path.realpath(_flux._core.__file__)).parents
found = [p / "libflux-taskmap.so.1" for p in parents if (p / "libflux-taskmap.so.1").exists()]
lib = ctypes.CDLL(str(found[0]))
class Error(ctypes.Structure):
    _fields_ = [("text", ctypes.c_char * 160)]
lib.taskmap_decode.restype = ctypes.c_void_p
lib.taskmap_encode.restype = ctypes.c_char_p
RAW, PMI = %(raw)d, %(pmi)d
def answer(text):
    error = Error()
    map = ctypes.c_void_p(lib.taskmap_decode(text.encode(), ctypes.byref(error)))
    if not map:
        raise ValueError(error.text.decode())
    result = [lib.taskmap_encode(map, flags) for flags in (RAW, PMI)]
    count, nnodes = max(0, lib.taskmap_total_ntasks(map)), max(0, lib.taskmap_nnodes(map))
    nodes = [lib.taskmap_nodeid(map, task) for task in range(count)]
    per_node = [max(0, lib.taskmap_ntasks(map, node)) for node in range(8)]
    answer = [*[None if text is None else text.decode() for text in result], count, nnodes, nodes, per_node]
    lib.taskmap_destroy(map)
    return answer
"""


def blocks(rng):
    """Random blocks that leave no node out."""
    result, top = [], 0
    for _ in range(rng.randint(0, 5)):
        node = rng.randint(0, top)
        nnodes = rng.randint(1, 3)
        top = max(top, node + nnodes)
        result.append([node, nnodes, rng.randint(1, 3), rng.randint(1, 3)])
    return result


def source(rng):
    """A map in one of its forms."""
    map = blocks(rng)
    form = rng.random()
    if form < 0.3:
        return json.dumps(map)
    if form < 0.4:
        return json.dumps({"version": rng.choice([1, 1, 2]), "map": map})
    return TaskMap.decode(map).encode_pmi() if form < 0.6 else TaskMap.decode(map).encode_raw()


def spoiled(rng):
    text = source(rng) or "0"
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(["", "0", "1", "-", ",", "]", "x", "[1"]) + text[at + rng.randint(0, 1) :]


def mine(text):
    return described(TaskMap.decode(text), TaskMap.decode(text).encode_raw())


def described(map, raw):
    nodes = [map.nodeid(task) for task in range(map.total_ntasks())]
    gaps = len(set(nodes)) <= max(nodes, default=-1)
    counts = [map.ntasks(node) for node in range(8)]
    return [None if gaps else raw, map.total_ntasks(), None if gaps else map.nnodes(), nodes, counts]


def theirs(ask, sources):
    """Flux-core's answers in the form of ours; its PMI text must be the map that it describes."""
    result = []
    for answer in ask(THEIRS % {"raw": 4, "pmi": 2}, sources):
        if not isinstance(answer, Refused):
            raw, pmi, *answer = answer
            answer[1] = answer[1] if raw is not None else None
            answer = [raw, *answer]
            assert described(TaskMap.decode(pmi), raw) == answer
        result.append(answer)
    return result


def test_maps(ask, rng):
    sources = [source(rng) for _ in range(COUNT)]
    ours = answers(mine, sources, FormatError)
    print(sum(isinstance(answer, Refused) for answer in ours), "refused")
    assert differing(sources, ours, theirs(ask, sources)) == []


def known(text):
    """Whether there are empty idsets, brackets or spaces in a raw map."""
    if text[:1] == ";" or (text[:1] == "[" and text[1:2].isdecimal()):
        return True
    return any(sign in text[1:] for sign in (";;", "[", " "))


def test_spoiled_maps(ask, rng):
    """What is taken here flux-core takes, too, and reads alike."""
    sources = [spoiled(rng) for _ in range(COUNT)]
    rows = list(zip(sources, answers(mine, sources, FormatError), theirs(ask, sources), strict=True))
    stricter = [row for row in rows if isinstance(row[1], Refused) and not isinstance(row[2], Refused)]
    print(f"{sum(isinstance(row[1], Refused) for row in rows)} refused, {len(stricter)} of them here alone")
    rows = [row for row in rows if not known(row[0])]
    assert [row for row in rows if row not in stricter and row[1] != row[2]][:5] == []


@pytest.mark.parametrize("text", ["[]", "[[0,2,2,1]]", "0;x", "(vector)"])
@pytest.mark.parametrize(
    "option",
    [
        *(
            "--taskids=9",
            "--ntasks=9",
            "--nodeid=9",
            "--hostname=0",
            "--to=hosts",
            "--to=foo",
            "--to=multiline",
        ),
        *("--to=raw", "--to=pmi", "--taskids=1"),
    ],
)
def test_failures_of_the_command(flux, option, text):
    """The same output and exit code where there is no answer."""
    argv = ["job", "taskmap", option, text]
    theirs = subprocess.run([flux, *argv], capture_output=True, text=True, timeout=30, check=False)
    own = [sys.executable, "-m", "rosin", *argv]
    ours = subprocess.run(own, capture_output=True, text=True, timeout=30, check=False)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    assert bool(ours.stderr) == bool(theirs.stderr)


@pytest.mark.parametrize(
    "options",
    [["--to=raw"], ["--to=pmi"], ["--to=multiline"], ["--taskids=1"], ["--ntasks=1"], ["--nodeid=2"]],
)
def test_the_command(flux, options, rng):
    """The same output."""
    for _ in range(5):
        text = TaskMap.decode([[0, 2, 1, 1], *blocks(rng)]).encode_raw()
        argv = ["job", "taskmap", *options, text]
        theirs = subprocess.run([flux, *argv], capture_output=True, text=True, timeout=30, check=False)
        own = [sys.executable, "-m", "rosin", *argv]
        ours = subprocess.run(own, capture_output=True, text=True, timeout=30, check=False)
        assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
