# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a tree costs grows as RFC 3's tree says: by children in a broker, by depth in time."""

import xml.etree.ElementTree as ElementTree

from benchmarks import scale_plot
from benchmarks.scale import Scale, _tables


async def costs(size, topo):
    scale = Scale(size, topo)
    await scale.run()
    return scale, {cost.what: cost for cost in scale.costs}


async def test_messages_by_link_and_time_by_depth():
    (small, few), (large, many) = await costs(13, "kary:3"), await costs(40, "kary:3")
    assert (small.depth, large.depth) == (2, 3)
    for size, depth, found in ((13, 2, few), (40, 3, many)):
        for what in ("event from last rank to all", "KVS commit on last rank, seen by all"):
            assert found[what][1:] == (size - 1 + depth, 1, 4, 2 * depth)
        assert found["all load one blob"][1:4] == (2 * (size - 1), 1, 6)
        assert found["RPC, root to last rank"][1:] == (2 * depth, 1, 2, 2 * depth)
        assert found["all join a group"].busiest <= depth
        assert found["all join a group"].root <= 3 * depth
        loss = found["loss of last rank, known at rank 0"]
        assert loss.messages <= 3 * (depth - 1)
        assert loss.hops <= depth


async def test_tables_and_picture():
    found = []
    for size in (4, 8):
        scale, _ = await costs(size, "kary:2")
        names = ("size", "topo", "depth", "memory", "cpu", "costs")
        found.append({name: getattr(scale, name) for name in names})
    assert "| event from last rank to all | 5 | 10 |" in _tables(found)
    drawn = ElementTree.fromstring(scale_plot.draw(found))
    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 3 * len(found[0]["costs"])
