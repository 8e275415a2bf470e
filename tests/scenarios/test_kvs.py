# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the KVS on rank 0 decides, without a broker and a content store: kvs-*.txt.

Events: ``commit NAME [NAMESPACE:] [no-merge|sync] OPERATION...`` (``KEY=VALUE``, ``KEY=C*N``: a character
N times, ``KEY+=VALUE`` appends, ``-KEY`` removes, ``KEY/`` makes a directory, ``KEY@TARGET`` a link, ``KEY?``
is malformed), ``relay ...`` (the same from another rank), ``turn`` (the loop has seen what came before),
``stored`` and ``not-stored ERRNO|MemoryError`` (the oldest request to the store), ``loaded`` and ``not-loaded
ERRNO``, ``time`` (the timer runs out), ``checkpoint`` (somebody wants one), ``create NAMESPACE [ROOT]``
(``primary``: its root), ``remove NAMESPACE``, ``wait NAME SEQUENCE [NAMESPACE]``, ``lookup NAME KEY``,
``getroot NAME [NAMESPACE]``,
``pause|unpause NAMESPACE``, ``counts [NAMESPACE]``, ``restart [SETTING=0|1...]`` (merge, journaled, cache;
what is in memory is lost), ``limit NAME NUMBER`` (of the storage), ``stop``.

