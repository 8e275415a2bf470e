# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: the state machine by golden transcripts, table and property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.constants import (
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_INACTIVE,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_RUN,
    FLUX_JOB_STATE_SCHED,
)
from rosin.errors import FormatError
from rosin.modules.job_manager.event import apply
from rosin.modules.job_manager.job import Job

NEW, DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE = (
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_PRIORITY,
    FLUX_JOB_STATE_SCHED,
    FLUX_JOB_STATE_RUN,
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_INACTIVE,
)

# Contexts as a flux-core 0.88 instance logs them.
SUBMIT = {"userid": 0, "urgency": 16, "flags": 2, "version": 1}
NOTE = {"sched": {"resource_summary": "rank0/core[0-1]"}}
CANCEL = {"type": "cancel", "severity": 0, "note": "", "userid": 0}
TIMEOUT = {"type": "timeout", "severity": 0, "userid": 0, "note": "resource allocation expired"}


def entry(name, context=None):
    made = {"timestamp": 1.0, "name": name}
    if context is not None:
        made["context"] = context
    return made


def new_job():
    return Job(1, {"attributes": {"system": {"duration": 10.0}}})


COMPLETE = [
    ("submit", SUBMIT, NEW),
    ("validate", None, DEPEND),
    ("depend", None, PRIORITY),
    ("priority", {"priority": 16}, SCHED),
    ("debug.alloc-request", None, SCHED),
    ("alloc", {"annotations": NOTE}, RUN),
    ("debug.start-request", None, RUN),
    ("start", None, RUN),
    ("finish", {"status": 768}, CLEANUP),
    ("release", {"ranks": "all", "final": True}, CLEANUP),
    ("free", None, CLEANUP),
    ("clean", None, INACTIVE),
]
HELD_THEN_URGENT = [
    ("submit", {**SUBMIT, "urgency": 0}, NEW),
    ("validate", None, DEPEND),
    ("depend", None, PRIORITY),
    ("priority", {"priority": 0}, SCHED),
    ("urgency", {"userid": 0, "urgency": 20}, PRIORITY),
    ("priority", {"priority": 20}, SCHED),
    ("alloc", None, RUN),
]
CANCELED_RUNNING = [
    *COMPLETE[:8],
    ("exception", CANCEL, CLEANUP),
    ("finish", {"status": 36608}, CLEANUP),
    ("release", {"ranks": "all", "final": True}, CLEANUP),
    ("free", None, CLEANUP),
    ("clean", None, INACTIVE),
]
IMPOSSIBLE_DEPENDENCY = [
    ("submit", SUBMIT, NEW),
    ("dependency-add", {"description": "after-success=f1"}, NEW),
    ("validate", None, DEPEND),
    ("exception", {"type": "dependency", "severity": 0, "note": "", "userid": 0}, CLEANUP),
    ("clean", None, INACTIVE),
]
EXTENDED = [
    *COMPLETE[:8],
    ("jobspec-update", {"attributes.system.duration": 60.0}, RUN),
    ("resource-update", {"expiration": 70.5}, RUN),
]
RESTARTED = [*COMPLETE[:4], ("flux-restart", None, PRIORITY), ("priority", {"priority": 16}, SCHED)]
UPDATED_PENDING = [
    *COMPLETE[:4],
    ("jobspec-update", {"attributes.system.duration": 60.0}, PRIORITY),
    ("priority", {"priority": 16}, SCHED),
]
TRANSCRIPTS = [
    COMPLETE,
    HELD_THEN_URGENT,
    CANCELED_RUNNING,
    IMPOSSIBLE_DEPENDENCY,
    EXTENDED,
    RESTARTED,
    UPDATED_PENDING,
]


@pytest.mark.parametrize("transcript", TRANSCRIPTS)
def test_every_prefix_of_a_log_gives_its_state(transcript):
    job = new_job()
    for name, context, state in transcript:
        apply(job, entry(name, context))
        assert job.state == state, name


def in_state(state):
    """A job in *state*, by the shortest way."""
    job = new_job()
    for name, context, reached in COMPLETE:
        if job.state == state and name != "submit":
            break
        apply(job, entry(name, context))
        if reached == state and state != NEW:
            break
    job.posting = 0
    return job


