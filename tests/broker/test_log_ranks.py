# SPDX-License-Identifier: LGPL-3.0-or-later
"""The log over a tree of brokers: what passes rank 0, how much of it, and reading that of another rank."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from rosin.broker.services.log import FORWARDED, MAX_LINE
from rosin.constants import FLUX_RPC_STREAMING
from rosin.rfc.syslog import LogLine, encode
from rosin.testing.tree import InstanceTree


def passed(tree: InstanceTree) -> list[LogLine]:
    """What will have passed rank 0, for its sinks."""
    lines: list[LogLine] = []
    tree[0].broker.ring.sinks.add(lambda line: lines.append(LogLine(line)))
    return lines


@pytest.mark.parametrize(("level", "wanted"), [("-1", []), ("3", ["bad"]), ("6", ["bad", "odd", "fine"])])
async def test_a_level_says_what_passes(level: str, wanted: list[str]) -> None:
    async with InstanceTree(3, topo="kary:1", attrs={"log-forward-level": level}) as tree:
        lines = passed(tree)
        for severity, text in ((3, "bad"), (4, "odd"), (6, "fine"), (7, "debug")):
            tree[2].broker.log(severity, "kvs", text)
        await tree.settle()
        assert [(line.hostname, line.text) for line in lines] == [("2", text) for text in wanted]


async def test_what_cannot_pass_is_printed_here(capfd: pytest.CaptureFixture[str]) -> None:
    """A broker that nobody lets in, or that has lost the one above, says itself why it ends."""
    async with InstanceTree(3, topo="kary:1") as tree:
        ring = tree[2].broker.ring
        ring.stderr_level = 2
        for text in ("passes", "stays"):
            tree[2].broker.log(3, "kvs", text)
            tree[2].broker.log(4, "kvs", "of no interest")
            await tree.settle()
            tree.network.cut(2, 1)
            await tree.settle()
        said = capfd.readouterr().err
        assert "kvs.err[2]: stays\n" in said
        assert "passes" not in said
        assert "interest" not in said
        ring.stderr_level = -1
        tree[2].broker.log(3, "kvs", "not to be printed")
        assert capfd.readouterr().err == ""


async def test_a_flood_of_lines_is_cut_short_on_its_way() -> None:
    async with InstanceTree(3, topo="kary:1") as tree:
        for rank, text in ((1, "500 more lines in 1s were not passed on"), (2, "1 more lines")):
            lines = passed(tree)
            for number in range(FORWARDED + 500):
                tree[rank].broker.log(3, "kvs", f"bad {number}")
            await tree.settle(FORWARDED)
            assert len([line for line in lines if line.hostname == str(rank)]) == FORWARDED
            await tree.advance(1.0)
            assert lines[-1].text.startswith(text)
            tree[rank].broker.log(3, "kvs", "again")
            await tree.settle()
            assert (lines[-1].hostname, lines[-1].text) == (str(rank), "again")
            await tree.advance(2.0)
            assert lines[-1].text == "again"


async def test_of_a_long_line_the_beginning_is_kept() -> None:
    async with InstanceTree(2) as tree:
        lines, h = passed(tree), await tree.connect(1)
        await h.rpc("log.append", encode(3, "x" * 200_000, appname="a", hostname="1"))
        await tree.settle()
        assert len(lines[-1].text) < MAX_LINE
        assert len(tree[1].broker.ring.lines[-1]) == MAX_LINE


async def test_the_log_of_any_rank_can_be_read_and_followed_from_any() -> None:
    async with InstanceTree(4, topo="kary:2") as tree:
        tree[3].broker.log(6, "kvs", "before")
        for rank in (0, 2, 3):
            h = await tree.connect(rank)
            stream = h.rpc("log.dmesg", {"follow": False}, 3, FLUX_RPC_STREAMING)
            texts = [LogLine(msg.raw.rstrip(b"\0")).text async for msg in stream.amessages()]
            assert "before" in texts
            stream = h.rpc("log.dmesg", {"follow": True, "nobacklog": True}, 3, FLUX_RPC_STREAMING)
            seen = stream.amessages()
            await tree.settle()
            tree[3].broker.log(6, "kvs", f"for {rank}")
            assert LogLine((await anext(seen)).raw.rstrip(b"\0")).text == f"for {rank}"
            stream.cancel()
            with pytest.raises(StopAsyncIteration):
                await anext(seen)
        await h.rpc("log.clear", None, 3)
        assert (await h.rpc("log.stats-get", None, 3))["ring-used"] == 0


@pytest.mark.parametrize("how", ["client", "link"])
async def test_a_reader_that_is_gone_is_forgotten(how: str) -> None:
    async with InstanceTree(4, topo="kary:2") as tree:
        h = await tree.connect(2)
        seen = h.rpc("log.dmesg", {"follow": True}, 3, FLUX_RPC_STREAMING).amessages()
        await anext(seen)
        service: Any = tree[3].broker.modules["log"]
        assert len(service._follows) == 1
        if how == "client":
            await h.close()
        else:
            tree.network.cut(1, 0)
        await tree.settle()
        assert len(service._follows) == 0
        if how == "link":
            with pytest.raises(OSError, match="No route") as caught:
                async for _ in seen:
                    pass
            assert caught.value.errno == errno.EHOSTUNREACH
