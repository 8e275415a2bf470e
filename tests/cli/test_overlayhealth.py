# SPDX-License-Identifier: LGPL-3.0-or-later
"""How the brokers of a tree are asked: those of a level together, whoever of them is silent."""

import errno

import pytest

from rosin.cli import overlayhealth
from rosin.cli.overlay import _faults
from rosin.cli.overlayhealth import Survey


class Asked:
    """An RPC."""

    def __init__(self, rank):
        self.rank = rank
        self.answer = None

    def then(self, callback, *args, timeout):
        self.call = lambda: callback(self, *args)
        self.timeout = timeout

    def get(self):
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


class FakeFlux:
    """Each answers in the order in which the test says: ``order`` of what is asked."""

    def __init__(self, children, order=lambda waiting: waiting[0]):
        self.children = children  # of a rank: (rank, status), or an error
        self.order = order
        self.waiting = []
        self.most = []
        self.timeouts = []
        self.stopped = False

    def rpc(self, topic, nodeid):
        assert topic == "overlay.health"
        self.waiting.append(Asked(nodeid))
        return self.waiting[-1]

    def reactor_run(self):
        while not self.stopped:
            self.most.append(sorted(asked.rank for asked in self.waiting))
            asked = self.order(self.waiting)
            self.waiting.remove(asked)
            self.timeouts.append(asked.timeout)
            below = self.children.get(asked.rank, [])
            asked.answer = below
            if not isinstance(below, OSError):
                told = [{"rank": rank, "status": status} for rank, status in below]
                asked.answer = {"rank": asked.rank, "status": "full", "children": told}
            asked.call()

    def reactor_stop(self):
        self.stopped = True


def lost():
    return TimeoutError(errno.ETIMEDOUT, "Connection timed out")


def test_one_that_is_silent_holds_up_nobody():
    """Those below the others are asked meanwhile; its error comes last."""
    h = FakeFlux(
        {0: [(1, "full"), (2, "full")], 1: lost(), 2: [(5, "full"), (6, "full")]},
        order=lambda waiting: max(waiting, key=lambda asked: asked.rank),
    )
    answers = Survey(h, 0.5, lambda _child: True).run(0)
    assert h.most == [[0], [1, 2], [1, 5, 6], [1, 5], [1]]
    assert sorted(answers) == [0, 1, 2, 5, 6]
    assert answers[1].error.strerror == "Connection timed out"
    assert answers[1].children == []
    assert answers[2].error is None
    assert [child["rank"] for child in answers[2].children] == [5, 6]


def test_only_who_is_there_and_wanted_is_asked():
    h = FakeFlux({0: [(1, "lost"), (2, "offline"), (3, "degraded"), (4, "partial"), (5, "full")]})
    answers = Survey(h, -1.0, lambda child: child["rank"] != 4).run(0)
    assert sorted(answers) == [0, 3, 5]


@pytest.mark.parametrize("wide", [1, 3, 100])
def test_so_many_are_asked_at_a_time(monkeypatch, wide):
    monkeypatch.setattr(overlayhealth, "WIDE", wide)
    h = FakeFlux({0: [(rank, "full") for rank in range(1, 20)], 5: [(20, "full")]})
    assert sorted(Survey(h, 0.5, lambda _child: True).run(0)) == list(range(21))
    assert max(map(len, h.most)) == min(wide, 19)


def test_nobody_is_asked_twice():
    """Brokers that name each other."""
    h = FakeFlux({0: [(1, "full"), (0, "full")], 1: [(0, "full"), (1, "full")]})
    assert sorted(Survey(h, 0.5, lambda _child: True).run(0)) == [0, 1]
    assert len(h.timeouts) == 2


def test_the_timeout_is_for_each():
    h = FakeFlux({0: [(1, "full")]})
    Survey(h, 0.25, lambda _child: True).run(0)
    assert h.timeouts == [0.25, 0.25]


def test_why_brokers_are_not_well():
    """Who is below one that is lost is so as well, once."""
    above = {1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 2, 7: 3, 8: 5}
    h = FakeFlux({0: [(1, "full"), (2, "partial")], 1: lost(), 2: [(5, "lost"), (6, "offline")]})
    answers = Survey(h, 0.5, lambda _child: True).run(0)
    answers[2].children[1]["error"] = "administrative shutdown"
    assert list(_faults(answers, above)) == [
        (1, "Connection timed out"),
        (5, "unknown error"),
        (6, "administrative shutdown"),
        (3, "lost parent"),
        (4, "lost parent"),
        (7, "lost parent"),
        (8, "lost parent"),
    ]
    answers[2].children[1]["error"] = ""
    assert 6 not in dict(_faults(answers, above))
