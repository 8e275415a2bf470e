# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker with made-up job services, in a thread, so that tests block on it as programs do."""

import asyncio
import errno
import json
import threading

import pytest

from rosin.broker.connector import ConnectorLocal
from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.handle.flux import Flux
from rosin.rfc import sign
from rosin.testing import Instance


def line(name, t=1.0, **context):
    return json.dumps({"timestamp": t, "name": name, "context": context}) + "\n"


class Scripted(BrokerModule):
    """Jobs whose command says what becomes of them: ``exit N``, ``signal N``, ``cancel``, ``sleep``.

    The methods of all job services are here; ``requests`` records them.
    """

    name = "job-ingest"
    services = ("job-info", "job-manager", "job-list")

    async def start(self):
        self.logs = {}
        self.watchers = []
        self.requests = []
        self.next_id = 1000

    @request_handler("submit")
    def submit(self, msg):
        jobspec = json.loads(sign.unwrap(msg.args["J"])[0])
        self.requests.append(("submit", {**msg.args, "J": jobspec}))
        if "tasks" not in jobspec:
            raise OSError(errno.EINVAL, "Missing key (tasks)")
        self.next_id += 1
        action, _, value = " ".join(jobspec["tasks"][0]["command"]).partition(" ")
        log = [
            line("submit", userid=0, urgency=16, flags=0, version=1),
            line("alloc", 2.0),
            line("start", 3.0),
        ]
        if action == "exit":
            log += [line("finish", 4.0, status=int(value) << 8), line("clean", 5.0)]
        elif action == "signal":
            log += [line("finish", 4.0, status=int(value)), line("clean", 5.0)]
        elif action == "cancel":
            log = [log[0], line("exception", type="cancel", severity=0, note="no"), line("clean", 5.0)]
        self.logs[self.next_id] = log
        return {"id": self.next_id}

    @request_handler("job-info.eventlog-watch", prefix=False)
    def watch(self, msg):
        self.requests.append(("watch", msg.args))
        log = self.logs.get(msg.args["id"])
        if log is None:
            raise OSError(errno.ENOENT, "No such file or directory")
        for text in log:
            self.respond(msg, {"event": text})
        if '"clean"' in log[-1]:
            self.respond_error(msg, errno.ENODATA)
        else:
            self.watchers.append(msg)
        return DEFERRED

    @request_handler("job-info.eventlog-watch-cancel", prefix=False)
    def cancel_watch(self, msg):
        self.requests.append(("watch-cancel", msg.args))
        for watcher in list(self.watchers):
            if (watcher.sender, watcher.matchtag) == (msg.sender, msg.args["matchtag"]):
                self.watchers.remove(watcher)
                self.respond_error(watcher, errno.ENODATA)
        return DEFERRED

    @request_handler("job-info.lookup", prefix=False)
    def lookup(self, msg):
        if msg.args["id"] not in self.logs:
            raise OSError(errno.ENOENT, "invalid job id")
        answers = {"J": sign.wrap(b'{"env":1}', 0), "jobspec": '{"version":1}', "R": "{}", "eventlog": "x"}
        return {"id": msg.args["id"], **{key: answers[key] for key in msg.args["keys"]}}

    @request_handler("job-manager.raise", prefix=False)
    def raise_(self, msg):
        self.requests.append(("raise", msg.args))
        jobid = msg.args["id"]
        if jobid not in self.logs:
            raise OSError(errno.ENOENT, "unknown job id")
        ending = [
            line("exception", 4.0, type=msg.args["type"], severity=0, note=msg.args.get("note", "")),
            line("clean", 5.0),
        ]
        self.logs[jobid] += ending
        for watcher in [watcher for watcher in self.watchers if watcher.args["id"] == jobid]:
            self.watchers.remove(watcher)
            for text in ending:
                self.respond(watcher, {"event": text})
            self.respond_error(watcher, errno.ENODATA)

    @request_handler("job-manager.wait", prefix=False)
    def wait(self, msg):
        self.requests.append(("wait", msg.args))
        if msg.args["id"] == -1:
            raise OSError(errno.ECHILD, "there are no more waitable jobs")
        return {"id": msg.args["id"], "success": False, "errstr": "task(s) exited with exit code 3"}

    def record(self, msg):
        self.requests.append((msg.topic.partition(".")[2], msg.args))

    @request_handler("job-manager.kill", prefix=False)
    def kill(self, msg):
        self.record(msg)

    @request_handler("job-manager.memo", prefix=False)
    def memo(self, msg):
        self.record(msg)

    @request_handler("job-manager.update", prefix=False)
    def update(self, msg):
        self.record(msg)

    @request_handler("job-manager.urgency", prefix=False)
    def urgency(self, msg):
        self.record(msg)
        return {"old_urgency": 16}

    @request_handler("job-manager.purge", prefix=False)
    def purge(self, msg):
        self.record(msg)
        return {"count": 3}

    @request_handler("job-manager.events-journal", prefix=False)
    def journal(self, msg):
        self.record(msg)
        events = {n: json.loads(line("submit" if n % 2 else "alloc", float(n))) for n in range(1, 7)}
        if msg.args["full"]:
            self.respond(msg, {"id": 2, "events": [events[3], events[4]], "jobspec": {"v": 1}, "R": {"r": 1}})
            self.respond(msg, {"id": 1, "events": [events[1], events[2]]})
            self.respond(msg, {"id": -1, "events": []})
        self.respond(msg, {"id": 3, "events": [events[5]], "jobspec": {"v": 3}})
        self.stream = msg
        return DEFERRED

    @request_handler("job-manager.events-journal-cancel", prefix=False)
    def cancel_journal(self, msg):
        assert msg.args == {"matchtag": self.stream.matchtag}
        self.respond_error(self.stream, errno.ENODATA)
        return DEFERRED

    @request_handler("job-list.list", prefix=False)
    def list_jobs(self, msg):
        self.record(msg)
        jobs = [{"id": n, "state": 64, "result": 1, "waitstatus": 0} for n in (5, 6, 7)]
        if not msg.streaming or msg.args["max_entries"] == 99:  # as the oldest services do
            return {"jobs": jobs}
        self.respond(msg, {"jobs": jobs[:2], "version": 1})
        self.respond(msg, {"jobs": jobs[2:]})
        self.respond_error(msg, errno.ENODATA)
        return DEFERRED

    @request_handler("job-list.list-id", prefix=False)
    def list_id(self, msg):
        self.record(msg)
        if msg.args["id"] == 404:
            raise OSError(errno.ENOENT, "No such file or directory")
        job = {"id": msg.args["id"], "state": 16, "expiration": 0.0, "name": "x", "userid": 0}
        if msg.args["id"] == 8:
            job.update(state=8)
        return {"job": job}


class Served:
    """The broker's socket, and the module behind it."""

    def __init__(self):
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.main()))
        self.error = None

    async def main(self):
        try:
            async with Instance(clock="real") as inst:
                self.loop, self.done = asyncio.get_running_loop(), asyncio.Event()
                self.module = await inst.load(Scripted)
                connector = await inst.load(ConnectorLocal)
                connector.listen()
                self.uri = inst.broker.attrs.get("local-uri")[0]
                self.ready.set()
                await self.done.wait()
        except BaseException as exc:
            self.error = exc
            raise
        finally:
            self.ready.set()

    def start(self):
        self.thread.start()
        assert self.ready.wait(30)
        if self.error:
            raise self.error

    def stop(self):
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.done.set)
            self.thread.join(30)

    @property
    def requests(self):
        return self.module.requests


@pytest.fixture
def served():
    broker = Served()
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def h(served):
    with Flux(served.uri) as handle:
        yield handle
