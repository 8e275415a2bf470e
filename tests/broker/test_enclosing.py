# SPDX-License-Identifier: LGPL-3.0-or-later
"""What an instance that is a job tells the instance around it."""

import errno

import pytest

from rosin.broker import enclosing
from rosin.broker.module import BrokerModule, request_handler
from rosin.handle.aio import AsyncFlux
from rosin.rfc.payload import field
from rosin.testing import Instance


@pytest.mark.parametrize(
    ("mapping", "ranks", "nodes"),
    [
        ("[[0,4,1,1]]", "0", "0"),
        ("[[0,4,1,1]]", "0,2-3", "0,2-3"),
        ("[[0,2,2,1]]", "0-1", "0"),
        ("[[0,2,2,1]]", "0,3", "0-1"),
        ("[[1,1,1,1],[0,1,1,1]]", "0", "1"),
        ("[[0,2,2,1]]", "", ""),
        ("[[0,2,2,1]]", "4", None),
        ("[]", "0", None),
        ("", "0", None),
    ],
)
def test_which_nodes_are_critical(mapping, ranks, nodes):
    assert enclosing.critical_nodes(mapping, ranks) == nodes


class Told:
    """What both services of the parent were told."""

    def __init__(self, refuses=0):
        said = self.said = []

        class JobManager(BrokerModule):
            name = "job-manager"

            @request_handler("memo")
            def memo(self, msg):
                said.append(("memo", msg.args))

        class JobExec(BrokerModule):
            name = "job-exec"

            @request_handler("critical-ranks")
            def critical_ranks(self, msg):
                said.append(("critical-ranks", msg.args))
                if refuses:
                    raise OSError(refuses, f"no ranks {field(msg.args, 'ranks', str)}")

        self.modules = [JobManager, JobExec]


def attrs(**changed):
    own = {
        "broker.critical-ranks": "0,2",
        "broker.mapping": "[[0,2,2,1]]",
        "hostname": "node1",
        "jobid": "ƒ2",
        "local-uri": "local:///run/flux/local-0",
        "parent-uri": "local:///parent",
    }
    return {**own, **changed}


MEMO = ("memo", {"id": 1, "volatile": False, "memo": {"uri": "ssh://node1/run/flux/local-0"}})
RANKS = ("critical-ranks", {"id": 1, "ranks": "0-1"})


@pytest.mark.parametrize(
    ("refuses", "changed", "said", "faults"),
    [
        (0, {}, [MEMO, RANKS], []),
        (errno.ENOSYS, {}, [MEMO, RANKS], []),
        (
            errno.EPERM,
            {},
            [MEMO, RANKS],
            [
                "cannot tell the enclosing job's instance which of its brokers are critical: all are: "
                "no ranks 0-1"
            ],
        ),
        (
            0,
            {"broker.mapping": "[]"},
            [MEMO],
            [
                "cannot tell the enclosing job's instance which of its brokers are critical: all are: "
                "broker.mapping does not say it"
            ],
        ),
        (0, {"jobid": "!"}, [], ["cannot tell the enclosing job's instance the URI of this one: "]),
    ],
)
async def test_what_is_told(monkeypatch, refuses, changed, said, faults):
    told = Told(refuses)
    async with Instance(told.modules) as parent:

        async def connect(uri, _timeout):
            assert uri == "local:///parent"
            return await parent.connect()

        monkeypatch.setattr(AsyncFlux, "connect", connect)
        found = await enclosing.announce(attrs(**changed))
    assert told.said == said
    assert len(found) == len(faults)
    assert all(line.startswith(fault) for line, fault in zip(found, faults, strict=True))


async def test_nobody_is_told():
    assert await enclosing.announce({}) == []
    assert await enclosing.announce({"parent-uri": "local:///x"}) == []
