# SPDX-License-Identifier: LGPL-3.0-or-later
"""Resources for schedulers."""

from rosin.resource.allocator.inventory import Inventory
from rosin.rfc.acquire import Acquired
from rosin.rfc.rset import ResourceSet


def like_nodes(nnodes, ncores, **execution):
    """R of ``nnodes`` like nodes."""
    lite = [{"rank": f"0-{nnodes - 1}" if nnodes > 1 else "0", "children": {"core": f"0-{ncores - 1}"}}]
    nodelist = [f"n[0-{nnodes - 1}]" if nnodes > 1 else "n0"]
    return {"version": 1, "execution": {"R_lite": lite, "nodelist": nodelist, **execution}}


def inventory_of(R, up=None, **options):
    """R as it was acquired, all of it up if it is not said what is."""
    ranks = ResourceSet.decode(R).ranks().encode() if up is None else up
    return Inventory(Acquired({"resources": R, "up": ranks}), **options)
