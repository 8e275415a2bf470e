# SPDX-License-Identifier: LGPL-3.0-or-later
"""`/rosin/v1/events`: nothing is missed or told twice, whatever happens to the reader."""

from __future__ import annotations

import pytest

from rosin import _json
from rosin.rest.mirror import Mirror
from rosin.rest.output import Outputs
from rosin.rest.own.follow import Follower, Interest, Place, parse_interest, parse_place
from rosin.rest.problem import Problem

from ..sockets import SocketClient

OWN = "/rosin/v1"
NDJSON = {"Accept": "application/x-ndjson"}


class Link:
    """An instance of which only the events are known, and its own queue watch."""

    watched = 0

    def __init__(self, ring=100):
        self.mirror = Mirror(ring)
        self.outputs = Outputs()
        self.queues = self
        self.mirror.take({"id": -1, "events": []})

    def reason(self):
        return "it has gone"

    def join(self):
        self.watched += 1

    def leave(self):
        self.watched -= 1

    def submit(self, jobid):
        context = {"userid": 0, "urgency": 16, "flags": 0, "version": 1}
        event = {"timestamp": 1.0, "name": "submit", "context": context}
        self.mirror.take({"id": jobid, "events": [event], "jobspec": {}})


def reader(link, place="", **interest):
    closed = []
    follower = Follower(link, Interest(**interest), parse_place(place), lambda: bool(closed))
    return follower, follower.records(), closed


async def some(records):
    return [(name, None if data == b"" else _json.loads(data)) for name, _, data in await anext(records)]


async def test_what_happens_comes_once_and_in_order():
    link = Link()
    follower, records, _ = reader(link, topics=frozenset({"jobs"}))
    ((name, hello),) = await some(records)
    assert name == "hello"
    for jobid in (5, 6):
        link.submit(jobid)
    found = await some(records)
    assert [(name, data["job"]["id_dec"]) for name, data in found] == [("job", "5"), ("job", "6")]
    # who comes back from where the listing was, or from the last event, misses and repeats nothing
    for place, expected in ((hello["position"], ["5", "6"]), (follower.place.encode(), [])):
        _, again, _ = reader(link, place, topics=frozenset({"jobs"}))
        assert (await some(again))[0][0] == "hello"
        if expected:
            assert [data["job"]["id_dec"] for _, data in await some(again)] == expected
        await again.aclose()
    await records.aclose()


async def test_that_a_job_has_written_is_told_without_what(served):
    """The first time what there is already, then that there is more, at last that it is over."""
    jobid = (
        await served.post(f"{OWN}/jobs", json={"command": "echo a; read x; echo b", "shell": True})
    ).json()["id"]
    async with served.stream(
        "GET", f"{OWN}/events?topics=resources&written={jobid}", headers=NDJSON
    ) as answer:
        told = []
        async for line in answer.aiter_lines():
            record = _json.loads(line)
            if record["event"] == "written":
                assert "position" not in record
                assert record["data"]["id"] == jobid
                told.append(record["data"])
                if len(told) == 1:
                    await served.post(f"{OWN}/jobs/{jobid}/input", json={"data": "x\n", "end": True})
                if record["data"]["done"]:
                    break
    assert told[0]["chunks"] >= 1
    assert told[-1]["chunks"] > told[0]["chunks"]
    assert [one["done"] for one in told].count(True) == 1


def test_of_too_many_jobs_one_is_not_told():
    ids = ",".join(str(n) for n in range(1, 34))
    with pytest.raises(Problem, match="written: it takes at most 32 jobs"):
        parse_interest("", "", "", "", ids)


async def test_a_reader_that_is_too_late_is_told():
    link = Link(ring=2)
    _, records, _ = reader(link, topics=frozenset({"jobs"}))
    ((_, hello),) = await some(records)
    for jobid in range(5, 10):
        link.submit(jobid)
    assert (await some(records))[0][0] == "reset"
    await records.aclose()
    for place in (hello["position"], "0badcafe.3"):
        _, records, _ = reader(link, place)
        assert (await some(records))[0][0] == "reset"
        await records.aclose()


async def test_the_end_of_the_instance_is_told_and_ends_the_stream():
    link = Link()
    _, records, _ = reader(link, topics=frozenset({"jobs"}))
    await some(records)
    link.mirror._ended(OSError(104, "gone"))
    assert await some(records) == [("gone", {"reason": "it has gone"})]
    with pytest.raises(StopAsyncIteration):
        await anext(records)


async def test_topics_and_jobs_and_members():
    link = Link()
    _, records, _ = reader(link, topics=frozenset({"jobs", "resources"}), jobs=frozenset({7}))
    await some(records)
    link.submit(6)
    link.mirror.note("resource", {"timestamp": 2.0, "name": "drain", "context": {"idset": "0"}})
    link.mirror.note("queue", {"name": "a"})
    link.submit(7)
    assert [name for name, _ in await some(records)] == ["resource", "job"]
    await records.aclose()
    _, records, _ = reader(link)
    await some(records)
    assert [name for name, _ in await some(records)] == ["counts"]
    assert link.watched == 1
    await records.aclose()
    assert link.watched == 0


@pytest.mark.parametrize("text", ["x", "0badcafe", "0badcafe.x", "0badcafe.1;2", "0badcafe." + "9" * 30, "é"])
def test_places_that_are_none(text):
    with pytest.raises(Problem):
        parse_place(text)


def test_a_place_is_read_as_it_is_written():
    place = Place("0badcafe", 12, {5: 3, 1 << 60: 0})
    assert parse_place(place.encode()) == place


