# SPDX-License-Identifier: LGPL-3.0-or-later
"""When plugins are called, and what they can do."""

import pytest

from rosin.errors import FormatError
from rosin.modules.job_manager import restart
from rosin.modules.job_manager.plugins import Plugin, Reject, callback
from rosin.modules.job_manager.plugins.topics import STATE_TOPICS

CREATED = ["job.create", "job.validate", "job.new"]
STATES = [f"job.state.{name}" for name in ("depend", "priority", "sched", "run", "cleanup", "inactive")]


class Witness(Plugin):
    """Writes down all that it is called for."""

    name = "witness"

    def start(self):
        self.seen = []

    @callback("conf.update")
    def conf(self, config):
        pass


def _watch(topic):
    @callback(topic)
    def method(self, job, *args):
        self.seen.append((topic, job.id, *args))

    return method


for _topic in (*CREATED, *STATE_TOPICS.values(), "job.inactive-add", "job.inactive-remove", "job.destroy"):
    setattr(Witness, f"on_{_topic.replace('.', '_').replace('-', '_')}", _watch(_topic))


def topics(plugin, id):
    return [topic for topic, job, *_ in plugin.seen if job == id]


def log(bench):
    return [text for level, text in bench.port.log.lines if level == "error"]


def test_the_topics_of_a_life(bench, use):
    witness = use(Witness)
    bench.online()
    id = bench.submit()
    bench.run(id)
    assert topics(witness, id) == [*CREATED, *STATES, "job.inactive-add", "job.destroy"]
    bench.manager.purge.purge_id(id, True)
    assert topics(witness, id)[-1] == "job.inactive-remove"


def test_the_topics_of_a_job_that_is_refused(bench, use):
    class No(Plugin):
        name = "no"

        @callback("job.validate")
        def validate(self, job):
            self.aux(job)["x"] = 1
            self.post(job, "memo", {"a": 1})
            raise Reject("because")

    use(No)
    witness = use(Witness)
    with pytest.raises(OSError, match="because"):
        bench.submit()
    assert topics(witness, 1) == ["job.create", "job.destroy"]
    assert bench.manager.jobtap._aux == {}
    assert bench.store() is None


def test_a_plugin_that_fails_refuses_the_job_and_the_log_says_why(bench, use):
    class Broken(Plugin):
        name = "broken"

        @callback("job.create")
        def create(self, job):
            raise KeyError("oops")

    use(Broken)
    with pytest.raises(OSError, match="rejected by job-manager plugin"):
        bench.submit()
    assert "jobtap: broken: job.create: ƒ2: Traceback" in log(bench)[0]
    assert "KeyError: 'oops'" in log(bench)[0]


@pytest.mark.parametrize("topic", ["job.new", *STATES, "job.inactive-add", "job.destroy", "job.priority.get"])
def test_a_plugin_that_fails_wedges_nothing(bench, use, topic):
    class Broken(Plugin):
        name = "broken"

        @callback(topic)
        def fail(self, job):
            raise RuntimeError("oops")

    use(Broken)
    witness = use(Witness)
    bench.online()
    id = bench.submit()
    bench.manager.reprioritize_all()
    bench.run(id)
    assert topics(witness, id) == [*CREATED, *STATES, "job.inactive-add", "job.destroy"]
    assert bench.names(id)[-1] == "clean"
    assert len(log(bench)) == 1


def test_a_wrong_event_of_a_plugin_is_refused_alone(bench, use):
    class Wrong(Plugin):
        name = "wrong"

        @callback("job.state.depend")
        def depend(self, job):
            self.post(job, "urgency", {"urgency": 99})
            self.post(job, "memo", {"a": 1})

    plugin = use(Wrong)
    id = bench.submit()
    assert bench.names(id) == ["submit", "validate", "memo", "depend", "priority"]
    assert "event refused: " in log(bench)[0]
    with pytest.raises(FormatError):
        plugin.post(bench.job(id), "urgency", {"urgency": 99})
    with pytest.raises(OSError, match="posted by the job manager only"):
        plugin.post(bench.job(id), "clean")


class Gate(Plugin):
    """Jobs wait until the gate is opened."""

    name = "gate"

    @callback("job.dependency.gate")
    def depends(self, job, dependency):
        if not dependency["value"]:
            raise Reject("gate: which?")
        self.dependency_add(job, f"gate={dependency['value']}")


