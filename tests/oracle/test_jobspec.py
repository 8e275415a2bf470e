# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14, 25: random jobspecs, the same verdict as ``flux job-validator`` and the function that it calls.

(``flux job-validator`` itself ends at the first object where it expects a string, or the like.)

Where the verdicts differ on purpose, Rosin refuses more. flux-core takes, and Rosin does not:

- a label that two vertices have, an unknown key in a vertex or task, a task's slot that no vertex is;
- no resources or tasks, more than one at the top, types in other places than RFC 25 gives them, a slot
  without cores or with cores twice, an empty command or a NUL in it;
- true as a number or a number as a text;
- ``attributes.system`` members of the wrong type (flux-core looks at few of them), dependencies without
  what their scheme needs;
- counts and durations beyond what a C int and a reasonable clock hold.

So the test asks that what Rosin accepts flux-core accepts too, and that what flux-core refuses Rosin
refuses; and of random jobspecs made with the rules of RFC 25, that both accept all.
"""

import copy
import json
import subprocess

import pytest

from rosin.errors import FormatError
from rosin.rfc.jobspec import validate
from rosin.rfc.jobspec.rules import validate_version

COUNT = 10_000


def good(rng):
    """A jobspec as RFC 25 has it."""
    core = {"type": "core", "count": rng.randint(1, 64)}
    inside = [core, {"type": "gpu", "count": rng.randint(1, 8)}] if rng.random() < 0.4 else [core]
    rng.shuffle(inside)
    label = rng.choice(["task", "default", "a b", "ƒ"])
    top = {"type": "slot", "count": rng.randint(1, 99), "label": label, "with": inside}
    if rng.random() < 0.5:
        top = {"type": "node", "count": rng.randint(1, 99), "with": [top]}
        if rng.random() < 0.5:
            top["exclusive"] = rng.random() < 0.5
    if rng.random() < 0.1:
        core["unit"] = "x"
    system = {"duration": rng.choice([0, 60, 3600.5, 1e6])}
    for key, values in {
        "cwd": ["/tmp", "/"],
        "environment": [{}, {"A": "b"}],
        "queue": ["batch"],
        "preemptible-after": [0.0, 5],
        "job": [{"name": "n"}],
        "shell": [{"options": {"x": 1}}],
        "dependencies": [[{"scheme": "afterok", "value": "f1"}], []],
        "constraints": [{"properties": ["a", "^b"]}, {"or": [{"hostlist": ["n[0-3]"]}, {"ranks": ["0"]}]}],
        "other": [None, [1]],
    }.items():
        if rng.random() < 0.2:
            system[key] = rng.choice(values)
    attributes = {"system": system}
    if rng.random() < 0.3:
        attributes["user"] = {"any": [rng.random()]}
    count = {rng.choice(["per_slot", "total"]): rng.randint(1, 9)}
    task = {"command": rng.choice([["true"], ["a", "b c", ""]]), "slot": label, "count": count}
    return {"version": 1, "resources": [top], "tasks": [task], "attributes": attributes}


JUNK = [None, True, False, 0, 1, -1, 2, 1.5, "", "x", "2-4", "4,9", [], {}, [1], {"a": 1}, 2**31, ["a"]]
NAMES = ["type", "count", "with", "label", "exclusive", "unit", "id", "slot", "command", "total", "per_slot"]
NAMES += ["per_resource", "system", "user", "duration", "dependencies", "constraints", "not", "x", "version"]


def places(node, path=()):
    if path:
        yield path
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, child in pairs:
        yield from places(child, (*path, step))


def spoiled(rng, spec):
    """The jobspec with one or two places replaced, removed, doubled or added."""
    spec = copy.deepcopy(spec)
    for _ in range(rng.choice([1, 1, 2])):
        *steps, last = rng.choice(list(places(spec)))
        node = spec
        for step in steps:
            node = node[step]
        change = rng.random()
        if change < 0.2:
            del node[last]
        elif change < 0.3 and isinstance(node, list):
            node.append(copy.deepcopy(node[last]))
        elif change < 0.5 and isinstance(node[last], dict):
            node[last][rng.choice(NAMES)] = copy.deepcopy(rng.choice(JUNK))
        elif change < 0.6 and isinstance(node[last], str):
            node[last] = rng.choice(["node", "slot", "core", "gpu", "rack", "task"])
        else:
            node[last] = copy.deepcopy(rng.choice(JUNK))
        if not spec:
            break
    return spec


VALIDATE = """
import json
from flux.job.Jobspec import validate_jobspec
def answer(spec):
    validate_jobspec(json.dumps(spec), 1)
