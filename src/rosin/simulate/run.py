# SPDX-License-Identifier: LGPL-3.0-or-later
"""One simulation: a broker with the real job manager and a real scheduler, in this process."""

from __future__ import annotations

import os
import tempfile
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.broker.assemble import assemble
from rosin.broker.clock import VirtualClock
from rosin.broker.loader import find
from rosin.broker.services.table import BUILTINS
from rosin.simulate.loop import IdleLoop
from rosin.simulate.world import MockKvs, MockMachine, MockResources, Outcome, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rosin.simulate.trace import TraceJob

#: When simulations begin: a Monday.
EPOCH = 1_700_438_400.0
#: Jobs that are over and that the job manager remembers.
_REMEMBERED = 1000
#: Seconds between its looks for older ones, each of which is a step of the clock.
_PURGE_PERIOD = 86400.0


class Setup(NamedTuple):
    """What is simulated.

    Attributes:
        machine: the resources.
        scheduler: name of its module, or a file.
        settings: arguments of the module, by name.
        whole: jobs get whole nodes.
    """

    machine: MockMachine
    scheduler: str = "sched-simple"
    settings: Mapping[str, str] = {}
    whole: bool = False


class Simulation(NamedTuple):
    """What came of it.

    Attributes:
        outcomes: of each job.
        began: when time began, seconds since the epoch.
        stats: counts of the scheduler.
        seconds: how long the simulation took.
        log: errors that the services have logged.
    """

    outcomes: list[Outcome]
    began: float
    stats: dict[str, Any]
    seconds: float
    log: list[str]


def simulate(
    jobs: Sequence[TraceJob], setup: Setup, progress: Callable[[int], None] | None = None
) -> Simulation:
    """Run *jobs*, which are in the order of their arrival; *progress* is told now and then how many are over.

    Raises OSError and FormatError for a scheduler that cannot be loaded.
    """
    clock = VirtualClock(EPOCH)
    loop = IdleLoop(clock)
    try:
        with tempfile.TemporaryDirectory(prefix="rosin-simulate-") as directory:
            return loop.run_until_complete(_simulate(clock, directory, jobs, setup, progress))
    finally:
        loop.close()


async def _simulate(
    clock: VirtualClock,
    directory: str,
    jobs: Sequence[TraceJob],
    setup: Setup,
    progress: Callable[[int], None] | None,
) -> Simulation:
    began = perf_counter()
    broker = assemble(
        _attributes(directory, clock.now()),
        BUILTINS,
        config={"job-manager": {"inactive-num-limit": _REMEMBERED}},
        clock=clock,
    )
    broker.ring.stderr_level = broker.ring.others_level = -1
    await broker.start()
    try:
        broker.state.state = "run"
        machine = setup.machine
        for module in (MockKvs, type("MockResources", (MockResources,), {"machine": machine})):
            await broker.modules.load_class(module)
        await broker.modules.load_class(
            type("Manager", (find("job-manager"),), {"purge_period": _PURGE_PERIOD})
        )
        given: dict[str, Any] = {"jobs": list(jobs), "machine": machine, "whole": setup.whole}
        world: Any = await broker.modules.load_class(type("TheWorld", (World,), given))
        scheduler: Any = await broker.modules.load(setup.scheduler, _arguments(setup))
        world.progress = progress
        world.begin()
        await world.over
        log = [line.decode(errors="replace") for line in broker.ring.lines if b".err[" in line]
        return Simulation(world.outcomes, world.began, scheduler.stats(), perf_counter() - began, log)
    finally:
        await broker.close()


def _arguments(setup: Setup) -> list[str]:
    """What the scheduler is loaded with. Nobody looks at estimates: none are made, if it can do without."""
    known = {argument.name for argument in find(setup.scheduler).arguments or ()}
    settings = {name: "0" for name in ("forecast-depth",) if name in known} | dict(setup.settings)
    return [f"{name}={value}" for name, value in settings.items()]


def _attributes(directory: str, now: float) -> dict[str, str]:
    return {
        "rank": "0",
        "size": "1",
        "hostname": "simulated",
        "hostlist": "simulated",
        "security.owner": str(os.getuid()),
        "instance-level": "0",
        "rundir": directory,
        "statedir": directory,
        "statedir-cleanup": "1",
        "local-uri": f"local://{directory}/local-0",
        "content.hash": "sha1",
        "broker.starttime": str(now),
        "jobid-path": "/",
        "version": "0.88.0",
    }