def test_a_scheme_of_a_plugin(bench, use, jobspec):
    plugin = use(Gate)
    with pytest.raises(OSError, match="gate: which"):
        bench.submit(jobspec(dependencies=[{"scheme": "gate", "value": ""}]))
    id = bench.submit(jobspec(dependencies=[{"scheme": "gate", "value": "x"}] * 2))
    assert bench.names(id) == ["submit", "dependency-add", "validate"]
    plugin.dependency_remove(bench.job(id), "gate=y")
    plugin.dependency_remove(bench.job(id), "gate=x")
    assert bench.names(id)[3:] == ["dependency-remove", "depend", "priority"]
    with pytest.raises(OSError, match="dependency-add: not in this state"):
        plugin.dependency_add(bench.job(id), "gate=z")


def test_a_restart_without_the_plugin_of_a_scheme_loses_no_job(bench, use, jobspec):
    use(Gate)
    spec = jobspec(dependencies=[{"scheme": "gate", "value": "x"}])
    id = bench.submit(spec)
    stored = b"".join(line + b"\n" for line in bench.job(id).lines)
    bench.__init__()
    witness = use(Witness)
    job = restart.replay(id, stored, spec, None)
    restart.load(bench.manager, job)
    restart.resume(bench.manager)
    assert topics(witness, id) == ["job.create", "job.new", "job.state.depend"]
    context = bench.events(id)[-1]["context"]
    assert (context["type"], context["severity"]) == ("dependency", 4)
    assert context["note"].endswith("(job may be stuck in DEPEND state)")
    plugin = Gate(bench.manager, {})
    bench.manager.jobtap.add(plugin)
    bench.manager.jobtap.tell_dependencies(plugin, job)
    assert bench.names(id).count("dependency-add") == 1
    plugin.dependency_remove(job, "gate=x")
    assert bench.names(id)[-2:] == ["depend", "priority"]


def test_prologs_and_epilogs(bench, use):
    class Perilog(Plugin):
        name = "perilog"

        @callback("job.state.run")
        def run(self, job):
            self.prolog_start(job, "p")

        @callback("job.state.cleanup")
        def cleanup(self, job):
            self.epilog_start(job, "e")

    plugin = use(Perilog)
    bench.online()
    id = bench.submit()
    bench.settle()
    bench.alloc(id)
    bench.settle()
    assert bench.port.take("job-exec.start") == []
    plugin.prolog_finish(bench.job(id), "p")
    bench.settle()
    assert [request["id"] for request in bench.port.take("job-exec.start")] == [id]
    with pytest.raises(OSError, match="prolog-start: the job has been started"):
        plugin.prolog_start(bench.job(id), "q")
    with pytest.raises(OSError, match="epilog-start: not in this state"):
        plugin.epilog_start(bench.job(id), "e")
    bench.exec(id, "start")
    bench.exec(id, "finish", status=0)
    bench.exec(id, "release", ranks="all", final=True)
    assert bench.names(id)[-2:] == ["epilog-start", "release"]
    plugin.epilog_finish(bench.job(id), "e", 256)
    assert bench.names(id)[-3:] == ["epilog-finish", "free", "clean"]


def test_events_come_to_those_that_have_subscribed(bench, use):
    class Events(Plugin):
        name = "events"

        def start(self):
            self.seen = []

        @callback("job.event.*")
        def event(self, job, entry):
            self.seen.append(entry["name"])
            if entry["name"] == "memo":
                self.unsubscribe(job)

        @callback("job.new")
        def new(self, job):
            if job.id == 1:
                self.subscribe(job)
                self.subscribe(job)

    plugin = use(Events)
    bench.submit(id=1)
    bench.submit(id=2)
    bench.manager.post(bench.job(1), "memo", {"a": 1})
    bench.manager.post(bench.job(1), "memo", {"a": 2})
    assert plugin.seen == ["validate", "depend", "priority", "memo"]
    plugin.subscribe(bench.job(1))
    bench.manager.except_(bench.job(1), "cancel", 0)
    assert bench.manager.jobtap.subscribers == {}


def test_a_jobspec_that_a_plugin_changes(bench, use):
    class Bank(Plugin):
        name = "bank"

        @callback("job.create")
        def create(self, job):
            self.jobspec_update(job, {"attributes.system.bank": "b"})

        @callback("job.validate")
        def validate(self, job):
            assert job.jobspec["attributes"]["system"]["bank"] == "b"

        @callback("job.update")
        def updated(self, job, updates):
            self.aux(job)["updates"] = updates

    plugin = use(Bank)
    id = bench.submit()
    assert bench.names(id)[:3] == ["submit", "jobspec-update", "validate"]
    plugin.jobspec_update(bench.job(id), {"attributes.system.bank": "c"})
    assert plugin.aux(bench.job(id)) == {"updates": {"attributes.system.bank": "c"}}