@pytest.mark.parametrize(
    "given",
    [("job", "", "", ""), ("", "x", "", ""), ("", "", ",".join(map(str, range(40))), ""), ("", "", "", "x")],
)
def test_interests_that_make_no_sense(given):
    with pytest.raises(Problem):
        parse_interest(*given)


async def read(stream, until):
    """Events of an NDJSON stream until one for which *until* holds."""
    found = []
    async for line in stream.aiter_lines():
        found.append(_json.loads(line))
        if until(found[-1]):
            return found
    return found


async def test_a_listing_and_what_follows_it_with_output(served):
    position = (await served.get(f"{OWN}/jobs", params={"limit": 0})).json()["position"]
    answer = await served.post(f"{OWN}/jobs", json={"command": ["sh", "-c", "echo one; echo two >&2"]})
    jobid = answer.json()["id"]
    params = {"since": position, "output": jobid, "topics": "jobs", "fields": "state"}
    async with served.stream(
        "GET", f"{OWN}/events", params=params, headers={"Accept": "application/x-ndjson"}
    ) as stream:
        assert stream.headers["content-type"].startswith("application/x-ndjson")
        seen = {"end": False, "clean": False}

        def over(record):
            seen["end"] |= record["event"] == "end"
            seen["clean"] |= record["event"] == "job" and record["data"]["name"] == "clean"
            return all(seen.values())

        found = await read(stream, over)
    mine = [record for record in found if record.get("data", {}).get("id") == jobid]
    jobs = [record["data"]["name"] for record in mine if record["event"] == "job"]
    assert (jobs[0], jobs[-1]) == ("submit", "clean")
    output = {
        record["data"]["stream"]: record["data"]["data"] for record in mine if record["event"] == "output"
    }
    assert output == {"stdout": "one\n", "stderr": "two\n"}
    # from the last position nothing comes again
    last = [record["position"] for record in found if "position" in record][-1]
    async with served.stream(
        "GET", f"{OWN}/events", params={**params, "since": last}, headers={"Accept": "application/x-ndjson"}
    ) as stream:
        again = await read(stream, lambda record: record["event"] == "end")
    assert [record["event"] for record in again] == ["hello", "end"]


async def test_a_stopped_queue_is_heard_of(served):
    async with served.stream("GET", f"{OWN}/events?topics=queues", headers=NDJSON) as stream:
        lines = stream.aiter_lines()
        assert _json.loads(await anext(lines))["event"] == "hello"
        await served.app.state.instances.current().queues.look()  # the first look only learns
        await served.post(f"{OWN}/queues/all/stop", json={"reason": "tea"})
        heard = _json.loads(await anext(lines))
        assert (heard["event"], heard["data"]["state"]["stop_reason"]) == ("queue", "tea")
        await served.post(f"{OWN}/queues/all/start")


async def test_a_drained_node_is_heard_of(served):
    async with served.stream("GET", f"{OWN}/events", params={"topics": "resources"}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        assert await anext(lines) != ""
        await served.post(f"{OWN}/resources/drain", json={"targets": "0", "reason": "tea"})
        async for line in lines:
            if line == "event: resource":
                break
        assert _json.loads((await anext(lines)).removeprefix("data: "))["context"]["reason"] == "tea"
        await served.post(f"{OWN}/resources/undrain", json={"targets": "0"})


@pytest.mark.parametrize("parameters", [{"topics": "x"}, {"since": "x"}, {"output": "x"}, {"jobs": "["}])
async def test_what_makes_no_sense_is_refused(api, parameters):
    answer = await api.get(f"{OWN}/events", params=parameters)
    assert answer.status_code == 400
    assert (await api.get(f"{OWN}/events", headers={"Accept": "image/png"})).status_code == 406


def address(client, path):
    return str(client.base_url).replace("http://", "ws://").rstrip("/") + path


async def test_a_socket_hears_the_same_and_may_change_its_mind(served):
    socket = await SocketClient.open(address(served, f"{OWN}/events?topics=resources"))
    assert socket.status == 101
    assert _json.loads(await socket.hear())["event"] == "hello"
    first = (await served.post(f"{OWN}/jobs", json={"command": "echo hello"})).json()["id"]
    socket.say({"topics": ["jobs"], "jobs": [first], "output": [first]})
    heard = []
    while not {"end", "clean"} <= {*heard}:
        record = _json.loads(await socket.hear())
        assert record["data"]["id"] == first
        heard.append(record["data"].get("name", record["event"]))
    assert "output" in heard
    await socket.close()


@pytest.mark.parametrize(
    "message",
    ["x", "[1]", '{"topics":"x"}', '{"topic":[]}', '{"jobs":[1]}', "[" * 9000, b"bytes", "x" * 70000],
)
async def test_a_socket_that_says_nonsense_is_closed(served, message):
    socket = await SocketClient.open(address(served, f"{OWN}/events?topics=resources"))
    socket.say(message)
    while await socket.hear() is not None:
        pass
    assert socket.code in (1003, 1008, 1009)
    await socket.close()


@pytest.mark.parametrize("query", ["topics=x", "topisc=jobs", "since=x"])
async def test_a_socket_is_told_why_it_is_closed(served, query):
    socket = await SocketClient.open(address(served, f"{OWN}/events?{query}"))
    assert await socket.hear() is None
    assert socket.code == 1008
    assert query[:5] in str(socket.reason) or "position" in str(socket.reason)
    await socket.close()


async def test_another_sites_page_opens_no_socket(served):
    socket = await SocketClient.open(address(served, f"{OWN}/events"), {"Origin": "http://evil.example"})
    assert socket.status == 403
    await socket.close()
