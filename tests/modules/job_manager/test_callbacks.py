# SPDX-License-Identifier: LGPL-3.0-or-later
"""When plugins are called, and what comes of what goes wrong."""

import pytest

from rosin.errors import FormatError
from rosin.modules.job_manager.plugins import Plugin, Reject, callback
from rosin.modules.job_manager.plugins.builtin import BUILTIN, LOADABLE, find_builtin
from rosin.modules.job_manager.plugins.topics import Callbacks

from .witness import CREATED, STATES, Witness, log, topics


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


@pytest.mark.parametrize("name", [*BUILTIN, *LOADABLE])
def test_plugins_in_the_box_are_as_their_topics_want_them(name):
    """Nobody looks when they are loaded."""
    plugin = find_builtin(name)
    assert plugin is not None
    assert list(vars(Callbacks(object.__new__(plugin))))
