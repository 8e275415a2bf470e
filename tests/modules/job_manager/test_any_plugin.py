# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whatever plugins do, the manager lives, every job ends, and its log says what it was."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rosin import _json
from rosin.constants import FLUX_JOB_STATE_CLEANUP, FLUX_JOB_STATE_INACTIVE
from rosin.errors import FormatError
from rosin.modules.job_manager import restart
from rosin.modules.job_manager.plugins import UNAVAILABLE, Plugin, Reject, callback
from rosin.modules.job_manager.plugins.topics import STATE_TOPICS

from .bench import Bench, R, make_jobspec

TOPICS = ["job.create", "job.validate", "job.new", "job.update", "job.inactive-add", "job.destroy"]
TOPICS += [*STATE_TOPICS.values(), "job.event.*", "job.dependency.x", "job.priority.get"]


def reject(plugin, job):
    raise Reject("no")


def fail(plugin, job):
    raise RuntimeError("oops")


#: What a callback may do; what it returns is taken for a priority by some.
DEEDS = {
    "nothing": lambda plugin, job: None,
    "reject": reject,
    "fail": fail,
    "unavailable": lambda plugin, job: UNAVAILABLE,
    "priority": lambda plugin, job: 7,
    "nonsense": lambda plugin, job: "7",
    "subscribe": lambda plugin, job: plugin.subscribe(job),
    "unsubscribe": lambda plugin, job: plugin.unsubscribe(job),
    "depend": lambda plugin, job: plugin.dependency_add(job, "d"),
    "met": lambda plugin, job: plugin.dependency_remove(job, "d"),
    "warn": lambda plugin, job: (
        plugin.raise_exception(job, "x", 3) if job.state < FLUX_JOB_STATE_INACTIVE else None
    ),
    "end": lambda plugin, job: plugin.raise_exception(job, "x", 0),
    "reprioritize": lambda plugin, job: plugin.reprioritize(job, 9),
    "urgency": lambda plugin, job: plugin.post(job, "urgency", {"urgency": 0, "userid": 1}),
    "wrong event": lambda plugin, job: plugin.post(job, "urgency", {"urgency": "x"}),
    "own event": lambda plugin, job: plugin.post(job, "clean"),
    "annotate": lambda plugin, job: plugin.annotate(job, {"a": 1}),
    "update": lambda plugin, job: plugin.jobspec_update(job, {"attributes.system.bank": "b"}),
    "wrong update": lambda plugin, job: plugin.jobspec_update(job, {"attributes.system.duration": "b"}),
    "prolog": lambda plugin, job: plugin.prolog_start(job, "p"),
    "prolog ends": lambda plugin, job: plugin.prolog_finish(job, "p"),
    "epilog": lambda plugin, job: plugin.epilog_start(job, "e"),
    "epilog ends": lambda plugin, job: plugin.epilog_finish(job, "e"),
    "later": lambda plugin, job: plugin.later(1.0, lambda: plugin.raise_exception(job, "late", 0)),
    "all": lambda plugin, job: plugin.reprioritize_all(),
}


class Any(Plugin):
    """Does what it is told to, three times for each topic and job: a plugin may well go on for ever."""

    name = "any"

    def start(self):
        self.counts = {}

    def act(self, topic, job):
        count = self.counts[topic, job.id] = self.counts.get((topic, job.id), 0) + 1
        return DEEDS[self.conf.get(topic, "nothing")](self, job) if count <= 3 else None


def _acts(topic):
    @callback(topic)
    def method(self, job, *args):
        return self.act(topic, job)

    return method


for _topic in TOPICS:
    setattr(Any, f"on_{_topic}", _acts(_topic))

CONF = st.dictionaries(st.sampled_from(TOPICS), st.sampled_from(sorted(DEEDS)), max_size=6)


def live(bench, plugins, jobspec):
    """Two jobs, of which the first runs as far as the plugins let it; then all are cancelled."""
    for _ in range(2):
        try:
            bench.submit(jobspec)
        except (OSError, FormatError):
            pass  # refused
    bench.online()
    bench.settle()
    for job in list(bench.manager.alloc.sent.values())[:1]:
        bench.alloc(job.id)
        bench.settle()
        for kind, data in (
            ("start", {}),
            ("finish", {"status": 0}),
            ("release", {"ranks": "0", "final": True}),
        ):
            if job.start_pending:
                bench.exec(job.id, kind, **data)
        bench.settle()
    bench.manager.reprioritize_all()
    bench.port.advance(2)
    for plugin in plugins:
        bench.manager.jobtap.discard(plugin)
    for job in list(bench.manager.active.values()):
        while job.perilogs:
            kind = "epilog" if job.state == FLUX_JOB_STATE_CLEANUP else "prolog"
            bench.manager.post(job, f"{kind}-finish", {"description": "?", "status": 0})
        if job.state < FLUX_JOB_STATE_INACTIVE:
            bench.manager.except_(job, "cancel", 0)
    bench.settle()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.lists(CONF, min_size=1, max_size=2), st.booleans())
def test_every_job_ends(confs, depends):
    bench = Bench()
    plugins = []
    for conf in confs:
        plugin = Any(bench.manager, conf)
        plugin.start()
        bench.manager.jobtap.add(plugin)
        plugins.append(plugin)
    jobspec = make_jobspec(60.0, **({"dependencies": [{"scheme": "x", "value": ""}]} if depends else {}))
    live(bench, plugins, jobspec)
    manager = bench.manager
    assert manager.active == {}
    assert (manager.running, manager.alloc.sent, len(manager.alloc.queue)) == (0, {}, 0)
    assert (manager.jobtap.subscribers, manager.jobtap._aux, manager._held) == ({}, {}, None)
    assert not manager._posts
    for id in manager.inactive:
        log = b"".join(_json.dumps(entry) + b"\n" for entry in bench.events(id))
        job = restart.replay(id, log, jobspec, R)
        assert job is not None
        assert job.state == FLUX_JOB_STATE_INACTIVE
        assert job.result() == manager.inactive[id].result