def test_an_update_that_a_plugin_takes(bench, use, jobspec):
    from rosin.modules.job_manager.update import update

    class Bank(Plugin):
        name = "bank"

        @callback("job.update.attributes.system.bank")
        def update(self, job, update):
            if update.value == "closed":
                raise Reject("bank: it is closed")
            update.changes["attributes.system.branch"] = update.userid

    use(Bank)
    id = bench.submit()

    def ask(bank):
        update(bench.manager, bench.request(payload={"id": id, "updates": {"attributes.system.bank": bank}}))

    ask("b")
    system = bench.job(id).jobspec["attributes"]["system"]
    assert (system["bank"], system["branch"]) == ("b", bench.manager.owner)
    with pytest.raises(OSError, match="bank: it is closed"):
        ask("closed")


def test_exceptions_annotations_and_timers(bench, use):
    class Busy(Plugin):
        name = "busy"

        @callback("job.create")
        def create(self, job):
            if job.urgency == 1:
                self.raise_exception(job, "policy", 0, "not so slow")
            self.raise_exception(job, "policy", 2, "slow")

        @callback("job.state.sched")
        def sched(self, job):
            self.annotate(job, {"sched": {"reason": "busy"}})
            self.later(10.0, lambda: self.raise_exception(self.lookup(job.id), "policy", 0, "too late"))
            self.aux(job)["timer"] = self.later(5.0, lambda: 1 / 0)

    plugin = use(Busy)
    with pytest.raises(OSError, match="not so slow"):
        bench.submit(urgency=1)
    id = bench.submit()
    assert bench.names(id)[:2] == ["submit", "exception"]
    assert bench.job(id).annotations == {"sched": {"reason": "busy"}}
    bench.port.advance(5)
    assert "ZeroDivisionError" in log(bench)[0]
    other = bench.submit()
    plugin.cancel(plugin.aux(bench.job(other))["timer"])
    bench.port.advance(5)
    assert bench.names(id)[-2:] == ["exception", "clean"]
    bench.manager.jobtap.discard(plugin)
    bench.port.advance(100)
    assert other in bench.manager.active
    assert len(log(bench)) == 1


def test_what_a_plugin_keeps_goes_with_it(bench, use):
    plugin = use(Witness)
    id = bench.submit(urgency=0)
    plugin.aux(bench.job(id))["x"] = 1
    plugin.subscribe(bench.job(id))
    bench.manager.jobtap.discard(plugin)
    assert plugin.aux(bench.job(id)) == {}
    assert bench.manager.jobtap.subscribers == {}


def test_answers_come_to_plugins_that_are_there(bench, use):
    plugin, got = use(Witness), []
    plugin.rpc("x.y", {"z": 1}, lambda answer, error: got.append((answer, error)))
    plugin.rpc("x.y", {"z": 1}, lambda answer, error: answer["nothing"])
    (topic, payload, first), (_, _, second) = bench.port.rpcs
    assert (topic, payload) == ("x.y", {"z": 1})
    first({"a": 1}, None)
    second({"a": 1}, None)
    assert "KeyError: 'nothing'" in log(bench)[0]
    bench.manager.jobtap.discard(plugin)
    first({"a": 2}, None)
    assert got == [({"a": 1}, None)]


def test_names_that_users_choose_cost_no_memory(bench, jobspec):
    for number in range(400):
        with pytest.raises(OSError, match="not supported"):
            bench.submit(jobspec(dependencies=[{"scheme": f"x{number}", "value": ""}]))
    assert len(bench.manager.jobtap._found) <= 256


def test_a_job_that_is_refused_waits_for_nothing(bench, jobspec):
    bench.submit(urgency=0)
    dependencies = [("afterany", "1"), ("begin-time", "1800000000"), ("singleton", ""), ("nonsense", "")]
    spec = jobspec(
        job={"name": "x"}, dependencies=[{"scheme": scheme, "value": value} for scheme, value in dependencies]
    )
    with pytest.raises(OSError, match="not supported"):
        bench.submit(spec)
    assert [timer for timer in bench.port.timers if timer.call is not None] == []
    after = bench.manager.jobtap.find("job.dependency.afterany")[0][0]
    assert (after._dependents, after._targets) == ({}, {})
    bench.submit(jobspec(job={"name": "x"}, dependencies=[{"scheme": "singleton", "value": ""}]))
    assert bench.names(3)[-1] == "priority"
