# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker small enough to read, for one shell: canned services on a real UNIX socket."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from base64 import b64decode

import pytest

from rosin import _json
from rosin.constants import FLUX_MSGFLAG_STREAMING
from rosin.handle.framing import FrameReader, frame
from rosin.process.zygote import Zygote
from rosin.rfc import eventlog, fluid, ioencode, sign
from rosin.rfc.message import Message
from rosin.shell import PRELOAD, TARGET

JOBID = fluid.parse("ƒ2TwG5P3")
TIMEOUT = 30
OWNER = 1
#: The service of the job's shells.
SERVICE = f"{os.getuid()}-shell-{fluid.encode(JOBID, 'f58plain')}"


def make_jobspec(command, ntasks=1, cores=1, **system):
    system = {"duration": 0, "environment": {"PATH": os.environ["PATH"]}, **system}
    slot = {"type": "slot", "count": ntasks, "label": "task", "with": [{"type": "core", "count": cores}]}
    task = {"command": command, "slot": "task", "count": {"per_slot": 1}}
    return {"version": 1, "resources": [slot], "tasks": [task], "attributes": {"system": system}}


def make_R(ntasks=1, cores=1, expiration=0.0):
    lite = [{"rank": "0", "children": {"core": f"0-{ntasks * cores - 1}" if ntasks * cores > 1 else "0"}}]
    execution = {"R_lite": lite, "starttime": 1.0, "expiration": expiration, "nslots": ntasks}
    return {"version": 1, "execution": execution | {"nodelist": ["testhost"]}}


class FakeBroker:
    """Answers one shell's requests from ``attrs``, ``J`` and ``R``, and keeps what it commits."""

    def __init__(self, directory):
        self.path = str(directory / "local")
        self.attrs = {
            "rank": "0",
            "security.owner": str(os.getuid()),
            "jobid-path": "/",
            "rundir": str(directory),
            "instance-level": "0",
        }
        self.J = self.R = None
        self.requests = []
        self.exceptions = []
        #: Gives the shell's process, which job-exec terminates at an exception.
        self.terminate = None
        self.responses = []
        self.commits = 0
        self.largest = 0
        self.hold_commits = False
        self.commit_error = 0
        self.silent = set()
        self.refused = {}  # topic: error
        self.barrier = 0  # the error of a barrier
        #: Requests to the service of other shells.
        self.peer_requests = []
        #: Called once, when the shell tells of itself.
        self.on_init = self.on_start = lambda: None
        #: Called with each response of the shell.
        self.on_response = lambda msg: None
        self.signals = []  # those before the shell listened: [seq, signum]
        self._seq = 0
        self._held = []
        self._text = {}
        self._changed = threading.Condition()
        self._conn = None
        self._watch = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._stop_r, self._stop_w = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def uri(self):
        return f"local://{self.path}"

    def _run(self):
        reader = FrameReader()
        while True:
            fds = [self._stop_r, self._conn or self._listener]  # one shell after the other
            ready, _, _ = select.select(fds, [], [])
            if self._stop_r in ready:
                return
            if self._conn in ready:
                try:
                    data = self._conn.recv(1 << 20)
                except ConnectionResetError:
                    data = b""
                with self._changed:
                    for msg in reader.feed(data):
                        self._take(msg)
                    self._changed.notify_all()
                if not data:
                    self._conn.close()
                    self._conn = None
            elif self._listener in ready:
                self._conn, _ = self._listener.accept()
                self._conn.sendall(b"\0")
                reader = FrameReader()

    def _take(self, msg):
        if msg.type == 2:
            self.responses.append(msg)
            self.on_response(msg)
            return
        self.requests.append(msg.topic)
        if msg.topic in self.silent:
            return
        if msg.topic in self.refused:
            self._answer(msg, None, self.refused[msg.topic])
            return
        service, _, method = msg.topic.partition(".")
        if service == SERVICE:
            self.peer_requests.append((method, msg.args))
            return
        name = msg.topic.replace(".", "_").replace("-", "_")
        getattr(self, f"_do_{name}", self._answer)(msg)

    def _answer(self, msg, payload=None, errnum=0):
        self._conn.sendall(frame(msg.response(payload, errnum)))

    def _do_attr_get(self, msg):
        name = msg.args["name"]
        if name in self.attrs:
            self._answer(msg, {"value": self.attrs[name], "flags": 1})
        else:
            self._answer(msg, b"no such attribute\0", 2)

    def _do_job_info_lookup(self, msg):
        if self.J is None:
            self._answer(msg, b"no such job\0", 2)
        else:
            self._answer(msg, {"id": msg.args["id"], "J": self.J})

    def _do_job_info_update_watch(self, msg):
        self._watch = msg
        self._answer(msg, {"R": self.R})

    def _do_job_exec_shell_ready(self, msg):
        assert msg.args == {"id": JOBID, "rank": int(self.attrs["rank"])}
        self._answer(msg, {"signals": self.signals})

    def _do_kvs_commit(self, msg):
        assert msg.args["namespace"] == f"job-{JOBID}"
        self.commits += 1
        for op in msg.args["ops"]:
            assert op["flags"] == 32
            text = b64decode(op["dirent"]["data"])
            self.largest = max(self.largest, len(text))
            self._text.setdefault(op["key"], []).append(text)
        if self.commit_error:
            self._answer(msg, None, self.commit_error)
        elif self.hold_commits:
            self._held.append(msg)
        else:
            self._answer(msg, {"rootref": "sha1-00", "rootseq": self.commits})
        told = self.names("exec.eventlog")
        if "shell.init" in told:
            hook, self.on_init = self.on_init, lambda: None
            hook()
        if "shell.start" in told:
            hook, self.on_start = self.on_start, lambda: None
            hook()

    def _do_job_exec_shell_barrier(self, msg):
        self._answer(msg, b"late\0" if self.barrier else None, self.barrier)

    def _do_job_info_eventlog_watch(self, msg):
        """Nobody sends input."""

    def _do_job_manager_raise(self, msg):
        self.exceptions.append(msg.args)
        if self.terminate is not None:
            os.kill(self.terminate(), signal.SIGTERM)
        self._answer(msg)

    # --- for the tests

    def release_commits(self):
        """Answer the commits held so far, and the coming ones at once."""
        with self._changed:
            self.hold_commits = False
            for msg in self._held:
                self._answer(msg, {"rootref": "sha1-00", "rootseq": self.commits})
            self._held = []

    def set_expiration(self, expiration):
        """Change the job's time limit, as an update of R tells it."""
        self._conn.sendall(frame(self._watch.response({"R": make_R(1, expiration=expiration)})))

    def event(self, topic, payload):
        self._seq += 1
        event = Message.event(topic, payload, seq=self._seq)
        event.rolemask = OWNER
        self._conn.sendall(frame(event))

    def notify(self, method, payload, userid=None, rolemask=OWNER, matchtag=1, streaming=False):
        """Send a request to the shell's service."""
        flags = FLUX_MSGFLAG_STREAMING if streaming else 0
        msg = Message.request(f"{SERVICE}.{method}", payload, matchtag=matchtag, flags=flags)
        msg.route, msg.rolemask = [b"client"], rolemask
        msg.userid = os.getuid() if userid is None else userid
        self._conn.sendall(frame(msg))

    def request(self, method, payload, matchtag=1, **sender):
        """Send a request to the shell's service and return the response."""
        self.notify(method, payload, matchtag=matchtag, **sender)
        self.wait(lambda: any(answer.matchtag == matchtag for answer in self.responses))
        return next(answer for answer in self.responses if answer.matchtag == matchtag)

    def wait(self, condition):
        """Wait until something that this broker took makes ``condition()`` true."""
        with self._changed:
            assert self._changed.wait_for(condition, TIMEOUT), self.requests

    def log(self, key):
        """The entries of one of the job's logs."""
        return eventlog.decode(b"".join(self._text.get(key, [])))

    def names(self, key):
        return [event.name for event in self.log(key)]

    def output(self, stream="stdout", rank=None):
        """The bytes of a stream, of one task or of all in order."""
        chunks = [ioencode.decode_data(event.context) for event in self.log("output") if event.name == "data"]
        return b"".join(c.data for c in chunks if c.stream == stream and rank in (None, int(c.rank)))

    def messages(self):
        return [event.context["message"] for event in self.log("output") if event.name == "log"]

    def drop(self):
        """Vanish as a killed broker does."""
        self._conn.shutdown(socket.SHUT_RDWR)

    def close(self):
        os.write(self._stop_w, b"x")
        self._thread.join()
        for thing in (self._listener, self._conn):
            if thing is not None:
                thing.close()
        os.close(self._stop_r)
        os.close(self._stop_w)


