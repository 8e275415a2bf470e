# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests that mean harm, to every topic of a full instance.

Which topics there are is read from the modules that are loaded, so that a new one is tried without being
listed. Which fields a topic takes is learned from the constants of its handler's code and from its refusals
("missing field 'id'", "expected an integer"): each refusal makes the next payload come further.
"""

from __future__ import annotations

import asyncio
import errno
import random
import re
import sys
import tempfile
import time
import types
from typing import TYPE_CHECKING, Any

from rosin.broker import rctable
from rosin.broker.client import Client
from rosin.constants import (
    FLUX_JOB_STATE_INACTIVE,
    FLUX_MSGFLAG_STREAMING,
    FLUX_MSGTYPE_RESPONSE,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_OWNER,
    FLUX_ROLE_USER,
)
from rosin.job.table.attributes import ATTRIBUTES, POSITION
from rosin.rfc.message import Message, decode, encode
from rosin.testing.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.broker.broker import Broker

GUEST = 4242

#: Topics whose success is the end of what is tried, or of the process that tries it; and a test hook
#: that withholds the answers which the end of an instance waits for.
ENDS = re.compile(
    r"(^module\.(remove|load|reload|debug)|^shutdown\.start|^event\.|\.shutdown|^broker\.setenv|^kvs\.setroot-pause)$"
)

#: What a service says of its stored state when it cannot read it.
LOST = re.compile(r"Traceback|not replayed|lost\+found|corrupt|damaged")


def _deep(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


TEXTS: list[Any] = [
    "", " ", "x", "a.b", ".", "..", "a..b", "a" * 5000, "\0", "\x1b[31m", "\n", "=", "é\u2028", "ƒ1",
    "f" * 40,
    "0-134217726", "0-4294967295", "0-18446744073709551615", "[0-99999999]", "n[0-99999999]",
    "n[0-9999][0-9999][0-9999]", "0,2,4,6-9", "(a+)+$", "2:2**70:*", "0-9223372036854775807:1:+", "inf",
    "nan", "1e400", "-1", "9" * 400, "primary", "job-manager", "sched-simple", "cancel", "set", "setbit",
    "alloc", "sha1-" + "0" * 40, "resource.R", "/", "../../etc/passwd", "/dev/null",
    "attributes.system.duration", "online",
    "%s%n", "\ufffd", ",".join(str(2 * number) for number in range(1900)), "0-134217726," * 800 + "1",
    ",".join(f"n[{number}-{number + 99999}]" for number in range(500)),
    "n[0-1023]," * 900 + "n", "a." * 4900 + "a",
]  # fmt: skip
NUMBERS: list[Any] = [
    0, 1, -1, 2, 7, 16, 255, 2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**32, 2**53, 2**63 - 1, -(2**63), 2**63,
    2**64 - 1, 0.0, -0.0, 0.5, -1.5, 1e-308, 1e18, 1e308, -1e308,
]  # fmt: skip
OTHERS: list[Any] = [
    None, True, False, [], {}, [[]], [{}], {"": 1}, {"": {}}, [None], [3], ["x"], [""], _deep(60),
    ["0-134217726"] * 700, {"ranks": ["0-134217726"] * 700}, {"and": [{"or": []}]}, {"not": [_deep(20)]},
    {"a": {"b": {"c": 1}}}, {"attributes": {"system": {"duration": 1e308}}}, [0] * 2000, {"x" * 3000: None},
    {"or": [{"ranks": ["100000-101000"]}] * 300}, {"or": [{"hostlist": ["x[0-1023]"]}] * 300},
    {"and": [{"not": [{"name": ["x"]}]}] * 300}, {"or": [{"t_run": ["<1"]}] * 500}, ["all"] * 1500,
    {"version": 1, "execution": {"R_lite": [{"rank": "0-99999999", "children": {"core": "0-99999999"}}]}},
]  # fmt: skip
LISTS = [value for value in OTHERS if isinstance(value, list)]
RAW = [
    None, b"", b"\0", b"x", b"{\0", b"[]\0", b"3\0", b"null\0", b'"x"\0', b"NaN\0", b'{"id":NaN}\0',
    b'{"id":1e999}\0',
    b'{"a":"\\ud800"}\0', b'{"a":"\xff"}\0', b"[" * 3000 + b"\0", b'{"a":' * 500 + b"1" + b"}" * 500 + b"\0",
    b'{"id":' + b"9" * 5000 + b"}\0", b"\xff\xfe\0",
]  # fmt: skip

_MISSING = re.compile(r"missing (?:field |key )?'([^']+)'")
_EXPECTED = re.compile(r"field '([^'\[]+)(?:\[\d+\])?': expected (.+?), got")


class _Steps:
    """Counts the function calls of this thread between two turns of the loop, those of C functions too."""

    def __init__(self, on: bool) -> None:
        self._on = on
        self._now = 0
        self.most = 0

    def __enter__(self) -> _Steps:
        if self._on:
            sys.setprofile(self._count)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._on:
            sys.setprofile(None)

    def _count(self, _frame: object, event: str, _arg: object) -> None:
        self._now += event in ("call", "c_call")

    def turn(self) -> None:
        """Another turn has begun."""
        self.most, self._now = max(self.most, self._now), 0


class Faults(list[str]):
    """What has been found, each kind once."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def note(self, kind: str, text: str) -> None:
        """Record a fault unless one of its ``kind`` was."""
        if kind not in self._seen:
            self._seen.add(kind)
            self.append(f"{kind}: {text}")


