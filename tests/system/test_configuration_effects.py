# SPDX-License-Identifier: LGPL-3.0-or-later
"""Configuration keys whose effect only a whole instance shows."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rosin.constants import FLUX_RPC_STREAMING
from rosin.handle import Flux
from rosin.rfc import treeobj
from rosin.testing.process import RealInstance

from .test_attributes import ROSIN

pytestmark = pytest.mark.system

R = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0", "children": {"core": "0-8191"}}],
        "starttime": 0,
        "expiration": 0,
        "nodelist": ["here"],
    },
}


def stored_R(h: Flux) -> dict[str, Any]:
    request = {"key": "resource.R", "namespace": "primary", "flags": 0}
    value = json.loads(treeobj.val_data(h.rpc("kvs.lookup", request).get()["val"]))
    assert isinstance(value, dict)
    return value


def test_resources_from_files(tmp_path: Path) -> None:
    """More cores than the machine has: nothing may be compared with it."""
    (tmp_path / "R").write_text(json.dumps(R))
    (tmp_path / "scheduling").write_text('{"graph": "here"}')
    config = {"path": f"{tmp_path}/R", "scheduling": f"{tmp_path}/scheduling", "noverify": True}
    with RealInstance(f"--conf={json.dumps({'resource': config})}") as instance, Flux(instance.uri) as h:
        stored = stored_R(h)
        assert stored["execution"]["R_lite"] == R["execution"]["R_lite"]  # type: ignore[index]
        assert stored["scheduling"] == {"graph": "here"}


def test_resources_from_tables_and_the_length_of_their_journal() -> None:
    entry = {"hosts": "here", "cores": "0-1", "gpus": "0-2"}
    config = {"resource": {"config": [entry], "noverify": True, "journal-max": 1}}
    with RealInstance("-Shostname=here", f"--conf={json.dumps(config)}") as instance, Flux(instance.uri) as h:
        assert stored_R(h)["execution"]["R_lite"] == [
            {"rank": "0", "children": {"core": "0-1", "gpu": "0-2"}}
        ]
        h.rpc("resource.drain", {"targets": "0", "reason": "x", "mode": "update"}).get()
        backlog = h.rpc("resource.journal", {}, flags=FLUX_RPC_STREAMING).get()["events"]
        assert [event["name"] for event in backlog] == ["truncate"]  # what was before is forgotten


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor cannot be restricted")
@pytest.mark.parametrize("norestrict", [False, True])
def test_processors_that_the_broker_may_not_run_on(norestrict: bool) -> None:
    conf = json.dumps({"resource": {"norestrict": norestrict, "noverify": True}})
    argv = [*ROSIN, "start", f"--conf={conf}", *ROSIN, "resource", "list", "-n", "-o", "{ncores}"]
    one = min(os.sched_getaffinity(0))
    script = f"import os; os.sched_setaffinity(0, [{one}]); os.execv({argv[0]!r}, {argv!r})"
    result = subprocess.run([argv[0], "-c", script], capture_output=True, text=True, timeout=60)
    cores = sum(map(int, result.stdout.split()))
    assert cores > 1 if norestrict else cores == 1


def test_many_commits_ask_for_garbage_collection(tmp_path: Path) -> None:
    options = (f"-Sstatedir={tmp_path}", "--conf=kvs.gc-threshold=1")
    with RealInstance(*options) as instance:
        env = {**os.environ, "FLUX_URI": instance.uri}

        def shutdown(*words: str) -> "subprocess.CompletedProcess[str]":
            argv = [*ROSIN, "shutdown", *words]
            return subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)

        refused = shutdown()
        assert (refused.returncode, refused.stderr) == (
            1,
            "rosin-shutdown: gc threshold exceeded, specify -y or -n\n",
        )
        assert "rc3: collected garbage: " in shutdown("-y").stderr
        instance.process.wait(60)
