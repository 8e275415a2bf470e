# SPDX-License-Identifier: LGPL-3.0-or-later
"""What flux-core's job manager takes as ``policy`` and ``queues`` is what we take (RFC 33).

Left out are ``hosts``, which flux-core does not know; properties with ``^`` or without a character, which it
takes although RFC 20 does not; durations without a character, which are 0 to it; and numbers that do not fit
in 32 bits, of which it uses the low ones.
"""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

from rosin.errors import FormatError
from rosin.rfc.queues import QueueConfig

from .conftest import Refused, answers, differing

_CODE = """
import json, sys, flux
h = flux.Flux()
with open(sys.argv[1]) as inputs, open(sys.argv[2], "w") as out:
    for line in inputs:
        try:
            h.rpc("job-manager.config-reload", line).get()
            print(json.dumps(None), file=out)
        except OSError as exc:
            print(json.dumps(exc.strerror), file=out)
"""

_FSD = ["1h", "30m", "5", "inf", "infinity", "1.5d", "100ms", "0"]
_BAD = [1, -5, True, 1.5, "", "1x", "x y", [], ["a"], [1], {}, {"x": 1}, {"duration": "1h"}]
_NAMES = ["a", "b", "c", "deep"]


def _policy(rng: random.Random) -> Any:
    table: dict[str, Any] = {}
    if rng.random() < 0.4:
        system: dict[str, Any] = {}
        if rng.random() < 0.7:
            system["duration"] = rng.choice(_FSD)
        if rng.random() < 0.3:
            system["queue"] = rng.choice(_NAMES)
        table["jobspec"] = {"defaults": {"system": system}}
    if rng.random() < 0.5:
        sizes = {
            kind: {name: rng.randint(-1, 9) for name in ("nnodes", "ncores", "ngpus") if rng.random() < 0.4}
            for kind in ("max", "min")
            if rng.random() < 0.6
        }
        table["limits"] = {"job-size": sizes, "duration": rng.choice(_FSD)}
    if rng.random() < 0.3:
        keys = rng.choice([["allow-user"], ["allow-group"], ["allow-user", "allow-group"]])
        table["access"] = {key: rng.choices(["alice", "x y", ""], k=rng.randint(0, 2)) for key in keys}
    if rng.random() < 0.2:
        table["scheduler"] = rng.choice([{}, {"a": 1}, "x", 1])
    return table


def _config(rng: random.Random) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if rng.random() < 0.6:
        config["policy"] = _policy(rng)
    if rng.random() < 0.8:
        queues = config["queues"] = {}
        for name in rng.sample(_NAMES, rng.randint(0, 4)):
            entry: dict[str, Any] = {}
            if rng.random() < 0.4:
                entry["policy"] = _policy(rng)
                entry["policy"].get("jobspec", {"defaults": {"system": {}}})["defaults"]["system"].pop(
                    "queue", None if rng.random() < 0.9 else "x"
                )
            if rng.random() < 0.3:
                entry["requires"] = rng.choices(["p", "+q", "a@b", "x y", "x|y", "t\tt"], [9, 5, 5, 1, 1, 1])
            if rng.random() < 0.25:
                entry["parent"] = rng.choice([*_NAMES, "nope"])
            queues[name] = entry
    if rng.random() < 0.4:
        _spoil(rng, config)
    return config


def _spoil(rng: random.Random, config: dict[str, Any]) -> None:
    """Change a value at random, or add a key."""
    here: Any = config
    while True:
        inner = [key for key, value in here.items() if isinstance(value, dict) and value]
        if not inner or rng.random() < 0.2:
            break
        here = here[rng.choice(inner)]
    if here is config and not here:
        here["policy"] = rng.choice(_BAD)
    elif here is config or (here and rng.random() < 0.7):
        here[rng.choice(list(here))] = rng.choice(_BAD)
    else:
        here[rng.choice(["x", "duration", "nnodes", "policy"])] = rng.choice(_BAD)


def _left_out(config: dict[str, Any]) -> bool:
    """Whether a spoilt configuration has a property or a duration without a character."""
    if '"duration": ""' in json.dumps(config):
        return True
    queues = config.get("queues")
    if not isinstance(queues, dict):
        return False
    wanted = [entry.get("requires") for entry in queues.values() if isinstance(entry, dict)]
    return any(isinstance(names, list) and "" in names for names in wanted)


def test_the_same_tables_are_taken(flux: str, rng: random.Random, tmp_path: Path) -> None:
    configs = [config for config in (_config(rng) for _ in range(11_000)) if not _left_out(config)]
    assert len(configs) > 10_000
    given, got = tmp_path / "in", tmp_path / "out"
    given.write_text("".join(json.dumps(config) + "\n" for config in configs), encoding="utf-8")
    command = [flux, "start", flux, "python", "-c", _CODE, str(given), str(got)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    texts = [json.loads(line) for line in got.read_text(encoding="utf-8").splitlines()]
    theirs = [None if text is None else Refused(text) for text in texts]
    ours = answers(_checked, configs, FormatError)
    assert 2_000 < sum(answer is None for answer in theirs) < 9_000
    assert differing(configs, ours, theirs) == []


def _checked(config: dict[str, Any]) -> None:
    QueueConfig(config)
