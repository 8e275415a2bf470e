# SPDX-License-Identifier: LGPL-3.0-or-later
"""What becomes of the shells of a job (RFC 32, RFC 50), without brokers: exec-*.txt.

Events: ``job RANKS [SETTING=VALUE...]`` (a start request, with ``hosts``, ``guest=yes``, ``keep``, the
seconds for which shells outlive their broker, and keys of the table ``[exec]``; the namespace follows);
``again RANKS [SETTING=VALUE...] [EVENT...]`` (one with reattach, after a restart of the broker with
``restarted=yes``, the events in the exec.eventlog, and ``RANK:CODE`` of shells that had ended); ``found
RANK...``, ``gone RANK...`` and ``away RANK...`` (shells of before, the last ones with their brokers);
``started RANK...``; ``ended RANK... STATUS`` (``exit N``
or a signal); ``failed RANK ERRNO [TEXT]``; ``barrier RANK...``; ``timer NAME``; ``critical RANKS``;
``exception TYPE``; ``signalled SIGNUM SEQ`` (an event for the tasks); ``ready RANK [RANK...]`` (a shell
hears of those from now on, and the leader says on which ranks the tasks are over); ``closed`` (the
namespace is part of the primary one).

Shown are the actions: answers to the start request, entries of the exec.eventlog, signals, timers, and so on.
"""

import errno
import os
import shlex
import signal

import pytest

from rosin.modules.job_exec import actions
from rosin.modules.job_exec.allocation import JobNodes
from rosin.modules.job_exec.job import ExecJob, JobHistory
from rosin.modules.job_exec.settings import ExecSettings
from rosin.modules.job_exec.shells import ShellExec
from rosin.process.outcome import exited
from rosin.rfc import fluid
from rosin.rfc.exec_protocol import StartRequest
from rosin.rfc.idset import Idset

from .. import transcripts

NOW = 1000.0
JOBID = fluid.parse("f123")


class Driver:
    """A job, and what happens to its shells."""

    missed = None

    def act(self, line):
        name, *words = shlex.split(line)
        getattr(self, f"do_{name}")(*words)
        told, self.missed = self.missed, None
        lines = [] if told is None else [f"signals {told}"]
        return lines + [line for action in self.job.take() if (line := show(action))]

    def do_again(self, ranks, *words):
        events = [word for word in words if "=" not in word and ":" not in word]
        ended = {
            int(rank): exited(int(code)) for rank, _, code in (w.partition(":") for w in words if ":" in w)
        }
        self.do_job(ranks, *(word for word in words if "=" in word), events=events, ended=ended)

    def do_found(self, *ranks):
        for rank in map(int, ranks):
            self.shells.shell_found(rank, 100 + rank, NOW)

    def do_gone(self, *ranks, away=False):
        for rank in map(int, ranks):
            self.shells.shell_gone(rank, NOW, away=away)

    def do_away(self, *ranks):
        self.do_gone(*ranks, away=True)

    def do_job(self, ranks, *words, events=None, ended=None):
        table = dict(word.split("=", 1) for word in words)
        uid = os.getuid() + (table.pop("guest", "no") == "yes")
        execution = {"R_lite": [{"rank": ranks, "children": {"core": "0"}}], "nodelist": [table.pop("hosts")]}
        request = {
            "id": JOBID,
            "userid": os.getuid(),
            "jobspec": {"version": 1, "attributes": {"system": {}}},
            "R": {"version": 1, "execution": execution},
            "reattach": events is not None,
        }
        keep, restarted = float(table.pop("keep", 0)), table.pop("restarted", "no") == "yes"
        settings = ExecSettings.parse({"exec": table})
        decoded = StartRequest.decode(request)
        self.job = ExecJob(decoded, JobNodes(decoded.R), settings, uid, keep)
        self.shells = ShellExec(self.job)
        self.job.begin(self.shells)
        history = None if events is None else JobHistory(events, NOW - 10, ended, restarted=restarted)
        self.job.namespace_ready(NOW, history)

    def do_started(self, *ranks):
        for rank in map(int, ranks):
            self.shells.shell_started(rank, 100 + rank, NOW)

    def do_ended(self, *words):
        status = int(signal.Signals[words[-1]]) if words[-1].isupper() else exited(int(words[-1]))
        for rank in filter(str.isdigit, words[:-1]):
            self.shells.shell_exited(int(rank), status)

    def do_failed(self, rank, name, text=""):
        number = getattr(errno, name)
        self.shells.shell_failed(int(rank), number, text or os.strerror(number))

    def do_barrier(self, *ranks):
        for rank in map(int, ranks):
            self.shells.enter_barrier(rank, rank)

    def do_timer(self, name):
        self.job.timer(name, NOW)

    def do_signalled(self, signum, seq):
        self.shells.tasks_signalled(int(signum), int(seq))

    def do_ready(self, rank, *over):
        self.missed = self.shells.shell_ready(int(rank), [int(number) for number in over])

    def do_critical(self, ranks):
        self.job.critical_ranks = Idset(ranks)

    def do_exception(self, kind):
        self.job.exception(kind, 0)

    def do_closed(self):
        self.job.moved()


def show(action):
    """An action as a line; None for those that say nothing here."""
    match action:
        case actions.Respond(kind, data):
            return f"answer {kind}{words(data)}"
        case actions.Post(name, context):
            return f"event {name}{words(context or {})}"
        case actions.Launch():
            return "launch"
        case actions.Reattach():
            return "look for the shells"
        case actions.Signal(rank, pid, signum):
            return f"signal {signal.Signals(signum).name} to process {pid} on rank {rank}"
        case actions.SignalTasks(signum):
            return f"signal {signal.Signals(signum).name} to the tasks"
        case actions.Arm(timer, seconds):
            return f"timer {timer} in {seconds:g}s"
        case actions.Disarm(timer):
            return f"no timer {timer}"
        case actions.DrainRanks(ranks, reason):
            return f"drain {ranks.encode()}: {reason}"
        case actions.KeepEnded():
            return "write which have ended"
        case actions.TellLeader(payload):
            return f"tell the leader{words(payload)}"
        case actions.Release(token, number, text):
            error = f"{errno.errorcode[number]} {text or ''}".rstrip() if number else "ok"
            return f"barrier {token}: {error}"
        case actions.Close():
            return "close the namespace"
        case actions.Forget():
            return "forget"
        case actions.DisarmAll():
            return "no timers"
        case actions.LogText(level, text) if level < 6:
            return f"log: {text}"
    return None


def words(data):
    return "".join(f" {key}={value!r}" for key, value in data.items())


@pytest.mark.parametrize("name", transcripts.find("exec"))
def test_scenario(name, pytestconfig):
    transcripts.check(name, Driver().act, pytestconfig)
