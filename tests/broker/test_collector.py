# SPDX-License-Identifier: LGPL-3.0-or-later
"""Garbage in cycles: what is new is looked through, what stays only when the broker is idle."""

import gc
import weakref

import pytest

from rosin.broker import collector
from rosin.broker.clock import VirtualClock
from rosin.broker.collector import PERIOD, Collector

#: More than a quarter of what there is when tests run.
_MANY = 600_000


class Thing:
    """In a cycle with itself."""

    def __init__(self):
        self.me = self


@pytest.fixture
def made(monkeypatch):
    """The clock of a collector that has begun, and the processor time that it sees."""
    monkeypatch.setattr(collector, "_GROWN", 1000)
    monkeypatch.setattr(collector, "_PATIENCE", 3)
    threshold, enabled = gc.get_threshold(), gc.isenabled()
    gc.disable()
    clock, used = VirtualClock(), [0.0]
    made = Collector(clock, lambda: used[0])
    made.start()
    yield clock, used
    made.stop()
    made.stop()
    gc.unfreeze()
    gc.set_threshold(*threshold)
    (gc.enable if enabled else gc.disable)()


def pass_(clock, used, *, seconds=0.0):
    """One period, of which the broker has worked some seconds."""
    used[0] += seconds
    end = clock.now() + PERIOD
    while clock.step(end):
        pass


def old_garbage():
    """A cycle that has outlived two looks, and then is nobody's."""
    thing = Thing()
    gc.collect(1)
    gc.collect(1)
    return weakref.ref(thing)


def test_what_is_new_and_in_a_cycle_goes(made):
    things = [weakref.ref(Thing()) for _ in range(20_000)]
    assert sum(thing() is not None for thing in things) < 6000


def test_what_stays_is_not_looked_at(made):
    """All that has outlived two looks is out of sight, and so is what has become garbage since."""
    garbage = old_garbage()
    before, frozen = [each["collections"] for each in gc.get_stats()], gc.get_freeze_count()
    kept = [[] for _ in range(_MANY)]
    assert gc.get_stats()[1]["collections"] > before[1]
    assert garbage() is not None
    assert gc.get_freeze_count() - frozen > len(kept) * 0.8
    assert len(gc.get_objects()) < len(kept) * 0.2


def test_old_garbage_goes_when_the_broker_is_idle(made):
    garbage = old_garbage()
    kept = [[] for _ in range(_MANY)]
    for _ in range(3):
        pass_(*made, seconds=PERIOD / 2)
        assert garbage() is not None
    pass_(*made)
    assert garbage() is None
    assert gc.get_freeze_count() > len(kept)


def test_a_broker_that_is_never_idle(made):
    garbage = old_garbage()
    kept = [[] for _ in range(_MANY)]
    for _ in range(3):
        pass_(*made, seconds=PERIOD)
    assert garbage() is not None
    pass_(*made, seconds=PERIOD)
    assert garbage() is None
    del kept


def test_nothing_is_done_where_nothing_has_grown(made):
    garbage = old_garbage()
    before = gc.get_stats()[2]["collections"]
    for _ in range(5):
        pass_(*made)
    assert garbage() is not None
    assert gc.get_stats()[2]["collections"] == before


def test_its_end(made):
    clock, used = made
    other = Collector(clock, lambda: used[0])
    callbacks = list(gc.callbacks)
    other.start()
    other.stop()
    assert gc.callbacks == callbacks
