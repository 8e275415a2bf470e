# SPDX-License-Identifier: LGPL-3.0-or-later
"""The allocator decides as flux-core 0.88's scheduler does (decisions.json was recorded from it)."""

import json
from pathlib import Path

import pytest

from rosin.resource.allocator.pool import InfeasibleError
from rosin.resource.allocator.request import from_jobspec

from .resources import inventory_of

SCENARIOS = json.loads((Path(__file__).parent / "decisions.json").read_text())


def decide(inventory, jobid, spec):
    system = {"duration": 0}
    if spec["constraints"]:
        system["constraints"] = spec["constraints"]
    jobspec = {"version": 1, "resources": spec["resources"], "attributes": {"system": system}}
    try:
        allocation = inventory.pool.alloc(jobid, from_jobspec(jobspec))
    except InfeasibleError:
        return "infeasible"
    if allocation is None:
        return "insufficient"
    return {"R": inventory.encode(allocation, 0.0), "summary": inventory.summary(allocation.nodes)}


@pytest.mark.parametrize("number", range(len(SCENARIOS)))
def test_scenario(number):
    scenario = SCENARIOS[number]
    inventory = inventory_of(scenario["R"])
    for step, (what, *args) in enumerate(scenario["ops"]):
        if what == "free":
            inventory.pool.release(*args)
        elif what == "alloc":
            jobid, spec, expected = args
            assert decide(inventory, jobid, spec) == expected, (step, spec)
        else:
            getattr(inventory.pool, what)(inventory.nodes(str(args[0])))


def test_recording_has_every_outcome():
    outcomes = [op[3] for scenario in SCENARIOS for op in scenario["ops"] if op[0] == "alloc"]
    assert sum(isinstance(outcome, dict) for outcome in outcomes) > 100
    assert outcomes.count("infeasible") > 50
    assert outcomes.count("insufficient") > 50
