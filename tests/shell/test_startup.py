# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a shell asks for, and of whom."""

from __future__ import annotations

from typing import Any

import pytest
from tests.shell.fakes import JOBID, FakeHandle

from rosin.constants import FLUX_NODEID_ANY
from rosin.shell.startup import ATTRIBUTES, Startup

LOOKUP = ("job-info.lookup", {"id": JOBID, "keys": ["J"], "flags": 0})
KNOWN = {"jobspec": {}, "R": {}, "rank": 3, "attrs": {"security.owner": "7"}}


def asked(init: dict[str, Any]) -> tuple[list[str], list[tuple[str, Any, int | None]]]:
    """The attributes, and the other requests."""
    handle: Any = FakeHandle()
    Startup(handle, JOBID, init).send()
    names = [payload["name"] for topic, payload, _ in handle.sent if topic == "attr.get"]
    return names, [entry for entry in handle.sent if entry[0] != "attr.get"]


def test_who_knows_nothing_asks_for_everything() -> None:
    names, others = asked({})
    assert names == list(ATTRIBUTES)
    watch = ("job-info.update-watch", {"id": JOBID, "key": "R", "flags": 0}, None)
    assert [entry[:2] for entry in others] == [watch[:2], LOOKUP]


def test_who_was_told_asks_for_the_environment() -> None:
    assert asked(KNOWN) == ([], [(*LOOKUP, FLUX_NODEID_ANY)])


def test_what_each_broker_has_of_its_own() -> None:
    names, others = asked({**KNOWN, "ask": ["rundir", "security.owner"], "source": 0})
    assert names == ["rundir"]
    assert others == [(*LOOKUP, 0)]


@pytest.mark.parametrize("missing", ["jobspec", "R", "rank", "attrs"])
def test_what_must_be_known_to_begin_at_once(missing: str) -> None:
    handle: Any = FakeHandle()
    assert Startup(handle, JOBID, KNOWN).early_jobspec() == {}
    init = {name: value for name, value in KNOWN.items() if name != missing}
    assert Startup(handle, JOBID, init).early_jobspec() is None
