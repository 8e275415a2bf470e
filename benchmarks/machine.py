# SPDX-License-Identifier: LGPL-3.0-or-later
"""Any sequence of what is done to jobs and to a broker, by hypothesis; after each step nothing may be lost.

``python -m benchmarks.machine [--steps 100000] [--seed N] [--each 100]``. Users submit, cancel, hold, update;
administrators drain, stop queues, reload modules, restart the broker; the broker is killed, and its power is
cut. After each step no job is lost, no core has two jobs, every event log is a way through the table of
RFC 21, and job-list, scheduler and KVS say what the job manager says. Prints the shortest sequence that
breaks one of these; exits with 1 then.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rosin.testing.jobs import GUESTS, HOSTS, QUEUES, RELOADED, JobChecks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

JOBS = st.integers(0, 30)
USERS = st.sampled_from((None, None, *GUESTS))
#: Turns of the loop after a step: what it has begun is over, or not.
ALL = 50
TURNS = st.sampled_from((ALL, ALL, ALL, 0, 1, 2, 5, 9, 14, 20))
SECONDS = st.sampled_from((0.01, 1.0, 5.0, 100.0))
RANKS = st.sampled_from([str(rank) for rank in range(HOSTS)] + [f"0-{HOSTS - 1}"])
NAMES = st.sampled_from((None, *QUEUES))
SCHEMES = ("after", "afterany", "afterok", "afternotok", "afterstart", "after-finish", "after-except")
PERILOGS = str(Path(__file__).with_name("perilogs.py"))
SCHEDULERS = ((), ("queue-depth=1",), ("queue-depth=3",), ("queue-policy=easy",))


class JobMachine(RuleBasedStateMachine):
    """The steps. ``taken`` counts those of all machines, ``answers`` how requests ended."""

    taken: ClassVar[Counter[str]] = Counter()
    answers: ClassVar[Counter[tuple[str, int]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.rest = False

    def run(self, what: Coroutine[Any, Any, None]) -> None:
        """Do something on the broker's loop."""
        self.runner.run(what)

    @initialize(scheduler=st.sampled_from(SCHEDULERS), plugins=st.sampled_from(((), (PERILOGS,))))
    def begin(self, scheduler: tuple[str, ...], plugins: tuple[str, ...]) -> None:
        """A broker comes up."""
        self.world = JobChecks(scheduler, plugins)
        self.run(self._begin())

    async def _begin(self) -> None:
        await self.world.start()
        self.world.queue_start(True, None)
        await self.world.settle()

    def step(self, name: str, turns: int) -> None:
        """What was asked for happens, wholly or in part."""
        self.taken[name] += 1
        self.rest = turns == ALL
        self.run(self.world.instance.settle(turns))

    @invariant()
    def nothing_is_lost(self) -> None:
        """All is well."""
        if not hasattr(self, "world"):
            return
        if self.rest:
            self.run(self.world.check_rest())
        else:
            self.world.check_now()
        assert not self.world.problems, "\n".join(self.world.problems[:10])

    def teardown(self) -> None:
        """All jobs come to their end."""
        try:
            if hasattr(self, "world"):
                if not self.world.problems:
                    self.run(self.world.quiet())
                self.run(self.world.close())
                type(self).answers += self.world.answers
        finally:
            self.runner.close()
        if hasattr(self, "world"):
            assert not self.world.problems, "\n".join(self.world.problems[:10])

    # -- users ----------------------------------------------------------------------------------------

    @rule(
        userid=USERS,
        slots=st.sampled_from((1, 1, 2, 6, 7)),
        cores=st.sampled_from((1, 1, 2)),
        seconds=st.sampled_from((1, 0.01, 5, 50, 0)),
        limit=st.sampled_from((0, 0, 2, 60, 3600)),
        status=st.sampled_from((0, 0, 256, 9)),
        urgency=st.sampled_from((16, 16, 0, 1, 31)),
        queue=NAMES,
        flags=st.sampled_from((0, 0, 2, 4)),
        turns=TURNS,
    )
    def submit(self, userid: int | None, turns: int, **shape: Any) -> None:
        """Somebody submits a job, now and then one that is refused."""
        self.world.submit(userid=userid, **shape)
        self.step("submit", turns)

    @rule(count=st.integers(2, 6), slots=st.sampled_from((1, 2, 6)), userid=USERS, turns=TURNS)
    def submit_many(self, count: int, slots: int, userid: int | None, turns: int) -> None:
        """More jobs come at once than there is room for."""
        for number in range(count):
            self.world.submit(userid=userid, slots=slots, seconds=1 + number, urgency=16 - number)
        self.step("submit_many", turns)

    @rule(scheme=st.sampled_from(SCHEMES), other=JOBS, seconds=st.sampled_from((1, 50)), turns=TURNS)
    def depend(self, scheme: str, other: int, seconds: float, turns: int) -> None:
        """A job waits for another."""
        self.world.submit(after=(scheme, other), seconds=seconds)
        self.step("depend", turns)

    @rule(scheme=st.sampled_from(("singleton", "begin-time")), userid=USERS, turns=TURNS)
    def wait(self, scheme: str, userid: int | None, turns: int) -> None:
        """A job waits for its namesakes, or for a time."""
        value = str(self.world.instance.clock.now() + 30) if scheme == "begin-time" else ""
        self.world.submit(
            userid=userid, job={"name": "one"}, dependencies=[{"scheme": scheme, "value": value}]
        )
        self.step("wait", turns)

    @rule(
        test=st.sampled_from(({"mock_exception": "init"}, {"mock_exception": "run"}, {"override": 1})),
        turns=TURNS,
    )
    def special(self, test: dict[str, Any], turns: int) -> None:
        """A job fails before or after its start, or does as it is told."""
        self.world.submit(test=test)
        self.step("special", turns)

    @rule(job=JOBS, event=st.sampled_from(("start", "finish")), turns=TURNS)
    def override(self, job: int, event: str, turns: int) -> None:
        """Tell a job to start or to finish."""
        self.world.override(job, event)
        self.step("override", turns)

    @rule(
        job=JOBS,
        kind=st.sampled_from(("cancel", "cancel", "timeout", "other")),
        severity=st.sampled_from((0, 0, 0, 1, 7)),
        userid=USERS,
        turns=TURNS,
    )
    def cancel(self, job: int, kind: str, severity: int, userid: int | None, turns: int) -> None:
        """An exception is raised on a job."""
        # job-list, as flux-core's, tells the gravest exception, also a mild one, as the end of a failed job
        self.world.raise_(job, "other" if severity else kind, severity, userid)
        self.step("cancel", turns)

    @rule(turns=TURNS)
    def cancel_all(self, turns: int) -> None:
        """All jobs are canceled."""
        self.world.cancel_all()
        self.step("cancel_all", turns)

    @rule(job=JOBS, urgency=st.sampled_from((0, 16, 1, 31)), userid=USERS, turns=TURNS)
    def urgency(self, job: int, urgency: int, userid: int | None, turns: int) -> None:
        """A job is held, released, expedited."""
        self.world.urgency(job, urgency, userid)
        self.step("urgency", turns)

    @rule(job=JOBS, seconds=st.sampled_from((1.0, 30.0, 5000.0, 0.0)), userid=USERS, turns=TURNS)
    def update_duration(self, job: int, seconds: float, userid: int | None, turns: int) -> None:
        """A job, running perhaps, gets another time limit."""
        self.world.update(job, "attributes.system.duration", seconds, userid)
        self.step("update_duration", turns)

    @rule(job=JOBS, queue=st.sampled_from(QUEUES), turns=TURNS)
    def update_queue(self, job: int, queue: str, turns: int) -> None:
        """A job moves to another queue."""
        self.world.update(job, "attributes.system.queue", queue)
        self.step("update_queue", turns)

    @rule(job=JOBS, turns=TURNS)
    def memo(self, job: int, turns: int) -> None:
        """Something is attached to a job."""
        self.world.memo(job, {"text": "x"})
        self.step("memo", turns)

    # -- administrators -------------------------------------------------------------------------------

    @rule(ranks=RANKS, turns=TURNS)
    def drain(self, ranks: str, turns: int) -> None:
        """Ranks are drained."""
        self.world.drain(ranks)
        self.step("drain", turns)

    @rule(ranks=RANKS, turns=TURNS)
    def undrain(self, ranks: str, turns: int) -> None:
        """Ranks are undrained."""
        self.world.undrain(ranks)
        self.step("undrain", turns)

    @rule(start=st.booleans(), name=NAMES, checkpoint=st.booleans(), turns=TURNS)
    def queue_start(self, start: bool, name: str | None, checkpoint: bool, turns: int) -> None:
        """A queue is started or stopped."""
        self.world.queue_start(start, name, checkpoint)
        self.step("queue_start", turns)

    @rule(enable=st.booleans(), name=NAMES, turns=TURNS)
    def queue_enable(self, enable: bool, name: str | None, turns: int) -> None:
        """A queue is enabled or disabled."""
        self.world.queue_enable(enable, name)
        self.step("queue_enable", turns)

    @rule(keep=st.sampled_from((0, 3)), turns=TURNS)
    def purge(self, keep: int, turns: int) -> None:
        """Jobs that are over are forgotten."""
        self.world.purge(keep)
        self.step("purge", turns)

    @rule(topic=st.sampled_from(("job-manager.drain", "job-manager.idle")), turns=TURNS)
    def await_idle(self, topic: str, turns: int) -> None:
        """Somebody waits until there is no job."""
        self.world.ask(topic, {}, waits=True)
        self.step("await_idle", turns)

    @rule(seconds=SECONDS)
    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.run(self.world.advance(seconds))
        self.step("advance", ALL)

    # -- brokers --------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(RELOADED), turns=TURNS)
    def reload(self, name: str, turns: int) -> None:
        """A module is replaced."""
        self.begin_change(self.world.reload, name)
        self.step(f"reload {name}", turns)

    def begin_change(self, change: Callable[[str], None], name: str) -> None:
        """Begin something with a module."""

        async def begin() -> None:
            if name == "kvs":  # nobody does that together with anything else
                await self.world.changed()
            change(name)
            if name == "kvs":
                await self.world.changed()

        self.run(begin())

    @rule(name=st.sampled_from(RELOADED[:-1]), turns=TURNS)
    def remove(self, name: str, turns: int) -> None:
        """A module is removed."""
        self.begin_change(self.world.remove, name)
        self.step(f"remove {name}", turns)

    @precondition(lambda self: self.world.absent)
    @rule(turns=TURNS)
    def load(self, turns: int) -> None:
        """What was removed is loaded."""
        self.run(self.world.load_absent())
        self.step("load", turns)

    @rule()
    def restart(self) -> None:
        """The broker ends in order, and comes again."""
        self.run(self._again("stop", 0))

    @rule(how=st.sampled_from(("kill", "torn")), seed=st.integers(0, 1000))
    def kill(self, how: str, seed: int) -> None:
        """The broker is killed, perhaps in the midst of a write, and comes again."""
        self.run(self._again(how, seed))

    @rule(seed=st.integers(0, 1000))
    def cut_power(self, seed: int) -> None:
        """The power is cut: what was written last is gone."""
        self.run(self._again("power", seed))

    @rule(turns=st.sampled_from((1, 3, 10, 30, 100, 200, 300, 400)))
    def kill_again(self, turns: int) -> None:
        """The broker is killed, and the next one while it starts."""
        self.run(self._again("kill at start", turns))

    async def _again(self, how: str, seed: int) -> None:
        world, rng = self.world, random.Random(seed)
        if how == "stop":
            await world.stop()
        elif how == "power":
            await world.crash(world.tear(rng))
            world.forget_unsynced()
        else:
            await world.crash(world.torn_write(rng) if how == "torn" else None)
        if how == "kill at start":
            await world.start_in_vain(seed)
        await world.restart()
        self.taken[how] += 1
        self.rest = False


