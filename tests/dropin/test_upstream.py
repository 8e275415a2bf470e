# SPDX-License-Identifier: LGPL-3.0-or-later
"""The drop-in has flux-core's names and takes its calls, but for what tests/upstream/differences.txt
lists.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

UPSTREAM = Path(__file__).parents[1] / "upstream"
SOURCE = Path(__file__).parents[2] / "dropin" / "src"

#: Names that scripts import, each missing one of which would be a fault whatever the list says.
STAR = {
    "flux": "Flux constants core kvs rpc",
    "flux.job": "BatchConfig FluxExecutor JobException JobID JobInfo JobInfoFormat JobKVSLookup JobList "
    "JobWatcher Jobspec JobspecV1 JournalConsumer MAIN_EVENTS cancel event_wait event_watch_async get_job "
    "job_list job_output kill list output_watch result submit submit_async timeleft validate_jobspec wait",
    "flux.job.info": "InstanceInfo JobInfo JobInfoFormat JobStats JobURI SchedResourceList StatsInfo",
    "flux.kvs": "KVSDir KVSTxn KVSWatchFuture WatchImplementation commit get kvs_watch_async put walk",
    "flux.resource": "InfeasibleRequest InsufficientResources ResourceCount ResourcePool Rv1Pool "
    "ResourceSet ResourceStatus Rv1Set SchedResourceList resource_list resource_status",
    "flux.future": "Future FutureExt WaitAllFuture",
    "flux.message": "Message MessageWatcher msg_typestr",
    "flux.core.watchers": "CheckWatcher FDWatcher IdleWatcher PrepareWatcher SignalWatcher TimerWatcher",
    "flux.eventlog": "EventLogEvent EventLogFormatter",
    "flux.util": "CLIMain encode_payload encode_topic get_treedict parse_datetime parse_fsd set_treedict",
    "flux.uri": "FluxURIResolver JobURI URI URIResolverPlugin URIResolverURI",
    "flux.shape.parser": "ShapeParser ShapeSyntaxError",
    "flux.progress": "Bottombar ElapsedTime ProgressBar",
    "flux.importer": "import_path import_plugins",
    "flux.constraint.parser": "ConstraintParser ConstraintSyntaxError",
}


def run(*command: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, *command], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_difference_has_a_reason():
    rules = []
    for line in (UPSTREAM / "differences.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern, _, reason = line.rpartition(": ")
            assert reason
            rules.append(re.compile(pattern))
    used = set()
    unknown = []
    for line in run(str(UPSTREAM / "compare.py")).splitlines():
        matching = [rule.pattern for rule in rules if rule.fullmatch(line)]
        used.update(matching)
        if not matching:
            unknown.append(line)
    assert unknown == []
    assert used == {rule.pattern for rule in rules}, "a difference that is gone is still listed"


@pytest.mark.parametrize("module", STAR)
def test_an_import_of_everything(module):
    names = STAR[module].split()
    run("-c", f"from {module} import *\nfor name in {names}: globals()[name]")
