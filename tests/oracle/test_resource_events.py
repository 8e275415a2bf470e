# SPDX-License-Identifier: LGPL-3.0-or-later
"""What flux-core's resource service logs and tells adds up, by our reading, to the state that it shows.

An instance of four brokers drains and undrains at random. Its event log (RFC 44), replayed, gives the drain
state of ``resource.status``; so does its journal; and the responses of ``resource.acquire`` (RFC 28) give the
ranks that are up.
"""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

from rosin.modules.resource.drain import DrainState
from rosin.modules.resource.hosts import HostMap
from rosin.rfc import eventlog
from rosin.rfc import resource_events as events
from rosin.rfc.acquire import Acquired, Change
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset

_CODE = """
import json, subprocess, sys, flux
from flux.constants import FLUX_RPC_STREAMING
h = flux.Flux()

def rest(future, last):
    out = []
    while True:
        try:
            future.wait_for(2.0)
        except (TimeoutError, OSError):
            return out
        out.append(future.get())
        future.reset()
        if last(out[-1]):
            return out

subprocess.run(["flux", "module", "remove", "sched-simple"], check=True)
acquire = h.rpc("resource.acquire", flags=FLUX_RPC_STREAMING)
first = acquire.get()
acquire.reset()
refused = 0
for topic, payload in json.load(open(sys.argv[1])):
    try:
        h.rpc(topic, payload).get()
    except OSError:
        refused += 1
changes = rest(acquire, lambda r: False)
journal = h.rpc("resource.journal", flags=FLUX_RPC_STREAMING)
result = {
    "first": first,
    "changes": changes,
    "journal": rest(journal, lambda r: not r["events"]),
    "log": subprocess.run(["flux", "kvs", "get", "--raw", "resource.eventlog"],
                          check=True, capture_output=True, text=True).stdout,
    "status": h.rpc("resource.status", nodeid=0).get(),
    "refused": refused,
}
json.dump(result, open(sys.argv[2], "w"))
"""


def _steps(rng: random.Random) -> list[Any]:
    steps = []
    for _ in range(300):
        payload: dict[str, Any] = {
            "targets": Idset(rng.sample(range(4), rng.randint(1, 3))).encode(),
            "reason": rng.choice(["fan", "disk", "ƒ"]),
        }
        mode = rng.choice(["update", "overwrite", "force-overwrite", None])
        if mode is not None:
            payload["mode"] = mode
        steps.append((rng.choice(["resource.drain", "resource.drain", "resource.undrain"]), payload))
    return steps


def _shown(info: dict[str, dict[str, Any]]) -> dict[int, tuple[float, str]]:
    """What ``resource.status`` shows of drained ranks, each by itself."""
    return {
        rank: (entry["timestamp"], entry["reason"]) for ranks, entry in info.items() for rank in Idset(ranks)
    }


def test_states_add_up(flux: str, rng: random.Random, tmp_path: Path) -> None:
    given, got = tmp_path / "in", tmp_path / "out"
    given.write_text(json.dumps(_steps(rng)), encoding="utf-8")
    command = [flux, "start", "--test-size=4", flux, "python", "-c", _CODE, str(given), str(got)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(got.read_text(encoding="utf-8"))

    shown = _shown(told["status"]["drain"])
    history = [events.validate(event) for response in told["journal"] for event in response["events"]]
    assert told["journal"][-1] == {"events": []}
    (restart,) = (event["context"] for event in history if event["name"] == "restart")
    stored = [events.validate(event) for event in eventlog.decode_entries(told["log"])]
    assert len(stored) > 100
    for log in (stored, history):
        state = DrainState(HostMap(Hostlist(restart["nodelist"])))
        state.replay(log)
        assert _shown(state.info()) == shown

    online = Idset(restart["online"])
    for event in history:
        if event["name"] == "online":
            online |= Idset(event["context"]["idset"])
    assert online == Idset(told["status"]["online"])

    view = Acquired(told["first"])
    for response in told["changes"]:
        view.apply(Change.decode(response))
    assert len(told["changes"]) > 50
    assert view.up == online - state.ranks
