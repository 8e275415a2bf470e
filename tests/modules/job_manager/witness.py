# SPDX-License-Identifier: LGPL-3.0-or-later
"""A plugin that writes down all that it is called for."""

from rosin.modules.job_manager.plugins import Plugin, callback
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
