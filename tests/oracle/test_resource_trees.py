# SPDX-License-Identifier: LGPL-3.0-or-later
"""Resources of four brokers beside flux-core's: the same commands say the same, and brokers of both kinds in
one tree report to each other."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

_ROSIN = Path(sys.executable).with_name("rosin")

#: What is said of the resources of four nodes; each command on a rank.
_COMMANDS = """
$PYTHON -c 'from rosin.handle import Flux; Flux().rpc("resource.monitor-waitup", {"up": 4}, nodeid=0).get()'
say() { rank=$1; shift; $PROGRAM exec -n -r $rank $PROGRAM resource "$@" 2>&1; echo "-> $?"; }
for rank in 0 3; do
    for command in list status info R drain; do say $rank $command; done
done
say 2 drain 1 because of this
say 0 drain --update 1-2 later
say 3 drain --force n1 forced
say 0 drain --force --force 1,3 anew
say 1 drain -o '{ranks} {nodelist} {reason} {state}'
say 0 list -o '{state} {nnodes} {ncores} {ngpus} {rlist} {ranks} {nodelist}'
say 0 list -s down,free -i 1-2
say 0 status -s all -o '{state} {nnodes} {ranks} {nodelist} {reason}'
say 0 undrain --force 0-1
say 2 undrain 3 mended it
say 0 drain 3
say 0 status -i n[2-3]
$PROGRAM submit -N2 --setattr=system.exec.test.run_duration=100s sleep 100 >/dev/null
$PROGRAM job wait-event -q $($PROGRAM job last) start
say 0 drain 0
for command in list status info R drain; do say 1 $command; done
say 0 list -s allocated,free -o '{state} {rlist}'
say 0 eventlog -f text
$PROGRAM cancel --all
"""


def _told(program: str, script: str, *options: str, env: dict[str, str] | None = None) -> str:
    """What a script prints in an instance of four; times are not compared."""
    command = [program, "start", "--test-size=4", *options, "bash", "-c", script]
    environ = {**os.environ, "PROGRAM": program, "PYTHON": sys.executable, **(env or {})}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    return re.sub(r"^\d+\.\d+ |^\w{3}\d\d \d\d:\d\d", "", done.stdout, flags=re.MULTILINE)


def _parted(text: str) -> tuple[list[str], list[str]]:
    """Lines in their order; those of which the order depends on who is faster."""
    lines = text.splitlines()
    early = [line for line in lines if line.startswith(("restart ", "online ", "resource-define "))]
    return [line for line in lines if line not in early], early


@pytest.mark.timeout(500)
def test_the_same_commands_say_the_same(flux: str, tmp_path: Path) -> None:
    path = tmp_path / "conf.json"
    entries = [{"hosts": "n[0-3]", "cores": "0-3", "gpus": "0"}, {"hosts": "n[0-1]", "properties": ["p"]}]
    path.write_text(json.dumps({"resource": {"config": entries, "noverify": True}}))
    options = ("--test-hosts=n[0-3]", f"--config-path={path}")
    theirs, ours = (_parted(_told(str(program), _COMMANDS, *options)) for program in (flux, _ROSIN))
    assert ours[0] == theirs[0]
    assert ours[1][0] == theirs[1][0]


#: Runs the broker of the other kind on the ranks in OTHER.
_WRAPPER = """#!/bin/bash
case " $OTHER " in
*" $PMI_RANK "*)
    while [ "${1#-}" = "$1" ] && [ $# -gt 0 ]; do shift; done
    exec $THEIRS broker "$@";;
*) exec "$@";;
esac
"""

_MIXED = """
$PYTHON -c 'from rosin.handle import Flux; Flux().rpc("resource.monitor-waitup", {"up": 4}, nodeid=0).get()'
$PROGRAM resource R
$PROGRAM resource drain -n -o '{ranks} {reason}'
for rank in 0 1 2 3; do $PROGRAM exec -r $rank $PROGRAM resource info; done
"""


@pytest.mark.timeout(500)
@pytest.mark.parametrize("others", ["3", "1", "1 2"], ids=["leaf", "interior", "both"])
@pytest.mark.parametrize("ours", [True, False], ids=["rosin-root", "flux-root"])
def test_brokers_of_both_kinds_report_to_each_other(
    flux: str, tmp_path: Path, ours: bool, others: str
) -> None:
    root, theirs = (str(_ROSIN), flux) if ours else (flux, str(_ROSIN))
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(_WRAPPER)
    wrapper.chmod(0o755)
    options = [f"--wrap={wrapper}", "-Stbon.topo=kary:2"]
    env = {"OTHER": others, "THEIRS": theirs}
    discovered, *rest = _told(root, _MIXED, *options, env=env).splitlines()
    (entry,) = json.loads(discovered)["execution"]["R_lite"]
    assert entry["rank"] == "0-3"
    assert len(set(rest)) == 1  # no node is drained, and each rank says the same
    cores = entry["children"]["core"].rpartition("-")[2]

    R = json.loads(discovered)
    R["execution"]["R_lite"][0]["children"]["core"] = f"0-{int(cores) + 1}"
    inventory, config = tmp_path / "R.json", tmp_path / "conf.json"
    inventory.write_text(json.dumps(R))
    config.write_text(json.dumps({"resource": {"path": str(inventory)}}))
    _, *lines = _told(root, _MIXED, *options, f"--config-path={config}", env=env).splitlines()
    host = Path("/proc/sys/kernel/hostname").read_text().strip()
    missing = f"({host}) missing resources: core{int(cores) + 1}"
    assert lines[:4] == [f"{rank} rank {rank} {missing}" for rank in range(4)]
