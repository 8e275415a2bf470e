# SPDX-License-Identifier: LGPL-3.0-or-later
"""A module lives with any Host: here one that is no broker, as one for a process of its own would be."""

import asyncio
from typing import Any

from rosin.broker.clock import VirtualClock
from rosin.broker.host import Host
from rosin.broker.module import BrokerModule, event_handler, request_handler
from rosin.constants import FLUX_ROLE_LOCAL, FLUX_ROLE_OWNER
from rosin.rfc.message import Message


class Wire:
    """A host that keeps what is sent; it has what the protocol has, and no more."""

    def __init__(self) -> None:
        self.uuid = b"a-module"
        self.rank = 3
        self.credential = (1000, FLUX_ROLE_OWNER | FLUX_ROLE_LOCAL)
        self.attrs = {"rank": "3", "size": "4"}
        self.config: dict[str, Any] = {"table": {"key": 1}}
        self.clock = VirtualClock()
        self.zygote = None
        self.programs = {}
        self.traces = ()
        self.sent: list[Message] = []
        self.topics: list[str] = []
        self.lines: list[tuple[int, str, str]] = []

    def log(self, severity: int, name: str, text: str) -> None:
        self.lines.append((severity, name, text))

    def soon(self, step: Any) -> None:
        asyncio.get_running_loop().call_soon(step)

    last = soon

    def route_request(self, msg: Message) -> None:
        self.sent.append(msg)

    def route_response(self, msg: Message) -> None:
        self.sent.append(msg)

    def publish(self, msg: Message) -> int:
        self.sent.append(msg)
        return 0

    def subscribe(self, topic: str) -> None:
        self.topics.append(topic)

    def unsubscribe(self, topic: str) -> None:
        self.topics.remove(topic)

    def reaches(self, service: str, nodeid: int, upstream: int) -> bool:
        return service == "other"

    def backlog_of(self, request: Message) -> int:
        return 0

    async def room(self, request: Message) -> None:
        pass

    def trace(self, prefix: str, msg: Message) -> None:
        raise AssertionError("nobody watches")


class Lodger(BrokerModule):
    name = "lodger"

    async def start(self) -> None:
        self.heard: list[str] = []
        self.log.info("moved in")

    @request_handler("ask")
    async def ask(self, msg: Message) -> Any:
        return await self.h.rpc("other.ask", msg.args)

    @request_handler("count")
    async def count(self, _msg: Message) -> Any:
        for number in range(2):
            yield {"number": number}

    @event_handler("news")
    def news(self, msg: Message) -> None:
        self.heard.append(msg.topic)


def request(topic: str, payload: Any = None, flags: int = 0) -> Message:
    msg = Message.request(topic, payload, flags=flags, matchtag=7)
    msg.userid, msg.rolemask, msg.route = 1000, FLUX_ROLE_OWNER, [b"client"]
    return msg


async def until_sent(wire: Wire, number: int) -> None:
    while len(wire.sent) < number:
        await asyncio.sleep(0)


async def test_a_module_needs_no_more_than_its_host() -> None:
    wire = Wire()
    host: Host = wire
    module = Lodger(host, "lodger", [])
    await module.initialize()
    assert wire.topics == ["news", "lodger.stats-clear"]
    assert wire.lines == [(6, "lodger", "moved in")]
    assert (module.h.attr_get("size"), module.h.rank, module.h.userid) == ("4", 3, 1000)
    assert module.config == {"table": {"key": 1}}

    event = Message.event("news.today")
    event.rolemask = FLUX_ROLE_OWNER
    module.receive_event(event)
    assert module.heard == ["news.today"]

    module.receive_request(request("lodger.ask", {"x": 1}))
    await until_sent(wire, 1)
    asked = wire.sent[0]
    assert (asked.topic, asked.route, asked.userid, asked.rolemask) == ("other.ask", [b"a-module"], 1000, 5)
    asked.route = []
    module.h.receive_response(asked.response({"y": 2}))
    await until_sent(wire, 2)
    assert (wire.sent[1].route, wire.sent[1].data) == ([b"client"], {"y": 2})

    module.receive_request(request("lodger.count", flags=0x40))
    await until_sent(wire, 5)
    assert [msg.errnum or msg.data["number"] for msg in wire.sent[2:]] == [0, 1, 61]
    module.receive_request(request("lodger.ping", {"seq": 1}))
    assert wire.sent[5].data["route"] == "client!a-module"

    await module.finalize()
    assert [msg.topic for msg in wire.sent[6:]] == ["other.disconnect"]
