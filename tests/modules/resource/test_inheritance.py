# SPDX-License-Identifier: LGPL-3.0-or-later
"""R of an enclosing job: asked for over a real socket, followed, and done without when it cannot be had."""

import asyncio
import errno
import socket
import threading

import pytest

from rosin.constants import FLUX_RPC_STREAMING
from rosin.handle.framing import FrameReader, frame
from rosin.modules.resource.inheritance import Inheritance
from rosin.rfc.rset import ResourceSet
from rosin.testing import Instance


class Parent:
    """Answers the first request on its socket with ``results``: objects, an errno, or None to hang up, after
    which the rest are for the next connection."""

    def __init__(self, path, results):
        self.uri = f"local://{path}"
        self._results = results
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        results = self._results
        while results:
            life, results = results, []
            if None in life[:-1]:
                cut = life.index(None) + 1
                life, results = life[:cut], life[cut:]
            self._serve(life)

    def _serve(self, results):
        conn, _ = self._listener.accept()
        conn.sendall(b"\0")
        reader, messages = FrameReader(), []
        while not messages:
            messages = list(reader.feed(conn.recv(65536)))
        self.request = messages[0]
        for result in results:
            if result is None:
                break
            errnum = result if isinstance(result, int) else 0
            conn.sendall(frame(self.request.response(None if errnum else result, errnum)))
        else:
            while conn.recv(65536):
                pass
        conn.close()

    def join(self):
        self._thread.join()
        self._listener.close()


def r_object(expiration):
    rset = ResourceSet()
    rset.add_rank(7, "n0", 0b110)
    rset.expiration = expiration
    return {"id": 1, "R": rset.encode()}


def machine(rank=0):
    local = ResourceSet()
    local.add_rank(rank, "n0", 0b11)
    return local


@pytest.fixture
def inherit(tmp_path):
    async def inherit(results, count=0):
        parent = Parent(tmp_path / "local", results)
        warnings = []
        attrs = {"parent-uri": parent.uri, "jobid": "ƒ5"}
        inheritance = Inheritance(attrs, warnings.append)
        rset = await inheritance.begin(machine(), 0, 1)
        expirations = []
        if count:
            async for value in inheritance.expirations():
                expirations.append(value)
                if len(expirations) == count:
                    break
        await inheritance.close()
        await asyncio.to_thread(parent.join)
        assert parent.request.topic == "job-info.update-watch"
        assert parent.request.args == {"id": 4, "key": "R", "flags": 0}
        return rset, expirations, warnings

    return inherit


async def test_updates(inherit):
    rset, expirations, warnings = await inherit([r_object(5.0), r_object(9.0)], 1)
    assert (rset.dumps(), rset.expiration, expirations) == ("rank0/core[0-1]", 5.0, [9.0])
    assert warnings == []


async def test_a_parent_that_comes_back(inherit, monkeypatch):
    """It is asked again, and said once that it was away."""
    monkeypatch.setattr("rosin.modules.resource.inheritance.RETRY", 0.0)
    lives = [r_object(5.0), None, errno.ENOSYS, None, r_object(6.0), None, r_object(6.0), r_object(9.0)]
    _, expirations, warnings = await inherit(lives, 3)
    assert expirations == [6.0, 6.0, 9.0]
    assert len(warnings) == 2
    assert warnings[0].startswith("no more news of the enclosing job's R: Lost connection")


async def test_a_parent_that_does_not_know_the_job_any_more(tmp_path):
    parent, warnings = Parent(tmp_path / "local", [r_object(5.0), errno.ENOENT]), []
    inheritance = Inheritance({"parent-uri": parent.uri, "jobid": "ƒ5"}, warnings.append)
    await inheritance.begin(machine(), 0, 1)
    assert [value async for value in inheritance.expirations()] == []
    assert warnings == ["no more news of the enclosing job's R: No such file or directory"]
    await inheritance.close()
    await asyncio.to_thread(parent.join)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (2, "No such file or directory"),
        (61, "its instance has none"),
        ({"R": 5}, "expected"),
        ({"R": {"version": 7}}, "version"),
        (None, "Lost connection"),
    ],
)
async def test_without_r(inherit, result, text):
    rset, _, (warning,) = await inherit([result])
    assert rset is None
    assert warning.startswith("cannot read R of the enclosing job: ")
    assert text in warning


@pytest.mark.parametrize("config", [{"resource": {"rediscover": True}}, {}], ids=["rediscover", "brokers"])
async def test_rediscovered_resources_end_when_the_enclosing_job_does(tmp_path, kvs, groups, config):
    """Where R of the job is not used: by configuration, or with more brokers than it has nodes."""
    size = 1 if config else 2
    parent = Parent(tmp_path / "local", [r_object(5.0), r_object(9.0)])
    attrs = {"parent-uri": parent.uri, "jobid": "ƒ5", "tbon.descendants": str(size - 1)}
    async with Instance([kvs, groups, "resource"], size=size, attrs=attrs, config=config) as upper:
        h = await upper.connect()
        journal = h.rpc("resource.journal", flags=FLUX_RPC_STREAMING)
        if size > 1:
            report = {"count": 1, "resource": machine(1).encode()}
            await h.rpc("resource.topo-reduce", report)
        ends = []
        async for batch in journal:
            for event in batch["events"]:
                if event["name"] == "resource-define":
                    ends.append(batch["R"]["execution"]["expiration"])
                if event["name"] == "resource-update":
                    ends.append(event["context"]["expiration"])
            if 9.0 in ends:
                break
        answer = await h.rpc("resource.get")
        assert (answer["method"], answer["R"]["execution"]["expiration"]) == ("dynamic-discovery", 9.0)
        assert ends == [5.0, 9.0]
    await asyncio.to_thread(parent.join)


async def test_no_parent():
    warnings = []
    assert await Inheritance({}, warnings.append).begin(machine(), 0, 1) is None
    assert warnings == []
    for attrs in ({"parent-uri": "local:///nonexistent", "jobid": "ƒ5"}, {"parent-uri": "x", "jobid": "?"}):
        inheritance = Inheritance(attrs, warnings.append)
        assert await inheritance.begin(machine(), 0, 1) is None
        await inheritance.close()
    assert len(warnings) == 2
