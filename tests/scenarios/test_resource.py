# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the resource service decides: resource-*.txt.

Events: ``hosts HOSTLIST`` (the brokers of this run, by rank), ``stored METHOD HOSTLIST CORES`` (what an
earlier run has left), ``start [KEY=VALUE...]`` (``configured`` and ``enclosing``: ``HOSTLIST:CORES``,
``machine``: the cores of this one, ``verify``: JSON), ``report RANKS`` (what these have found),
``exclude TARGETS``, ``acquire``, ``online RANKS``, ``torpid RANKS``, ``drain TARGETS [KEY=VALUE...]`` and
``undrain`` (``mode``, ``reason``), ``time SECONDS``, ``status``, ``journal``, ``checkpoint`` (what a
clean end keeps), ``again HOSTLIST`` (the next run).
"""

import json
import shlex

import pytest

from rosin.errors import FormatError
from rosin.modules.resource import inventory
from rosin.modules.resource.availability import Acquisition, Availability
from rosin.modules.resource.drain import DrainState
from rosin.modules.resource.hosts import HostMap
from rosin.modules.resource.journal import ResourceJournal
from rosin.modules.resource.reduction import Reduction
from rosin.resource.verify import Verification
from rosin.rfc import resource_events
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

from .. import transcripts


def machines(text):
    """``n[0-1]:0-3``: hosts, and the cores that each has."""
    hosts, _, cores = text.rpartition(":")
    rset = ResourceSet()
    for rank, host in enumerate(Hostlist(hosts)):
        rset.add_rank(rank, host, Idset(cores))
    return rset


class Driver:
    """What an instance knows, from run to run."""

    def __init__(self):
        self.now = 1000.0
        self.log = []
        self.kept = None
        self.stored = None
        self.do_hosts("n[0-3]")

    def act(self, line):
        """Make an event happen; yields what comes of it."""
        name, *words = shlex.split(line)
        try:
            yield from getattr(self, f"do_{name}")(*words) or ()
        except (FormatError, OSError) as error:
            yield f"error: {getattr(error, 'strerror', None) or error}"

    def do_time(self, seconds):
        self.now = float(seconds)

    def do_hosts(self, hostlist):
        self.hosts = HostMap(Hostlist(hostlist))
        self.state = Availability(len(self.hosts))
        self.drains = DrainState(self.hosts)
        self.acquisition = None
        covered = self.drains.restore(self.kept, self.log) if self.kept else 0
        self.drains.replay(self.log, covered)
        self.state.drained = self.drains.ranks
        self.journal = ResourceJournal(self.log, 8)

    do_again = do_hosts

    # -- what there is --------------------------------------------------------------------------------

    def do_stored(self, method, hostlist, cores):
        self.stored = machines(f"{hostlist}:{cores}")
        self.log.append(resource_events.define(method, self.now))

    def do_start(self, *words):
        given = dict(word.split("=", 1) for word in words)
        alone = len(self.hosts) == 1
        local = machines(f"{self.hosts.hosts[0]}:{given.get('machine', '0-1')}")
        choice = inventory.choose(
            configured=machines(given["configured"]) if "configured" in given else None,
            enclosing=machines(given["enclosing"]) if "enclosing" in given else None,
            stored=self.stored,
            recorded=self.log,
            local=local,
            rank=0,
            hostlist=None if alone else Hostlist(self.hosts.hosts).encode(),
            rediscover="rediscover" in given,
            verify=Verification(json.loads(given.get("verify", "null"))),
        )
        self.reduction = Reduction(local, len(self.hosts) - 1)
        if choice.method == "dynamic-discovery" and not alone:
            yield f"{choice.method}: waiting for {len(self.hosts) - 1}"
            return
        yield from self.use(choice.rset, choice.method)
        if choice.fault:
            yield f"drain: {choice.fault}"

    def use(self, rset, method):
        self.state.shrinks = method != "configuration"
        self.stored = rset
        event = resource_events.define(method, self.now)
        self.log.append(event)
        self.journal.append(event)
        yield f"{method}: {rset.dumps()} on {rset.nodelist()}"

    def do_report(self, ranks):
        found = ResourceSet()
        for rank in Idset(ranks):
            found.add_rank(rank, self.hosts.hosts[rank], 0b11)
        if self.reduction.add(found, len(Idset(ranks))):
            yield from self.use(self.reduction.rset, "dynamic-discovery")
        else:
            yield f"{self.reduction.count} of {len(self.hosts)}"

    # -- what can be used -----------------------------------------------------------------------------

    def do_exclude(self, targets):
        self.state.exclude = self.hosts.ranks(targets)

    def do_acquire(self):
        self.acquisition = Acquisition(Idset.from_range(0, len(self.hosts) - 1), self.state)
        yield f"up={self.acquisition.up.encode()}"

    def do_online(self, ranks):
        yield from self.changed(zip(("online", "offline"), self.state.set_online(Idset(ranks)), strict=True))

    def do_torpid(self, ranks):
        yield from self.changed(zip(("torpid", "lively"), self.state.set_torpid(Idset(ranks)), strict=True))

    def changed(self, events):
        for name, ranks in events:
            if ranks:
                self.journal.append(resource_events.ranks_event(name, ranks, self.now))
                yield f"{name} {ranks.encode()}"
        yield from self.told()

    def told(self):
        change = self.acquisition.update() if self.acquisition else None
        if change:
            yield "tell " + " ".join(f"{key}={value}" for key, value in change.items())

    def do_drain(self, targets, *words):
        given = dict(word.split("=", 1) for word in words)
        ranks, mode, reason = self.hosts.ranks(targets), given.get("mode"), given.get("reason")
        yield from self.posted(self.drains.drain(ranks, mode, reason, self.state.exclude, self.now))

    def do_undrain(self, targets, *words):
        given = dict(word.split("=", 1) for word in words)
        ranks, mode, reason = self.hosts.ranks(targets), given.get("mode"), given.get("reason")
        yield from self.posted(self.drains.undrain(ranks, mode, reason, self.now))

    def posted(self, event):
        self.log.append(event)
        self.journal.append(event)
        self.drains.apply(event)
        self.state.drained = self.drains.ranks
        yield f"{event['name']} " + " ".join(f"{key}={value}" for key, value in event["context"].items())
        yield from self.told()

    # -- what is asked --------------------------------------------------------------------------------

    def do_status(self):
        for ranks, why in self.drains.info().items():
            yield f"{ranks} drained at {why['timestamp']:g}: {why['reason']}"
        state = self.state
        yield f"online={state.online} offline={state.offline} torpid={state.torpid} exclude={state.exclude}"

    def do_journal(self):
        for event in self.journal:
            yield f"{event['timestamp']:g} {event['name']}"

    def do_checkpoint(self):
        self.kept = json.dumps(self.drains.checkpoint(self.now, self.log[-1] if self.log else None)).encode()


@pytest.mark.parametrize("name", transcripts.find("resource"))
def test_resource(name, request):
    transcripts.check(name, Driver().act, request.config)
