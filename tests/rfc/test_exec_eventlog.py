# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 50: the execution event log."""

import pytest

from rosin.errors import FormatError
from rosin.rfc import eventlog, exec_eventlog, states

LIVE = """\
{"timestamp":1.0,"name":"init"}
{"timestamp":1.1,"name":"starting"}
{"timestamp":1.2,"name":"shell.init","context":{"service":"0-shell-fUKqmFd","leader-rank":0,"size":1}}
{"timestamp":1.3,"name":"shell.start","context":{"taskmap":{"version":1,"map":[[0,1,2,1]]}}}
{"timestamp":1.4,"name":"shell.task-exit","context":{"localid":0,"rank":0,"state":"Exited","wait_status":768}}
{"timestamp":1.5,"name":"shell-exit","context":{"rank":0,"wait_status":768}}
{"timestamp":1.6,"name":"complete","context":{"status":768}}
{"timestamp":1.7,"name":"done"}
"""


def log(*names):
    contexts = {"complete": {"status": 0}, "shell-exit": {"rank": 0, "wait_status": 0}}
    return [eventlog.entry(name, contexts.get(name), 1.0) for name in names]


@pytest.mark.rfc(50, "init-first", "complete", "done-last", "shell-events", "shell-exit", "contexts")
def test_live_log_and_each_of_its_prefixes():
    entries = eventlog.decode_entries(LIVE)
    for end in range(len(entries) + 1):
        exec_eventlog.validate(entries[:end])


# The examples of the text.
EXAMPLES = [
    ("init", {}),
    ("reattach", {}),
    ("starting", {}),
    ("recoverable", {}),
    ("complete", {"status": 0}),
    ("log", {"component": "flux-shell", "stream": "stderr", "rank": "3", "data": "example error message"}),
    ("shell-exit", {"rank": 42, "wait_status": 0, "active_ranks": "43-45"}),
    ("done", {}),
]


@pytest.mark.rfc_vectors(50)
@pytest.mark.rfc(50, "contexts", "starting", "log")
@pytest.mark.parametrize(("name", "context"), EXAMPLES)
def test_examples_of_the_text(name, context):
    states.check_context(name, context, exec_eventlog.EVENTS)
    before = [entry for entry in log("init", "starting") if entry["name"] != name]
    if name not in ("init", "starting"):
        exec_eventlog.validate([*before, eventlog.entry(name, context, 1.0)])
    for key in exec_eventlog.EVENTS[name][0]:
        with pytest.raises(FormatError, match=f"missing field '{key}'"):
            states.check_context(name, {k: v for k, v in context.items() if k != key}, exec_eventlog.EVENTS)


def test_a_long_log():
    exec_eventlog.validate(log("init", "starting", *["shell.log"] * 100_000, "complete", "done"))


@pytest.mark.rfc(50, "reattach", "recoverable")
def test_recovery():
    exec_eventlog.validate(log("init", "starting", "recoverable", "reattach", "reattach", "complete", "done"))
    assert exec_eventlog.is_recoverable(["init", "starting", "recoverable"])
    assert not exec_eventlog.is_recoverable(["init", "starting"])
    assert not exec_eventlog.is_recoverable(["init", "starting", "recoverable", "done"])


@pytest.mark.rfc(50, "init-first", "recoverable", "done-last", "shell-exit")
@pytest.mark.parametrize(
    ("entries", "text"),
    [
        (log("starting"), "event 1: 'starting' comes before init"),
        (log("init", "init"), "event 2: 'init' occurs twice"),
        (log("init", "recoverable"), "event 2: 'recoverable' comes before starting"),
        (log("init", "done", "shell.log"), "event 3: 'shell.log' comes after done"),
        (log("init", "shell-exit", "shell-exit"), "event 3: 'shell-exit' occurs twice"),
    ],
)
def test_disorder(entries, text):
    with pytest.raises(FormatError, match=text):
        exec_eventlog.validate(entries)


def test_contexts_are_checked():
    with pytest.raises(FormatError, match="exec-eventlog: event 2: event complete: missing field 'status'"):
        exec_eventlog.validate([*log("init"), eventlog.entry("complete", None, 1.0)])
    with pytest.raises(FormatError, match="event exception: field 'severity': expected an integer, got '0'"):
        states.check_context("exception", {"type": "cancel", "severity": "0"})
    states.check_context("exception", {"type": "cancel", "severity": 0, "note": "", "more": 1})
    states.check_context("debug.anything", {"free": True})
