# SPDX-License-Identifier: LGPL-3.0-or-later
"""What plugins can do with jobs."""

import pytest

from rosin.modules.job_manager import restart
from rosin.modules.job_manager.plugins import Plugin, Reject, callback

from .bench import R
from .witness import Witness, log, topics


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


def test_a_dependency_of_a_job_that_has_none(bench, use):
    """It would have left DEPEND in the same breath."""

    class Late(Plugin):
        name = "late"

        @callback("job.state.depend")
        def depend(self, job):
            self.dependency_add(job, "late")

    plugin = use(Late)
    id = bench.submit()
    assert bench.names(id) == ["submit", "validate", "dependency-add"]
    plugin.dependency_remove(bench.job(id), "late")
    assert bench.names(id)[3:] == ["dependency-remove", "depend", "priority"]


@pytest.mark.parametrize("sent", [True, False])
def test_an_epilog_of_a_job_that_ends_before_it_has_started(bench, use, sent):
    """Its resources would be free in the same breath."""

    class Epilog(Plugin):
        name = "epilog"

        @callback("job.state.cleanup")
        def cleanup(self, job):
            self.epilog_start(job, "e")

    plugin = use(Epilog)
    bench.online()
    id = bench.submit()
    bench.settle()
    if sent:  # resources: else there are none, and the epilog comes before clean
        bench.alloc(id)
    bench.manager.except_(bench.job(id), "cancel", 0)
    if not sent:
        bench.alloc(id, type=3)
    assert bench.names(id)[-2:] == ["exception", "epilog-start"]
    plugin.epilog_finish(bench.job(id), "e")
    assert bench.names(id)[-2 - sent :] == ["epilog-finish", *["free"] * sent, "clean"]


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


def test_an_epilog_begun_for_a_job_that_a_restart_has_ended_keeps_its_resources(bench, use, jobspec):
    class Epilog(Plugin):
        name = "epilog"

        @callback("job.state.cleanup")
        def cleanup(self, job):
            self.epilog_start(job, "e")

    plugin = use(Epilog)
    bench.online()
    id = bench.submit()
    bench.settle()
    bench.alloc(id)
    plugin.prolog_start(bench.job(id), "p")
    bench.settle()
    job = restart.replay(id, b"".join(line + b"\n" for line in bench.job(id).lines), jobspec(), R)
    bench.manager.active.clear()
    restart.load(bench.manager, job)
    restart.resume(bench.manager)
    assert bench.names(id)[-3:] == ["exception", "epilog-start", "release"]
    plugin.epilog_finish(bench.job(id), "e")
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


def test_a_job_that_is_only_looked_at_stands_for_the_real_one(bench, use):
    from rosin.modules.job_manager.update import update

    class Note(Plugin):
        name = "note"

        @callback("job.validate")
        def validate(self, job):
            self.post(job, "memo", {"duration": job.jobspec["attributes"]["system"]["duration"]})

    use(Note)
    id = bench.submit()
    updates = {"attributes.system.job.name": "x"}
    update(bench.manager, bench.request(payload={"id": id, "updates": updates}))
    assert bench.names(id).count("memo") == 2
    assert bench.job(id).annotations == {"user": {"duration": 0.0}}


def test_a_job_that_was_refused_or_is_over_is_none(bench, use):
    class Late(Plugin):
        name = "late"

        @callback("job.create")
        def create(self, job):
            self.later(1.0, lambda: self.post(job, "memo", {"a": 1}))
            if job.urgency == 1:
                raise Reject("no")

    use(Late)
    with pytest.raises(OSError, match="no"):
        bench.submit(urgency=1)
    id = bench.submit()
    bench.manager.except_(bench.job(id), "cancel", 0)
    bench.settle()
    bench.port.advance(1)
    assert bench.store() is None
    assert [line.rpartition(": ")[2] for line in log(bench)] == ["unknown job id", "job is inactive"]


def test_nothing_is_kept_of_jobs_that_are_over(bench, use):
    plugin = use(Witness)
    id = bench.submit()
    job = bench.job(id)
    plugin.aux(job)["x"] = 1
    assert plugin.aux(job) == {"x": 1}
    bench.manager.except_(job, "cancel", 0)
    plugin.aux(job)["x"] = 1
    with pytest.raises(OSError, match="job is inactive"):
        plugin.subscribe(job)
    assert (bench.manager.jobtap._aux, bench.manager.jobtap.subscribers) == ({}, {})


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
