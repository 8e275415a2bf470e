# SPDX-License-Identifier: LGPL-3.0-or-later
"""What schedulers decide: sched-*.txt.

Events: ``policy NAME [SETTING=VALUE...]`` (sched-simple, or a file of examples/), ``acquire NODE...``
(``2*4c1g``: two nodes with 4 cores and a GPU each), ``change KEY=RANKS...``, ``time SECONDS``,
``alloc ID KEY=VALUE...``, ``cancel ID``, ``prioritize ID=PRIORITY...``, ``expire ID SECONDS``,
``free ID [RANKS]``, ``hello ID RANK:CORES...``, ``pass``, ``stored`` and ``not-stored`` (what was placed by
the passes before), ``forecast``, ``why ID``, ``check KEY=VALUE...``.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from rosin import _json
from rosin.broker.loader import find
from rosin.errors import FormatError
from rosin.modules.sched import PendingJob, ResourceRequest
from rosin.modules.sched.schedule import Schedule
from rosin.modules.sched.steps import finish
from rosin.modules.sched.why import why
from rosin.resource.allocator.inventory import Inventory
from rosin.rfc.acquire import Acquired, Change
from rosin.rfc.alloc_protocol import Free
from rosin.rfc.count import parse
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

from .. import transcripts

EXAMPLES = Path(__file__).parents[2] / "examples"
TYPES = ("success", "annotate", "deny", "cancel")


def request_of(words):
    """A request: nodes, slots, cores, gpus, duration, exclusive, constraint."""
    given = dict(word.split("=", 1) for word in words)
    nodes = given.pop("nodes", None)
    return ResourceRequest(
        None if nodes is None else parse(nodes),
        parse(given.pop("slots", "1")),
        int(given.pop("cores", "1")),
        int(given.pop("gpus", "0")),
        duration=float(given.pop("duration", "0")),
        exclusive=given.pop("exclusive", "") == "true",
        constraint=_json.loads(given.pop("constraint", "null")),
        **given,
    )


def told(answers):
    """A line for each response to sched.alloc."""
    for answer in answers:
        rest = answer.encode()
        text = " ".join(_json.dumps(rest[key]).decode() for key in ("annotations", "note") if key in rest)
        yield f"{TYPES[answer.type]} {answer.id} {text}".rstrip()


def policy_of(path, settings):
    return find(path).policy(settings)  # type: ignore[attr-defined]


class Driver:
    """A schedule, and what surrounds it."""

    def __init__(self):
        self.policy = policy_of("sched-simple", {})
        self.placed = []
        self.now = 1000.0

    def act(self, line):
        """Make an event happen; yields what comes of it."""
        name, *words = shlex.split(line)
        try:
            yield from getattr(self, f"do_{name.replace('-', '_')}")(*words) or ()
        except (FormatError, OSError, ValueError) as error:
            yield f"error: {getattr(error, 'strerror', None) or error}"

    def do_policy(self, name, *settings):
        path = name if name == "sched-simple" else str(EXAMPLES / f"{name}.py")
        self.policy = policy_of(path, dict(word.split("=") for word in settings))

    def do_acquire(self, *nodes):
        rset = ResourceSet()
        for node in nodes:
            number, cores, gpus = re.fullmatch(r"(?:(\d+)\*)?(\d+)c(?:(\d+)g)?", node).groups()
            for _ in range(int(number or 1)):
                rank = len(rset.ranks())
                rset.add_rank(rank, f"n{rank}", (1 << int(cores)) - 1, (1 << int(gpus or 0)) - 1)
        first = {"resources": rset.encode(), "up": rset.ranks().encode()}
        self.schedule = Schedule(self.policy, Inventory(Acquired(first), self.policy.place))
        self.pool = self.schedule.resources.pool

    def do_change(self, *words):
        response: dict[str, Any] = {}
        for word in words:
            key, _, value = word.partition("=")
            key, _, name = key.partition(".")
            if name:
                response.setdefault(key, {})[name] = value
            else:
                response[key] = float(value) if key == "expiration" else value
        self.schedule.resources.apply(Change.decode(response))

    def do_time(self, seconds):
        self.now = float(seconds)

    def do_alloc(self, jobid, *words):
        own = dict(word.split("=", 1) for word in words if word.startswith(("priority=", "user=")))
        request = request_of([word for word in words if word.partition("=")[0] not in own])
        priority, user = int(own.get("priority", "16")), int(own.get("user", "0"))
        self.schedule.add(PendingJob(int(jobid), priority, request, user))

    def do_cancel(self, jobid):
        answer = self.schedule.cancel(int(jobid))
        return told([answer] if answer else [])

    def do_prioritize(self, *words):
        pairs = [word.split("=") for word in words]
        finish(self.schedule.prioritize([(int(jobid), int(priority)) for jobid, priority in pairs]))

    def do_expire(self, jobid, seconds):
        self.schedule.expire(int(jobid), float(seconds))

    def do_free(self, jobid, ranks=None):
        held = self.pool.jobs.get(int(jobid))
        all_ranks = Idset(self.pool.ranks[i] for i in held.nodes) if held else Idset("0")
        lite = [{"rank": ranks or all_ranks.encode(), "children": {}}]
        free = Free(int(jobid), {"execution": {"R_lite": lite}}, final=ranks is None)
        complaint = self.schedule.free(free)
        return [f"complaint: {complaint}"] if complaint else []

    def do_hello(self, jobid, *words):
        held = {int(rank): (Idset(cores).mask, 0) for rank, cores in (word.split(":") for word in words)}
        self.pool.register(int(jobid), held, 0.0)

    def do_pass(self):
        result = self.schedule.make_pass(self.now)
        yield from told(result.denied)
        self.placed += result.placed
        for job, R, sched in result.placed:
            yield f"write {job.id} {sched['resource_summary']} until {R['execution']['expiration']:g}"
        if result.waiting:
            yield f"{len(self.schedule.queue)} wait, {self.schedule.queue.first().id} is next"

    def do_stored(self):
        placed, self.placed = self.placed, []
        return told(self.schedule.stored(placed))

    def do_not_stored(self):
        placed, self.placed = self.placed, []
        return told(self.schedule.not_stored(placed))

    def do_forecast(self):
        return told(finish(self.schedule.forecast(self.now)))

    def do_why(self, jobid):
        answer = finish(why(self.schedule, int(jobid), self.now))
        if answer is None:
            return ["not here"]
        reasons = answer.pop("reasons")
        return [_json.dumps(answer).decode(), *[f"- {_json.dumps(reason).decode()}" for reason in reasons]]

    def do_check(self, *words):
        self.pool.check(request_of(words))
        return ["feasible"]


@pytest.mark.parametrize("name", transcripts.find("sched"))
def test_scenario(name, request):
    transcripts.check(name, Driver().act, request.config)