Shown are answers, events, what is to be stored or loaded, and timers. References have six digits.
"""

import errno
import re
import shlex

import pytest

from rosin import _json
from rosin.broker.waiters import Waiters
from rosin.constants import FLUX_KVS_APPEND, FLUX_KVS_NO_MERGE, FLUX_KVS_SYNC, FLUX_ROLE_OWNER
from rosin.modules.kvs import storage
from rosin.modules.kvs.commits import Commits
from rosin.modules.kvs.namespace import CommitRequest, Namespace
from rosin.modules.kvs.objects import Objects
from rosin.modules.kvs.reads import Reads
from rosin.modules.kvs.roots import Requester
from rosin.rfc import treeobj

from .. import transcripts

OWNER = 500
FLAGS = {"no-merge": FLUX_KVS_NO_MERGE, "sync": FLUX_KVS_SYNC}
OPERATION = re.compile(r"(-)?(.+?)(?:(\+?=|@|[/?]$)(.*))?")


def operation(word):
    removal, key, how, text = OPERATION.fullmatch(word).groups()
    if removal:
        dirent = None
    elif how == "?":
        return {"key": key}
    elif how == "/":
        dirent = treeobj.dirobj({})
    elif how == "@":
        dirent = treeobj.symlink(text)
    else:
        char, _, times = text.partition("*")
        dirent = treeobj.val((char * int(times or 1)).encode())
    return {"key": key, "flags": FLUX_KVS_APPEND if how == "+=" else 0, "dirent": dirent}


def short(text):
    return re.sub(r"(sha1-[0-9a-f]{6})[0-9a-f]{34}", r"\1", text)


def shown(payload):
    return "" if payload is None else " " + short(_json.dumps(payload).decode())


class Request:
    """A message with the name that the script gives it."""

    matchtag, userid, rolemask = 0, OWNER, FLUX_ROLE_OWNER

    def __init__(self, name, **args):
        self.name, self.args, self.sender = name, args, name.encode()


class Reply:
    """What the script answers; a coroutine or a callback waits for it."""

    def __init__(self, driver):
        self.driver = driver
        self.over, self.error, self.result = False, None, None
        self.waiting = []

    def done(self):
        return self.over

    def settle(self, result=None, error=None):
        self.over, self.result, self.error = True, result, error
        self.driver.ready += self.waiting

    def set_result(self, result):
        self.settle(result)

    def set_exception(self, error):
        self.settle(error=error)

    def then(self, callback, *args):
        self.waiting.append(lambda: callback(self, *args))

    def get_raw(self):
        if self.error is not None:
            raise self.error
        return self.result

    def __await__(self):
        if not self.over:
            yield self
        return self.get_raw()

    async def raw(self):
        return await self


class Log:
    def __init__(self, lines):
        self.lines = lines

    def error(self, text):
        self.lines.append(f"log error: {text.splitlines()[-1]}")


class Driver:
    """The decisions of rank 0, what is stored, and what surrounds them."""

    def __init__(self, monkeypatch):
        self.monkeypatch = monkeypatch
        self.lines = []
        self.log = Log(self.lines)
        self.blobs, self.root, self.seq = {}, None, 0
        self.do_restart()

    def act(self, line):
        name, *words = shlex.split(line)
        try:
            getattr(self, f"do_{name.replace('-', '_')}")(*words)
            if name not in ("commit", "relay", "lookup", "counts"):
                self.drain()
        except (OSError, LookupError) as error:
            self.lines.append(f"error: {getattr(error, 'strerror', error)}")
        lines = self.lines.copy()
        self.lines.clear()
        return lines

    def drain(self):
        """The loop turns until all wait."""
        while self.ready:
            self.ready.pop(0)()

    def step(self, coro):
        try:
            coro.send(None).waiting.append(lambda: self.step(coro))
        except StopIteration:
            pass

    # -- what the decisions lead to --------------------------------------------------------------------

    def now(self):
        return 1700000000.0

    def call_last(self, callback):
        self.ready.append(callback)

    def call_later(self, seconds, callback):
        self.lines.append(f"timer {seconds:g}")
        self.timer = callback
        return self

    def cancel(self):
        self.lines.append("timer canceled")
        self.timer = None

    def create_task(self, coro):
        self.ready.append(lambda: self.step(coro))

    async def pause(self):
        pass

    def promise(self):
        return Reply(self)

    def fetch(self, missing):
        self.lines.append(f"load {short(' '.join(missing.refs))} at {missing.key or '.'}")
        self.loads.append((missing, Reply(self)))
        return self.loads[-1][1]

    def store(self, commit):
        line = f"store {len(commit.blobs)} blobs"
        if commit.journal:
            line += f", record {commit.journal[0]}"
        if commit.checkpoint:
            line += f", checkpoint{shown(commit.checkpoint)}"
        self.lines.append(line)
        self.stores.append((commit, Reply(self)))
        return self.stores[-1][1]

    async def instance_runs(self):
        return True

    def publish(self, topic, payload):
        self.lines.append(f"publish {topic}{shown(payload)}")

    def respond(self, request, payload=None):
        self.lines.append(f"answer {request.name}{shown(payload)}")

    def respond_error(self, request, errnum, text=None):
        self.lines.append(f"refuse {request.name} {errno.errorcode[errnum]} {text}")

    def respond_exception(self, request, error):
        code = errno.errorcode[error.errno or 0] if isinstance(error, OSError) else type(error).__name__
        self.lines.append(f"refuse {request.name} {code} {getattr(error, 'strerror', error)}")

    # -- what readers ask ------------------------------------------------------------------------------

    def requester(self, msg, args):
        return Requester(msg.userid, msg.rolemask)

    def namespace(self, name, who):
        return self.namespaces[name]

    def storing(self):
        return self.commits.storage.storing(self.primary)

    # -- events ----------------------------------------------------------------------------------------

    def do_restart(self, *settings):
        given = {key: value == "1" for key, _, value in (word.partition("=") for word in settings)}
        self.ready, self.stores, self.loads, self.timer = [], [], [], None
        self.objects = Objects() if given.get("cache", True) else Objects("sha1", 0, 0)
        self.objects.add_directory(self.objects.empty)
        self.namespaces, self.versions = {}, Waiters(self)
        self.primary = Namespace("primary", OWNER, 0, self.root or self.objects.empty.ref, self.seq)
        self.commits = Commits(
            self,
            self.objects,
            self.namespaces,
            self.versions,
            self.primary,
            merge=given.get("merge", True),
            journaled=given.get("journaled", True),
        )
        self.reads = Reads(self)

    def do_commit(self, name, *words):
        self.submit(name, words, Request(name))

    def do_relay(self, name, *words):
        self.submit(name, words, None)

    def submit(self, name, words, msg):
        options = [word for word in words if word in FLAGS or word.endswith(":")]
        flags = FLAGS.get(options[-1], 0) if options else 0
        namespace = options[0][:-1] if options and options[0].endswith(":") else "primary"
        ops = [operation(word) for word in words if word not in options]
        if namespace in self.namespaces:
            self.commits.submit(self.namespaces[namespace], CommitRequest(name, ops, flags, msg))
        else:
            self.commits.refuse(namespace, name, errno.ENOTSUP)

    def do_turn(self):
        pass

    def do_stored(self):
        commit, reply = self.stores.pop(0)
        self.blobs |= {f"sha1-{digest.hex()}": blob for digest, blob in commit.items()}
        if commit.checkpoint:
            self.root, self.seq = commit.checkpoint["rootref"], commit.checkpoint["sequence"]
        reply.settle()

    def do_not_stored(self, code):
        error = (
            MemoryError("full")
            if code == "MemoryError"
            else OSError(getattr(errno, code), "the store says no")
        )
        self.stores.pop(0)[1].settle(error=error)

    def do_loaded(self):
        missing, reply = self.loads.pop(0)
        found = {ref: self.objects.loaded(ref, self.blobs[ref], missing.directory) for ref in missing.refs}
        reply.settle(found)

    def do_not_loaded(self, code):
        self.loads.pop(0)[1].settle(error=OSError(getattr(errno, code), "the store says no"))

    def do_time(self):
        timer, self.timer = self.timer, None
        timer()

    def do_checkpoint(self):
        self.create_task(self.waited(self.commits.storage.checkpoint_soon(self.primary)))

    async def waited(self, steps):
        try:
            await steps
        except OSError as error:
            self.lines.append(f"no checkpoint: {error.strerror}")
        else:
            self.lines.append("checkpoint is stored")

    def do_limit(self, name, number):
        self.monkeypatch.setattr(storage, name, int(number))

    def do_stop(self):
        self.create_task(self.commits.storage.finish(self.primary))

    def do_create(self, name, root=""):
        if root == "primary":
            root = self.primary.root
        self.commits.create(name, OWNER, 0, root or self.objects.empty.ref)

    def do_remove(self, name):
        self.commits.remove(name)

    def do_counts(self, name="primary"):
        root = self.namespaces[name]
        noops, waiting, ready = root.counts()
        self.lines.append(f"{noops} no-ops, {waiting} wait, {ready} may run, {root.commits} done")

    def do_pause(self, name):
        self.namespaces[name].paused = True

    def do_unpause(self, name):
        self.commits.unpause(self.namespaces[name])

    def do_wait(self, name, seq, namespace="primary"):
        self.read(self.reads.wait_version, Request(name, rootseq=int(seq), namespace=namespace))

    def do_lookup(self, name, key):
        self.read(self.reads.lookup, Request(name, key=key, flags=0, namespace="primary"))
        self.drain()

    def do_getroot(self, name, namespace="primary"):
        self.read(self.reads.getroot, Request(name, namespace=namespace))

    def read(self, reader, request):
        answer = self.reads.answer(request, reader)
        if isinstance(answer, dict):
            self.respond(request, answer)


@pytest.mark.parametrize("name", transcripts.find("kvs"))
def test_scenario(name, request, monkeypatch):
    transcripts.check(name, Driver(monkeypatch).act, request.config)
