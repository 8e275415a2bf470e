# SPDX-License-Identifier: LGPL-3.0-or-later
"""A machine compared with what R says of it."""

import pytest

from rosin.process.topology import MachineTopology, PhysicalCore
from rosin.resource.definition import from_topology
from rosin.resource.verify import Verification
from rosin.rfc.rset import ResourceSet


def machine(host="n0", cores=4, gpus=0):
    return from_topology(MachineTopology(host, [PhysicalCore(0, (n,)) for n in range(cores)], gpus), 0)


@pytest.mark.parametrize(
    ("config", "actual", "text"),
    [
        (None, machine(), None),
        (None, machine(cores=6), None),
        (None, machine(cores=2), "rank 0 (n0) missing resources: core[2-3]"),
        (None, machine(gpus=0), None),
        (None, machine(host="x"), "rank 0 got hostname 'x', expected 'n0'"),
        (True, machine(cores=6, gpus=1), "rank 0 (n0) has extra resources: core[4-5]"),
        (True, machine(gpus=0), "rank 0 (n0) missing resources: gpu0"),
        (False, machine("x", 1), None),
        ({"core": "ignore", "gpu": "allow-missing", "hostname": "ignore"}, machine("x", 1), None),
    ],
)
def test_verification(config, actual, text):
    assert Verification(config).check(machine(gpus=1), actual, 0) == text


def test_verification_of_a_rank_that_r_lacks():
    assert "not found" in Verification(None).check(ResourceSet(), machine(), 0)  # type: ignore[operator]