# RFC 21: event -> {state before: state after}; states that are not named stay.
TABLE = {
    ("validate", None): {NEW: DEPEND},
    ("depend", None): {DEPEND: PRIORITY},
    ("priority", (("priority", 5),)): {PRIORITY: SCHED},
    ("alloc", None): {SCHED: RUN},
    ("start", None): {},
    ("finish", (("status", 0),)): {RUN: CLEANUP},
    ("release", (("ranks", "0"), ("final", True))): {},
    ("free", None): {},
    ("clean", None): {CLEANUP: INACTIVE},
    ("flux-restart", None): {SCHED: PRIORITY},
    ("urgency", (("urgency", 20), ("userid", 0))): {SCHED: PRIORITY},
    ("jobspec-update", (("attributes.system.duration", 3.0),)): {SCHED: PRIORITY},
    ("resource-update", (("expiration", 3),)): {},
    ("memo", (("a", 1),)): {},
    ("set-flags", (("flags", ("debug",)),)): {},
    ("exception", (("type", "x"), ("severity", 1), ("note", ""))): {},
    ("exception", (("type", "x"), ("severity", 0), ("note", ""))): dict.fromkeys(
        (DEPEND, PRIORITY, SCHED, RUN), CLEANUP
    ),
    ("debug.anything", None): {},
    ("of-a-later-release", (("x", 1),)): {},
}


@pytest.mark.parametrize("state", [NEW, DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE])
@pytest.mark.parametrize("event", list(TABLE))
def test_transition_table(state, event):
    job = in_state(state)
    assert job.state == state
    context = None if event[1] is None else {k: list(v) if k == "flags" else v for k, v in event[1]}
    apply(job, entry(event[0], context))
    assert job.state == TABLE[event].get(state, state)


def test_unversioned_submit_needs_no_validate():
    job = new_job()
    apply(job, entry("submit", {"userid": 0, "urgency": 16, "flags": 0}))
    assert job.state == DEPEND


@pytest.mark.rfc(21, "root-cause")
def test_first_fatal_exception_is_the_root_cause():
    job = in_state(RUN)
    apply(job, entry("exception", {"type": "exec", "severity": 2, "note": ""}))
    apply(job, entry("exception", TIMEOUT))
    apply(job, entry("exception", CANCEL))
    apply(job, entry("finish", {"status": 36352}))
    assert job.end_event == ("exception", TIMEOUT)
    assert job.result() == 8


@pytest.mark.rfc(21, "prolog")
def test_open_prolog_blocks_the_start():
    job = in_state(SCHED)
    apply(job, entry("prolog-start", {"description": "p"}))
    assert apply(job, entry("alloc")) == ()
    assert apply(job, entry("prolog-finish", {"description": "p", "status": 0})) == ("start",)


@pytest.mark.rfc(21, "epilog")
def test_open_epilog_blocks_freeing():
    job = in_state(RUN)
    job.start_pending = True
    apply(job, entry("finish", {"status": 0}))
    apply(job, entry("epilog-start", {"description": "e"}))
    job.start_pending = False
    assert apply(job, entry("release", {"ranks": "all", "final": True})) == ()
    assert apply(job, entry("epilog-finish", {"description": "e", "status": 0})) == ("free",)


def test_what_comes_too_late_or_too_early_blocks_nothing():
    """Anybody may log such an event, which nobody would ever end."""
    job = in_state(RUN)
    job.start_pending = True
    for name in ("prolog-start", "epilog-start"):
        apply(job, entry(name, {"description": "x"}))
    assert job.perilogs == 0
    apply(job, entry("finish", {"status": 0}))
    apply(job, entry("epilog-start", {"description": "x"}))
    apply(job, entry("prolog-finish", {"description": "x", "status": 0}))
    assert job.perilogs == 1