"""


def verdicts(flux, specs):
    """The error text of each jobspec, None for a good one."""
    lines = "".join(f"{json.dumps(spec)}\n" for spec in specs)
    argv = [flux, "job-validator", "--jobspec-only", "--plugins=jobspec"]
    process = subprocess.run(argv, input=lines, capture_output=True, text=True, timeout=300, check=False)
    replies = [json.loads(line) for line in process.stdout.splitlines()]
    if len(replies) < len(specs):
        pytest.fail(f"flux job-validator ended at {specs[len(replies)]}: {process.stderr[-500:]}")
    return [None if reply["errnum"] == 0 else reply.get("errstr", "refused") for reply in replies]


def ours(spec):
    try:
        validate(spec)
    except FormatError as error:
        return str(error)
    return None


def test_good_jobspecs(flux, rng):
    specs = [good(rng) for _ in range(COUNT)]
    assert [spec for spec in specs if ours(spec) is not None][:5] == []
    found = zip(specs, verdicts(flux, specs), strict=True)
    assert [pair for pair in found if pair[1] is not None][:5] == []


def test_spoiled_jobspecs(ask, rng):
    specs = [spoiled(rng, good(rng)) for _ in range(COUNT)]
    rows = [(spec, ours(spec), theirs) for spec, theirs in zip(specs, ask(VALIDATE, specs), strict=True)]
    taken = sum(mine is None for _, mine, _ in rows)
    stricter = sum(mine is not None and theirs is None for _, mine, theirs in rows)
    print(f"{len(rows)} jobspecs: {taken} accepted by both, {stricter} refused by Rosin alone")
    assert 100 < taken < len(rows) - 100
    assert [row for row in rows if row[1] is None and row[2] is not None][:5] == []


ANY_VERSION = VALIDATE.replace(", 1)", ")")
TYPES = ["node", "socket", "core", "gpu", "memory", "slot"]
COUNTS = [1, 4, "7", "3-30", "2+", "1-9:2", "2-8:2:*", "2+:3:^", "4,9,16", "[1,3-5]", {"min": 2}]
COUNTS += [{"min": 2, "max": 8}, {"min": 2, "operator": "^", "operand": 2}]
COUNTS += [{"min": 1, "max": 9, "operator": "*", "operand": 3}]
WRONG = [
    0,
    -1,
    "0",
    "3-1",
    "x",
    "",
    "1:2",
    "2-8:1:*",
    "1-4:2:^",
    "1.5",
    {},
    {"min": 0},
    {"max": 3},
    {"min": 4, "max": 2},
]
WRONG += [
    {"min": 1, "operator": "^", "operand": 2},
    {"min": 2, "operator": "-", "operand": 2},
    {"min": 2, "step": 1},
]
WRONG += [{"min": 2, "operand": 2}, {"min": 2, "operator": "+"}, True, 1.5, None, []]


def vertex(rng, labels, depth=0, inside=False):
    kind = rng.choice(TYPES[:5] if inside else TYPES)
    result = {"type": kind, "count": rng.choice(COUNTS)}
    for key, values in {"unit": ["GB"], "exclusive": [True, False], "id": ["0-3"]}.items():
        if rng.random() < 0.15:
            result[key] = rng.choice(values)
    if kind == "slot":
        result["label"] = f"l{len(labels)}"
        labels.append(result["label"])
    if kind == "slot" or (depth < 3 and rng.random() < 0.5):
        below = range(rng.randint(1, 2))
        result["with"] = [vertex(rng, labels, depth + 1, inside or kind == "slot") for _ in below]
    return result


def canonical(rng, version):
    """A jobspec as RFC 14 has it."""
    labels = []
    resources = [vertex(rng, labels) for _ in range(rng.randint(1, 3))]
    if not labels:
        resources.append({"type": "slot", "count": 1, "label": "l0", "with": [{"type": "core", "count": 1}]})
        labels.append("l0")
    tasks = [
        {
            "command": ["a"],
            "slot": rng.choice(labels),
            "count": {rng.choice(["per_slot", "total"]): rng.randint(1, 9)},
        }
        for _ in range(rng.randint(1, 3))
    ]
    return {
        "version": version,
        "resources": resources,
        "tasks": tasks,
        "attributes": {"system": {"duration": rng.choice([0, 60])}},
    }


def any_version(spec):
    try:
        validate_version(spec)
    except FormatError as error:
        return str(error)
    return None


@pytest.mark.parametrize("version", [2, 9999])
def test_canonical_jobspecs(ask, rng, version):
    specs = [canonical(rng, version) for _ in range(COUNT // 2)]
    assert [spec for spec in specs if any_version(spec) is not None][:3] == []
    rows = zip(specs, ask(ANY_VERSION, specs), strict=True)
    assert [row for row in rows if row[1] is not None][:3] == []


def test_wrong_counts(ask, rng):
    """RFC 45 and the objects of RFC 14: what flux-core refuses is refused here."""
    specs = [canonical(rng, 2) for _ in range(COUNT)]
    for spec in specs:
        place = spec["resources"]
        while "with" in place[0] and rng.random() < 0.5:
            place = place[0]["with"]
        place[0]["count"] = rng.choice(WRONG)
    rows = list(zip(specs, map(any_version, specs), ask(ANY_VERSION, specs), strict=True))
    print(sum(theirs is None for _, _, theirs in rows), "refused by Rosin alone")
    assert [row for row in rows if row[1] is None and row[2] is not None][:3] == []
