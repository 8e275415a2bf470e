# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests of the wrong form or of too much work are refused with what is wrong with them."""

import errno
import os

import pytest

from rosin.broker import rctable
from rosin.broker.clock import VirtualClock
from rosin.constants import FLUX_RPC_STREAMING
from rosin.testing import Instance


@pytest.mark.parametrize(
    ("topic", "payload", "errnum", "text"),
    [
        ("broker.conf-builtin", {"keys": [[]]}, errno.EPROTO, "keys[0]"),
        ("broker.getenv", {"names": [3]}, errno.EPROTO, "names[0]"),
        ("content.journal-get", {"after": 2**63}, errno.EPROTO, "after"),
        ("module.load", {"path": "x", "args": [3]}, errno.EPROTO, "args[0]"),
        ("job-manager.raise", {"id": -1, "type": "x", "severity": 0}, errno.EPROTO, "id"),
        ("resource.expiration-update", {"expiration": 1e308}, errno.EINVAL, "1e+308"),
        (
            "job-list.list",
            {"max_entries": 0, "attrs": [], "constraint": {"ranks": ["0-134217726"] * 700}},
            errno.EPROTO,
            "too many ranks",
        ),
        ("job-manager.config-reload", {"job-manager": 3}, errno.EINVAL, "job-manager: expected a table"),
        ("heartbeat.config-reload", {"heartbeat": {"perid": "1s"}}, errno.EINVAL, "period"),
        ("job-list.list-id", {"id": 2**64, "attrs": []}, errno.EPROTO, "id"),
    ],
)
async def test_refused(topic, payload, errnum, text):
    async with Instance(rctable.modules()) as instance:
        h = await instance.connect()
        with pytest.raises(OSError) as caught:
            await h.rpc(topic, payload)
        assert (caught.value.errno, text in str(caught.value)) == (errnum, True), caught.value


@pytest.mark.parametrize("payload", ["x", 3, [1]])
async def test_a_stream_whose_payload_is_no_object(payload):
    async with Instance(rctable.modules()) as instance:
        h = await instance.connect()
        with pytest.raises(OSError, match=r"payload (must be a|is not) JSON") as caught:
            await h.rpc("job-manager.events-journal", payload, flags=FLUX_RPC_STREAMING)
        assert caught.value.errno == errno.EPROTO


@pytest.mark.parametrize("bad", ["BAD=NAME", "", "A\0B"])
async def test_setenv_checks_all_names_before_it_sets_any(bad):
    async with Instance() as instance:
        h = await instance.connect()
        with pytest.raises(OSError) as caught:
            await h.rpc("broker.setenv", {"env": {"ROSIN_TEST_FIRST": "1", bad: "x"}})
        assert caught.value.errno == errno.EPROTO
        assert "ROSIN_TEST_FIRST" not in os.environ


async def test_ids_go_on_after_a_step_of_the_clock():
    from rosin.job.submission import submit_async
    from rosin.rfc.jobspec.build import from_command

    async with Instance(rctable.modules()) as instance:
        h, clock, ids = await instance.connect(), instance.clock, list[int]()
        assert isinstance(clock, VirtualClock)
        for step in (0.0, 40 * 365 * 86400.0, -80 * 365 * 86400.0 / 2):
            clock.set_wall(step)
            ids.append((await submit_async(h, from_command(["true"])))["id"])
        assert ids == sorted(set(ids))
        assert ids[-1] >> 24 < 60_000