def test_cleanup_waits_for_the_execution_service():
    job = in_state(RUN)
    job.start_pending = True
    assert apply(job, entry("exception", CANCEL)) == ()
    assert apply(job, entry("finish", {"status": 9})) == ()
    job.start_pending = False
    assert apply(job, entry("release", {"ranks": "all", "final": True})) == ("free",)
    assert apply(job, entry("free")) == ("clean",)
    assert apply(job, entry("clean")) == ("retire",)


def test_an_action_is_asked_for_once():
    job = in_state(NEW)
    assert apply(job, entry("validate")) == ("depend",)
    assert apply(job, entry("memo", {"a": 1})) == ()
    assert apply(job, entry("depend")) == ("priority",)
    assert apply(job, entry("memo", {"a": 1})) == ()


def test_scheduler_restart_takes_the_resources():
    job = in_state(RUN)
    actions = apply(job, entry("exception", {"type": "scheduler-restart", "severity": 0, "note": ""}))
    assert not job.has_resources
    assert actions == ("clean",)


@pytest.mark.rfc(21, "memo")
def test_memo_merges_and_null_deletes():
    job = in_state(SCHED)
    apply(job, entry("memo", {"a": {"b": 1, "c": 2}, "d": 3}))
    apply(job, entry("memo", {"a": {"b": None}, "d": None}))
    assert job.annotations == {"user": {"a": {"c": 2}}}
    apply(job, entry("memo", {"a": None}))
    assert job.annotations is None


@pytest.mark.rfc(21, "jobspec-update", "resource-update")
def test_updates_do_not_change_shared_objects():
    job = in_state(RUN)
    before, copy = job.jobspec, {"attributes": {"system": {"duration": 10.0}}}
    job.R = {"execution": {"expiration": 1.0, "R_lite": []}}
    R = job.R
    apply(job, entry("jobspec-update", {"attributes.system.duration": 99.0, "attributes.user.x.y": 1}))
    apply(job, entry("resource-update", {"expiration": 50}))
    assert before == copy
    assert R["execution"]["expiration"] == 1.0
    assert job.jobspec == {"attributes": {"system": {"duration": 99.0}, "user": {"x": {"y": 1}}}}
    assert job.R == {"execution": {"expiration": 50.0, "R_lite": []}}


@pytest.mark.rfc(21, "contexts", "dependency-match")
@pytest.mark.parametrize(
    ("name", "context"),
    [
        ("submit", {"userid": "x", "urgency": 16, "flags": 0}),
        ("priority", {}),
        ("urgency", {"urgency": "high"}),
        ("exception", {"severity": 0}),
        ("finish", {"status": "ok"}),
        ("release", {"ranks": "all"}),
        ("dependency-add", {}),
        ("dependency-remove", {"description": "never added"}),
        ("jobspec-update", {"tasks": []}),
        ("jobspec-update", {"attributes.system.duration.x": 1}),
        ("set-flags", {"flags": ["unheard-of"]}),
        ("memo", [1]),
    ],
)
def test_wrong_contexts_are_refused(name, context):
    job = in_state(SCHED) if name not in ("dependency-add", "dependency-remove") else in_state(DEPEND)
    with pytest.raises(FormatError):
        apply(job, entry(name, context))


EVENTS = st.sampled_from(
    [
        (name, None if context is None else {k: list(v) if k == "flags" else v for k, v in context})
        for name, context in TABLE
    ]
    + [("submit", SUBMIT), ("prolog-start", {"description": "x"}), ("epilog-finish", {"description": "x"})]
)


@given(st.lists(EVENTS, max_size=30))
def test_replay_reproduces_any_log(events):
    lived, replayed = new_job(), new_job()
    order = [NEW, DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE]
    logged = []
    for name, context in events:
        before = lived.state
        try:
            apply(lived, entry(name, context))
        except FormatError:
            assert lived.state == before
            continue
        logged.append(entry(name, context))
        steps = order.index(lived.state) - order.index(before)
        assert steps >= 0 or (before, lived.state) == (SCHED, PRIORITY)
        assert lived.state != CLEANUP or lived.end_event is not None
    for item in logged:
        apply(replayed, item)
    for slot in Job.__slots__:
        assert getattr(lived, slot) == getattr(replayed, slot)