def run(seed: int, steps: int, each: int) -> bool:
    """Take some steps, *each* per broker; whether something was wrong."""
    examples = max(1, -(-steps // each))
    machine = hypothesis.seed(seed)(type("Steps", (JobMachine,), {}))
    limits = settings(
        max_examples=examples,
        stateful_step_count=each,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    try:
        run_state_machine_as_test(machine, settings=limits)
    except AssertionError as error:
        print(error, file=sys.stderr)
        for line in getattr(error, "__notes__", ()):
            print(line, file=sys.stderr)
        return True
    return False


def main() -> int:
    """Take the steps; print what has happened, or the shortest sequence that goes wrong."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m benchmarks.machine", description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=100_000, help="how many steps (100000)")
    parser.add_argument("--each", type=int, default=100, help="how many of them a broker lives through (100)")
    parser.add_argument("--seed", type=int, default=None, help="that of the first thousand steps")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.randrange(1 << 32)
    began = time.monotonic()
    while JobMachine.taken.total() < args.steps:
        done = JobMachine.taken.total()
        if run(seed, min(args.steps - done, 20 * args.each), args.each):
            print(f"--seed {seed}")
            return 1
        seed += 1
        print(f"{JobMachine.taken.total():>7} steps in {time.monotonic() - began:.0f} s", flush=True)
    for what, count in sorted(JobMachine.taken.items()):
        print(f"{what:<24}{count:>7}")
    for (what, code), count in sorted(JobMachine.answers.items()):
        print(f"{what}, errno {code}: {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