def _names(code: types.CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if type(constant) is str and re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{1,24}", constant):
            yield constant
        elif isinstance(constant, types.CodeType):
            yield from _names(constant)


def fields_of(function: Any, depth: int = 3) -> set[str]:
    """Texts in a handler's code and in the functions that it calls: its fields are among them."""
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None or not function.__module__.startswith("rosin."):
        return set()
    found = set(_names(code))
    if depth:
        for name in code.co_names:
            called = function.__globals__.get(name)
            if isinstance(called, types.ModuleType) and called.__name__.startswith("rosin.modules"):
                for other in code.co_names:
                    if isinstance(getattr(called, other, None), types.FunctionType):
                        found |= fields_of(getattr(called, other), depth - 1)
            elif isinstance(called, types.FunctionType):
                found |= fields_of(called, depth - 1)
    return found


class Fuzzer:
    """Sends requests made of ``seed`` to one instance after the other.

    ``faults`` says what is wrong: an internal error, a traceback in the log, a call that took more than
    ``slow`` seconds of this process's time, tasks or streams that outlive the client that caused them.
    With ``steps``, also a turn of the loop with more function calls than that, whatever the machine's speed.
    ``answers`` counts errnos (0: success, None: nothing yet), ``calls`` all requests.
    """

    def __init__(self, seed: int = 0, slow: float = 1.0, steps: int = 0) -> None:
        self.random = random.Random(seed)
        self.faults = Faults()
        self.answers: dict[int | None, int] = {}
        self.calls = 0
        self.slow = slow
        self.slowest = (0.0, "")
        self.steps = steps
        self.longest = (0, "")  # turn of the loop, in function calls
        self._fields: dict[str, dict[str, list[Any]]] = {}
        self._required: dict[str, set[str]] = {}

    async def run(self, calls: int, guest: bool, per_instance: int = 1500) -> None:
        """Send ``calls`` requests as the owner or as a guest."""
        while calls > 0:
            batch = min(calls, per_instance)
            calls -= batch
            with tempfile.TemporaryDirectory(prefix="rosin-fuzz-") as directory:
                async with self._instance(directory) as instance:
                    await self._batch(instance, batch, guest)
                await self._restart(directory)

    @staticmethod
    def _instance(directory: str) -> Instance:
        """An instance that finds in ``directory`` what the one before has left."""
        config = {"access": {"allow-guest-user": True}}
        attrs = {"statedir": directory, "statedir-cleanup": "0"}
        return Instance(rctable.modules(), config=config, attrs=attrs)

    async def _restart(self, directory: str) -> None:
        """Whatever was accepted can be read again."""
        try:
            async with self._instance(directory) as instance:
                await instance.settle()
                lines = [line.decode(errors="replace") for line in instance.broker.ring.lines]
        except Exception as exc:
            self.faults.note("restart", f"{type(exc).__name__}: {exc}")
            return
        for line in lines:
            if LOST.search(line):
                self.faults.note("restart lost", line)

    async def _batch(self, instance: Instance, calls: int, guest: bool) -> None:
        topics = self._topics(instance)
        self._jobs = await self._prepare(instance)
        await instance.settle()
        broker = instance.broker
        while calls > 0:
            group = min(calls, 50)
            calls -= group
            before = self._held(instance)
            userid, role = (GUEST, FLUX_ROLE_USER) if guest else (broker.owner, FLUX_ROLE_OWNER)
            client = _Sink(broker, userid, role | FLUX_ROLE_LOCAL)
            broker.add_peer(client)
            for _ in range(group):
                await self._call(instance, client, self.random.choice(topics))
            client.disconnected()
            await instance.advance(1.0)
            self._check_held(before, self._held(instance))
            self._trace(instance, "disconnect", "of a client")

    def _topics(self, instance: Instance) -> list[str]:
        topics = []
        for module in instance.broker.modules.values():
            for topic, method in module._methods.items():
                if not ENDS.search(topic):
                    topics.append(topic)
                    if topic not in self._fields:
                        self._fields[topic] = {name: [] for name in sorted(fields_of(method.func))}
                        self._required[topic] = set()
        return sorted(set(topics))

    async def _prepare(self, instance: Instance) -> list[int]:
        """Some jobs for the ids in requests to be of: one that is over, one that runs, those that wait."""
        from rosin.job.submission import submit_async
        from rosin.rfc.jobspec.build import from_command

        h = await instance.connect()
        await h.rpc("groups.join", {"name": "broker.online"})  # as the broker's start does
        await instance.settle()
        self._fill(instance)
        ids = []
        for duration in ("0.1s", "1000s", "1000s"):
            jobspec = from_command(["mock"])
            jobspec["attributes"]["system"]["exec"] = {"test": {"run_duration": duration}}
            ids.append(int((await submit_async(h, jobspec))["id"]))
        return ids

    def _fill(self, instance: Instance) -> None:
        """Jobs that are over, in many places, for queries to look at."""
        jobs: Any = instance.broker.modules["job-list"]
        index = jobs._table.index
        for number in range(1, 3001):
            row: list[Any] = [number, *[None] * len(ATTRIBUTES)]
            ranks = f"{number}-{number + 64}"
            row[POSITION["userid"]], row[POSITION["name"]] = GUEST, f"job{number}"
            row[POSITION["state"]], row[POSITION["result"]] = FLUX_JOB_STATE_INACTIVE, 1
            row[POSITION["ranks"]], row[POSITION["nodelist"]] = ranks, f"n[{ranks}]"
            row[POSITION["t_run"]] = row[POSITION["t_inactive"]] = float(number)
            index.jobs[number] = tuple(row)
            index._inactive.append(index.jobs[number])

    # -- one request --------------------------------------------------------------------------------

    def _value(self, kinds: list[Any]) -> Any:
        choose = self.random.choice
        if kinds and self.random.random() < 0.8:
            kind = choose(kinds)
            if kind == "a string":
                return choose(TEXTS)
            if kind == "an integer":
                return choose([*NUMBERS[:17], *self._jobs, *self._jobs])
            if kind == "a number":
                return choose(NUMBERS)
            if kind == "true or false":
                return choose([True, False])
            if kind == "an array":
                return choose([[], [choose(TEXTS)], [choose(NUMBERS)], [choose(OTHERS)], choose(LISTS)])
            if kind == "an object":
                return {choose(TEXTS): self._value([]), **choose([x for x in OTHERS if isinstance(x, dict)])}
        return choose(choose([TEXTS, NUMBERS, OTHERS, self._jobs]))

    def _payload(self, topic: str) -> Any:
        fields, required = self._fields[topic], self._required[topic]
        payload = {
            name: self._value(fields.get(name, []))
            for name in sorted(required)
            if self.random.random() < 0.97
        }
        for name in self.random.sample(sorted(fields), min(len(fields), self.random.randrange(4))):
            payload.setdefault(name, self._value(fields[name]))
        return payload

    async def _call(self, instance: Instance, client: _Sink, topic: str) -> None:
        self.calls += 1
        raw = self.random.random() < 0.05
        payload = self.random.choice(RAW) if raw else self._payload(topic)
        flags = FLUX_MSGFLAG_STREAMING if self.random.random() < 0.3 else 0
        msg = Message.request(topic, payload, flags=flags, matchtag=self.calls)
        body = encode(msg)
        shown = f"{topic} {body[:300]!r}"
        began = time.process_time()
        with _Steps(self.steps > 0) as steps:
            client.receive(decode(body))
            for _ in range(8):
                await asyncio.sleep(0)
                steps.turn()
        took = time.process_time() - began
        if steps.most > self.longest[0]:
            self.longest = (steps.most, shown)
        if self.steps and steps.most > self.steps:
            self.faults.note(f"work {topic}", f"{steps.most} calls in a turn: {shown}")
        if took > self.slowest[0]:
            self.slowest = (took, shown)
        if took > self.slow:
            self.faults.note(f"slow {topic}", f"{took:.2f} s: {shown}")
        self._trace(instance, topic, shown)
        answers, client.answers = client.answers, []
        if not answers:
            self.answers[None] = self.answers.get(None, 0) + 1
        for answer in answers:
            self._answered(answer, topic, shown)

    def _answered(self, answer: Message, topic: str, shown: str) -> None:
        self.answers[answer.errnum] = self.answers.get(answer.errnum, 0) + 1
        if not answer.errnum:
            return
        text = answer.raw.decode(errors="replace")
        if answer.errnum == errno.EIO or "Traceback" in text:
            self.faults.note(f"EIO {answer.topic}", f"{text} for {shown}")
        if answer.topic != topic:
            return
        fields, required = self._fields[topic], self._required[topic]
        if found := _MISSING.search(text):
            required.add(found[1])
            fields.setdefault(found[1], [])
        if found := _EXPECTED.search(text):
            fields[found[1]] = found[2].split(" or ")

    # -- what is left behind ------------------------------------------------------------------------

    def _trace(self, instance: Instance, topic: str, shown: str) -> None:
        """A traceback in the log is the fault of the call before it, or of one not long before."""
        ring = instance.broker.ring
        for line in ring.lines:
            if b"Traceback" in line:
                text = b" | ".join(line.rpartition(b" - - ")[2] or line for line in ring.lines)
                self.faults.note(
                    f"traceback near {topic}", f"{shown}: {text.decode(errors='replace')[-1500:]}"
                )
        ring.lines.clear()

    def _held(self, instance: Instance) -> dict[str, int]:
        """Tasks and streams by module."""
        return {
            name: len(module._tasks) + len(module._streams)
            for name, module in instance.broker.modules.items()
        }

    def _check_held(self, before: dict[str, int], after: dict[str, int]) -> None:
        for name, count in after.items():
            if count > before.get(name, count) + 2:
                self.faults.note(
                    f"growth {name}", f"{count} tasks and streams, {before[name]} before its clients"
                )


class _Sink(Client):
    """A client that keeps what it is sent."""

    def __init__(self, broker: Broker, userid: int, rolemask: int) -> None:
        super().__init__(broker, userid, rolemask)
        self.answers: list[Message] = []

    def send(self, msg: Message) -> None:
        if msg.type == FLUX_MSGTYPE_RESPONSE:
            self.answers.append(decode(encode(msg)))
