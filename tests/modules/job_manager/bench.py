# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job manager on a bench: its decisions without a broker, and what it sends."""

import errno
from types import SimpleNamespace

from rosin import _json
from rosin.constants import FLUX_NODEID_ANY
from rosin.modules.job_manager.manager import Manager
from rosin.rfc.message import Message

OWNER = 1000
R = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0", "children": {"core": "0-1"}}],
        "starttime": 1_700_000_000.0,
        "expiration": 0.0,
        "nodelist": ["node1"],
    },
}


def make_jobspec(duration=0.0, **system):
    """A version 1 jobspec of one task on one core."""
    return {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": ["true"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": duration, **system}},
    }


class _Timer:
    def __init__(self, when, call):
        self.when, self.call = when, call

    def cancel(self):
        self.call = None


class _Log:
    def __init__(self):
        self.lines = []

    def __getattr__(self, level):
        return lambda text: self.lines.append((level, text))


class Recorder:
    """A port whose clock is set by hand and that writes down all that is asked of it."""

    def __init__(self):
        self.time, self.step = 1_700_000_000.0, 0.0
        self.sent, self.published, self.replies, self.timers = [], [], [], []
        self.rpcs, self.streams, self.served = [], [], {}
        self.log = _Log()

    def now(self):
        return self.time + self.step

    def monotonic(self):
        return self.time

    def wake(self):
        pass

    def respond(self, msg, payload):
        self.replies.append((msg, _json.loads(payload) if isinstance(payload, str) else payload))

    def respond_error(self, msg, errnum, text):
        self.replies.append((msg, OSError(errnum, text)))

    def request(self, topic, payload):
        self.sent.append((topic, payload))

    notify = request

    def rpc(self, topic, payload, done, nodeid=FLUX_NODEID_ANY):
        self.rpcs.append(
            (topic, payload, done) if nodeid == FLUX_NODEID_ANY else (topic, payload, done, nodeid)
        )

    def stream(self, topic, payload, nodeid, each, ended):
        self.streams.append(
            SimpleNamespace(topic=topic, payload=payload, rank=nodeid, each=each, ended=ended)
        )

    def publish(self, topic, payload, private=False):
        self.published.append((topic, payload, private))

    def serve(self, topic, method, allow_guest):
        if topic in self.served:
            raise OSError(errno.EEXIST, f"{topic} is served already")
        self.served[topic] = method

    def unserve(self, topic):
        del self.served[topic]

    def later(self, seconds, call):
        timer = _Timer(self.time + seconds, call)
        self.timers.append(timer)
        return timer

    def advance(self, seconds):
        self.time += seconds
        due = [timer for timer in self.timers if timer.when <= self.time]
        self.timers = [timer for timer in self.timers if timer.when > self.time]
        for timer in due:
            if timer.call is not None:
                timer.call()

    def take(self, topic):
        """The payloads sent to *topic* so far, each once."""
        found = [payload for name, payload in self.sent if name == topic]
        self.sent = [item for item in self.sent if item[0] != topic]
        return found


class Bench:
    """A manager with a recording port, a scheduler and an execution service that answer when told to."""

    def __init__(self):
        self.port = Recorder()
        self.manager = Manager(self.port, OWNER)
        self.next_id = 1

    def store(self):
        """One commit: everything so far is durable."""
        self.manager.flush()
        batch = self.manager.store.take()
        if batch is not None:
            self.manager.store.done()
            self.manager.flush()
        return batch

    def settle(self):
        while self.store() is not None:
            pass

    def request(
        self, topic="x", payload=None, userid=OWNER, rolemask=None, sender=b"client", streaming=False
    ):
        msg = Message.request(topic, payload, flags=0x40 if streaming else 0, matchtag=1)
        msg.userid = userid
        msg.rolemask = (1 if userid == OWNER else 2) if rolemask is None else rolemask
        msg.route = [sender]
        return msg

    def response(self, topic, payload=None, errnum=0):
        return Message.request(topic, payload).response(payload, errnum)

    def submit(self, jobspec=None, urgency=16, flags=0, userid=OWNER, id=None):
        from rosin.modules.job_manager.submit import submit

        if id is None:
            id, self.next_id = self.next_id, self.next_id + 1
        job = {
            "id": id,
            "userid": userid,
            "urgency": urgency,
            "t_submit": self.port.time,
            "flags": flags,
            "jobspec": jobspec or make_jobspec(),
        }
        errors = submit(self.manager, {"jobs": [job]})["errors"]
        if errors:
            raise OSError(errno.EINVAL, errors[0][1])
        return id

    def online(self, mode="unlimited", limit=None, service="job-exec"):
        payload = {"mode": mode} if limit is None else {"mode": mode, "limit": limit}
        self.manager.alloc.ready(self.request(payload=payload, sender=b"sched"))
        if service:
            self.manager.start.hello(self.request(payload={"service": service}, sender=b"exec"))

    def alloc(self, id, type=0, **fields):
        if type == 0:
            fields.setdefault("R", R)
        self.manager.alloc.response(self.response("sched.alloc", {"id": id, "type": type, **fields}))

    def exec(self, id, type, /, **data):
        self.manager.start.response(self.response("job-exec.start", {"id": id, "type": type, "data": data}))

    def run(self, id, status=0):
        """The rest of a job's life after its alloc request."""
        self.settle()
        self.alloc(id)
        self.settle()
        self.exec(id, "start")
        self.exec(id, "finish", status=status)
        self.exec(id, "release", ranks="all", final=True)
        self.settle()

    def events(self, id):
        job = self.manager.active.get(id)
        if job is not None:
            return [_json.loads(line) for line in job.lines]
        return self.manager.inactive[id].record()["events"]

    def names(self, id):
        return [entry["name"] for entry in self.events(id)]

    def job(self, id):
        return self.manager.active[id]
