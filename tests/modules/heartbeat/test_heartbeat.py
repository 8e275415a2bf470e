# SPDX-License-Identifier: LGPL-3.0-or-later
"""The heartbeat module: settings, pulses, silence below rank 0."""

from __future__ import annotations

from typing import Any

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import FLUX_ROLE_OWNER
from rosin.errors import FormatError
from rosin.modules.heartbeat.settings import HeartbeatSettings
from rosin.rfc.message import Message
from rosin.testing.instance import Instance


def test_defaults() -> None:
    settings = HeartbeatSettings.parse({})
    assert (settings.period, settings.timeout, settings.warn_thresh) == (2.0, 300.0, 3)


def test_table_and_arguments() -> None:
    table = {"heartbeat": {"period": "10s", "timeout": "1m", "warn_thresh": 5}}
    assert HeartbeatSettings.parse(table).period == 10.0
    assert HeartbeatSettings.parse(table).timeout == 60.0
    assert HeartbeatSettings.parse(table, {"period": 0.5}).period == 0.5
    for off in ("0", "infinity"):
        assert HeartbeatSettings.parse({"heartbeat": {"timeout": off}}).timeout == -1.0


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"heartbeat": 1}, "heartbeat: expected a table, got 1"),
        ({"heartbeat": {"perod": "1s"}}, "heartbeat.perod"),
        ({"heartbeat": {"period": "x"}}, "heartbeat.period"),
        ({"heartbeat": {"period": 2}}, "heartbeat.period: expected a string, got 2"),
        ({"heartbeat": {"period": "0s"}}, "heartbeat.period: expected a duration above 0, such as"),
        ({"heartbeat": {"timeout": "3s"}}, "2\\*heartbeat.period"),
        ({"heartbeat": {"warn_thresh": 0}}, "warn_thresh"),
        ({"heartbeat": {"warn_thresh": True}}, "warn_thresh"),
    ],
)
def test_bad_settings(table: dict[str, Any], text: str) -> None:
    with pytest.raises(FormatError, match=text):
        HeartbeatSettings.parse(table)


async def test_the_argument_holds_until_the_configuration_is_loaded_again() -> None:
    async with Instance() as inst:
        heartbeat = await inst.load("heartbeat", ["period=10s"])
        assert heartbeat.settings.period == 10.0
        h = await inst.connect()
        for table, period in (({"heartbeat": {"period": "5s"}}, 5.0), ({}, 2.0)):
            await h.rpc("config.load", table)
            assert heartbeat.settings.period == period
            count = heartbeat.count
            await inst.advance(3 * period)
            assert heartbeat.count == count + 3


async def test_pulses_each_period() -> None:
    async with Instance() as inst:
        h = await inst.connect()
        await h.event_subscribe("heartbeat.pulse")
        await inst.load("heartbeat")
        await inst.advance(6.0)
        topics = [(await h.next_event()).topic for _ in range(4)]  # at 0, 2, 4 and 6 seconds
        assert topics == ["heartbeat.pulse"] * 4
        assert h.events.empty()
        stats = await h.rpc("heartbeat.stats-get", {})
        assert stats == {"period": 2.0, "timeout": 300.0, "count": 4, "warn_thresh": 3}


async def test_new_period_takes_effect_and_bad_one_is_refused() -> None:
    async with Instance(["heartbeat"]) as inst:
        h = await inst.connect()
        await inst.advance(0.0)
        await h.rpc("heartbeat.config-reload", {"heartbeat": {"period": "10s"}})
        await inst.advance(19.0)
        assert (await h.rpc("heartbeat.stats-get", {}))["count"] == 2  # at 0 and 10
        with pytest.raises(OSError, match="above 0"):
            await h.rpc("heartbeat.config-reload", {"heartbeat": {"period": "0s"}})
        assert (await h.rpc("heartbeat.stats-get", {}))["period"] == 10.0


class FakeOverlay(BrokerModule):
    name = "overlay"

    async def start(self) -> None:
        self.reasons: list[str] = []

    @request_handler("disconnect-parent")
    def disconnect_parent(self, msg: Any) -> object:
        self.reasons.append(msg.args["reason"])
        return DEFERRED


async def test_silence_below_rank_0_is_logged_and_ends_the_connection_once() -> None:
    async with Instance(attrs={"rank": "1"}) as inst:
        inst.broker.router.services.pop("overlay")
        overlay = await inst.load(type("FakeOverlay1", (FakeOverlay,), {"name": "fake-overlay"}))
        inst.broker.router.services["overlay"] = overlay.host
        overlay._methods["overlay.disconnect-parent"] = overlay._methods["fake-overlay.disconnect-parent"]
        await inst.load("heartbeat")
        await inst.advance(20.0)
        assert any("heartbeat overdue" in line for line in inst.logged())
        pulse = Message.event("heartbeat.pulse", seq=1)
        pulse.rolemask = FLUX_ROLE_OWNER
        inst.broker.events.accept(pulse)  # from above
        await inst.advance(2.0)
        assert any("heartbeat received" in line for line in inst.logged())
        assert overlay.reasons == []
        await inst.advance(400.0)
        assert len(overlay.reasons) == 1
        assert overlay.reasons[0].startswith("no heartbeat for")
