# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the job manager does, without a broker: manager-*.txt.

Events: ``online [limited=N]`` (scheduler and execution service offer themselves), ``offline sched|exec``,
``submit ID [KEY=VALUE...]`` (urgency, user, flags, duration, name, queue, dependency), ``alloc ID``,
``deny ID NOTE``, ``canceled ID``, ``annotate ID JSON``, ``exec ID TYPE [JSON]`` (start, finish, release,
exception), ``agree`` and ``disagree TEXT`` (to the last question), ``raise ID TYPE [SEVERITY]``, ``kill ID``,
``urgency ID N``, ``why ID [USER ROLES]``,
``told JSON`` (by the scheduler, to the last question), ``post ID NAME [JSON]``, ``update ID JSON``,
``time SECONDS``, ``queue start|stop``, ``queue disable NAME``, ``purge NUMBER``, ``config JSON``,
``plugin FILE`` (of examples/), ``kvs off|on``, ``restart``.

Shown are events with the state that they lead to, messages that are sent, and commits.
"""

import errno
import shlex
import signal
from pathlib import Path

import pytest

from rosin import _json
from rosin.constants import FLUX_ROLE_OWNER
from rosin.errors import FormatError
from rosin.modules.job_manager import control, restart, update, why
from rosin.modules.job_manager.journal import EventJournal
from rosin.modules.job_manager.manager import Manager
from rosin.modules.job_manager.plugins import load
from rosin.modules.job_manager.settings import ManagerSettings
from rosin.rfc.jobpath import job_key
from rosin.rfc.states import state_name

from .. import transcripts
from ..modules.job_manager.bench import OWNER, Bench, R, Recorder, make_jobspec

EXAMPLES = Path(__file__).parents[2] / "examples"
#: What the transcripts need not repeat.
BULKY = ("jobspec", "R")


def shown(payload):
    """An object in a line."""
    if payload is None:
        return ""
    text = {key: "..." if key in BULKY else value for key, value in payload.items()}
    return f" {_json.dumps(text).decode()}"


class Port(Recorder):
    """Writes down what is sent."""

    def __init__(self, told):
        super().__init__()
        self.told = told

    def request(self, topic, payload):
        self.told.append(f"send {topic}{shown(payload)}")

    notify = request

    def rpc(self, topic, payload, done, nodeid=None):
        self.told.append(f"ask {topic}{shown(payload)}")
        self.rpcs.append(done)

    def publish(self, topic, payload, private=False):
        self.told.append(f"publish {topic}{shown(payload)}")

    def respond(self, msg, payload):
        self.told.append(f"answer{shown(payload)}")

    def respond_error(self, msg, errnum, text):
        self.told.append(f"refuse {text}")


class Told(EventJournal):
    """Writes down the events as they happen, and the states that jobs enter."""

    def __init__(self, port):
        super().__init__(port)
        self.told, self.states = port.told, {}

    def record(self, job, entry):
        super().record(job, entry)
        line = f"{job.id} {entry['name']}{shown(entry.get('context'))}"
        if self.states.get(job.id) != job.state:
            line += f" -> {state_name(job.state)}"
        self.states[job.id] = job.state
        self.told.append(line)


class Driver(Bench):
    """A manager, what it has stored, and what surrounds it."""

    def __init__(self):
        self.lines = []
        self.stored, self.jobspecs = {}, {}
        self.writes = True
        self.begin()

    def begin(self):
        """A manager that knows nothing."""
        self.port = Port(self.lines)
        self.manager = Manager(self.port, OWNER)
        self.manager.journal = self.journal = Told(self.port)

    def act(self, line):
        """Make an event happen; returns what comes of it, until all is stored."""
        name, *words = shlex.split(line)
        try:
            getattr(self, f"do_{name}")(*words)
        except (FormatError, OSError) as error:
            self.lines.append(f"error: {getattr(error, 'strerror', None) or error}")
        self.commit()
        lines = self.lines + [
            f"log {level}: {text}" for level, text in self.port.log.lines if level != "debug"
        ]
        self.lines.clear()
        self.port.log.lines.clear()
        return lines

    def commit(self):
        """Store what there is to be stored, again and again."""
        manager = self.manager
        manager.flush()
        while manager.store.take() is not None:
            if not self.writes:
                self.lines.append("commit fails")
                manager.store.failed(OSError(28, "No space left on device"))
                return
            for op in manager.store.in_flight.changes.ops:
                if op["dirent"] is None:
                    self.lines.append(f"unlink {op['key']}")
                    self.stored = {id: log for id, log in self.stored.items() if job_key(id) != op["key"]}
            for id, lines in manager.store.in_flight.lines.items():
                self.stored.setdefault(id, []).extend(lines)
            self.lines.append("commit")
            manager.store.done()
            manager.flush()

    # -- services -----------------------------------------------------------------------------------

    def do_online(self, mode="unlimited"):
        mode, _, limit = mode.partition("=")
        self.online(mode, int(limit) if limit else None)

    def do_offline(self, who):
        self.manager.disconnected(who.encode())

    def do_alloc(self, id):
        self.alloc(int(id), annotations={"sched": {"resource_summary": "rank0/core[0-1]"}}, R=R)

    def do_deny(self, id, note):
        self.alloc(int(id), 2, note=note)

    def do_canceled(self, id):
        self.alloc(int(id), 3)

    def do_annotate(self, id, annotations):
        self.alloc(int(id), 1, annotations=_json.loads(annotations))

    def do_exec(self, id, kind, data="{}"):
        self.exec(int(id), kind, **_json.loads(data))

    def do_agree(self):
        self.port.rpcs.pop()(None, None)

    def do_disagree(self, text):
        self.port.rpcs.pop()(None, OSError(errno.EINVAL, text))

    def do_kvs(self, state):
        self.writes = state == "on"

    # -- clients ------------------------------------------------------------------------------------

    def do_submit(self, id, *words):
        given = dict(word.split("=", 1) for word in words)
        numbers = {key: int(given.pop(key)) for key in ("urgency", "flags") if key in given}
        userid = int(given.pop("user", OWNER))
        duration = float(given.pop("duration", 0))
        if "name" in given:
            given["job"] = {"name": given.pop("name")}
        if "dependency" in given:
            schemes = [item.split(":", 1) for item in given.pop("dependency").split(",")]
            given["dependencies"] = [{"scheme": scheme, "value": value} for scheme, value in schemes]
        self.jobspecs[int(id)] = spec = make_jobspec(duration, **given)
        self.submit(spec, id=int(id), userid=userid, **numbers)

    def ask(self, handler, **payload):
        answer = handler(self.manager, self.request(payload=payload))
        if answer:
            self.lines.append(f"answer{shown(answer)}")

    def do_raise(self, id, kind, severity="0"):
        self.ask(control.raise_, id=int(id), type=kind, severity=int(severity), note="")

    def do_kill(self, id):
        self.ask(control.kill, id=int(id), signum=int(signal.SIGTERM))

    def do_urgency(self, id, urgency):
        self.ask(control.urgency, id=int(id), urgency=int(urgency))

    def do_update(self, id, updates):
        self.ask(update.update, id=int(id), updates=_json.loads(updates))

    def do_why(self, id, userid=OWNER, rolemask=FLUX_ROLE_OWNER):
        msg = self.request(payload={"id": int(id)})
        msg.userid, msg.rolemask = int(userid), int(rolemask)
        why.request(self.manager, msg)

    def do_told(self, text):
        self.port.rpcs.pop()(_json.loads(text), None)

    def do_post(self, id, name, context="null"):
        self.manager.post(self.job(int(id)), name, _json.loads(context))

    def do_config(self, text):
        config = _json.loads(text)
        self.manager.jobtap.configure(config)
        self.manager.configure(ManagerSettings.parse(config))

    def do_queue(self, what, name=None):
        if what == "disable":
            args = {"name": name, "enable": False, "reason": "maintenance", "all": False}
            self.manager.queues.request_enable(args)
            return
        self.manager.queues.request_start({"start": what == "start", "reason": None, "all": True})
        self.manager.requeue_all()

    def do_purge(self, number):
        request = {"age_limit": -1.0, "num_limit": int(number), "batch": 100, "force": True}
        count = self.manager.purge.request(self.request(payload=request))
        self.lines.append(f"{count} purged")

    def do_plugin(self, name):
        load.load(self.manager.jobtap, str(EXAMPLES / name))

    def do_time(self, seconds):
        self.port.advance(float(seconds))

    def do_restart(self):
        """The broker dies and comes again: what is stored is read."""
        self.begin()
        self.writes = True
        for id, lines in sorted(self.stored.items()):
            log = b"".join(line + b"\n" for line in lines)
            job = restart.replay(id, log, self.jobspecs[id], R if b'"alloc"' in log else None)
            assert job is not None
            restart.load(self.manager, job)
            self.journal.states[id] = job.state
        restart.resume(self.manager)


@pytest.mark.parametrize("name", transcripts.find("manager"))
def test_scenario(name, request):
    transcripts.check(name, Driver().act, request.config)
