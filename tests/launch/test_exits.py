# SPDX-License-Identifier: LGPL-3.0-or-later
"""What follows from the end of a broker, decided without one."""

from __future__ import annotations

import pytest

from rosin.launch.exits import Exits


def running(mode, *ranks):
    exits = Exits(mode)
    for rank in ranks:
        exits.started(rank)
    return exits


@pytest.mark.parametrize(
    ("mode", "rank", "limited"), [("any", 0, 1), ("any", 2, 1), ("leader", 0, 1), ("leader", 2, 0)]
)
def test_the_end_of_a_broker_limits_the_time_of_the_others(mode, rank, limited):
    exits = running(mode, 0, 1, 2)
    assert not exits.limited
    exits.ended(rank, 0)
    assert exits.limited == bool(limited)


@pytest.mark.parametrize("mode", ["any", "leader"])
def test_nothing_is_limited_when_all_have_ended(mode):
    exits = running(mode, 0, 1)
    exits.ended(0, 0)
    exits.ended(1, 0)
    assert (exits.limited, exits.running) == (False, set())


@pytest.mark.parametrize("mode", ["any", "leader"])
def test_a_broker_that_runs_again_does_not_limit_the_others(mode):
    exits = running(mode, 0, 1)
    exits.ended(0, 0)
    exits.started(0)
    assert not exits.limited
    assert 0 not in exits.codes


def test_brokers_that_were_never_started_are_not_missing():
    assert not running("any", 0).limited


@pytest.mark.parametrize(("mode", "code"), [("any", 137), ("leader", 3)])
def test_the_exit_code_is_the_highest_or_the_leaders(mode, code):
    exits = running(mode, 0, 1, 2)
    assert exits.exit_code == 0
    for rank, its in ((1, 137), (0, 3), (2, 1)):
        exits.ended(rank, its)
    assert exits.exit_code == code
    assert exits.codes == {0: 3, 1: 137, 2: 1}