@pytest.fixture(scope="session")
def zygote():
    server = Zygote.start(PRELOAD, grace=0.5)
    yield server
    server.close()


class Job:
    """A shell under way, from the zygote."""

    def __init__(self, zygote, broker, argv):
        self._zygote = zygote
        env = {"FLUX_URI": broker.uri, "PATH": os.environ["PATH"]}
        reader, writer = os.pipe()
        self.stderr = reader
        self.spawned = zygote.spawn(TARGET, argv, env, fds={2: writer}, name="test-shell")
        os.close(writer)
        self.pid = zygote.wait_started(self.spawned)

    def wait(self):
        """The shell's exit code, and what it wrote to its own stderr."""
        status = self._zygote.wait(self.spawned)
        with os.fdopen(self.stderr, "rb") as stream:
            self.errors = stream.read().decode()
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def broker(tmp_path):
    server = FakeBroker(tmp_path)
    yield server
    server.close()


@pytest.fixture
def start(broker, zygote):
    """``start(command, ntasks=.., options={..}, ...)`` starts a shell; ``wait()`` on it returns its code."""

    def start(command, ntasks=1, options=None, init=None, expiration=0.0, **system):
        if options is not None:
            system["shell"] = {"options": options}
        spec = make_jobspec(command, ntasks, **system)
        broker.J = sign.wrap(_json.dumps(spec), os.getuid())
        broker.R = make_R(ntasks, expiration=expiration)
        argv = ["rosin-shell", str(JOBID)]
        if init is not None:
            del spec["attributes"]["system"]["environment"]
            handed = {"jobspec": spec, "R": broker.R, "rank": 0, "attrs": broker.attrs}
            if init is not True:
                handed = {key: handed[key] for key in init}
            argv[1:1] = ["--init", _json.dumps(handed).decode()]
        return Job(zygote, broker, argv)

    return start


@pytest.fixture
def run(start):
    """Like ``start``, but waits and returns the exit code."""

    def run(command, **kwargs):
        return start(command, **kwargs).wait()

    return run


@pytest.fixture
def cold(broker):
    """Run a shell as a program of its own; returns (exit code, stderr)."""

    def cold(*words, env=None):
        process = subprocess.run(
            [sys.executable, "-m", "rosin.shell", *words],
            env=env or {"FLUX_URI": broker.uri, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        return process.returncode, process.stderr

    return cold
