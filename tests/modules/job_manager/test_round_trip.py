# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the service accepts and stores it reads again after a restart, whatever requests hold."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rosin import _json
from rosin.errors import FormatError
from rosin.modules.job_manager import control, restart, submit, update

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(0, 31)
    | FLOATS
    | st.sampled_from(
        [0.0, 60.0, 1e15, 1e300, 1e308, "", "x", "cancel", "debug", "immutable", "after-start=f1"]
    )
    | st.text(max_size=4)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
EVENTS = """
    priority urgency restart flux-restart jobspec-update resource-update set-flags memo start finish exception
    dependency-add dependency-remove release free clean prolog-start prolog-finish epilog-start epilog-finish
    housekeeping-start housekeeping-finish debug x invalidate validate annotations alloc-bypass
"""
FIELDS = """
    priority urgency flags status severity type note description ranks final annotations expiration userid
    attributes.system.duration attributes.system.queue attributes.system.job attributes.system.job.name
    attributes.system.dependencies attributes.system.constraints attributes.system attributes.user.x bypass
"""
NAMES = st.sampled_from(FIELDS.split())
CONTEXTS = st.none() | st.dictionaries(NAMES, VALUES, max_size=3)


def post_event(manager, msg):
    manager.port.served["job-manager.post-event.post"](msg)


def posted(name, context):
    payload = {"id": 1, "name": name}
    return post_event, payload if context is None else {**payload, "context": context}


REQUESTS = st.one_of(
    st.builds(posted, st.sampled_from(EVENTS.split()), CONTEXTS),
    st.builds(
        lambda updates: (update.update, {"id": 1, "updates": updates}),
        st.dictionaries(NAMES.filter(lambda name: "attributes." in name), VALUES, max_size=2),
    ),
    st.builds(lambda memo: (control.memo, {"id": 1, "memo": memo}), VALUES),
    st.builds(lambda value: (control.urgency, {"id": 1, "urgency": value}), SCALARS),
    st.builds(
        lambda severity, kind, note, status: (
            control.raise_,
            {"id": 1, "severity": severity, "type": kind, "note": note, "wait_status": status},
        ),
        SCALARS,
        SCALARS,
        SCALARS,
        SCALARS,
    ),
)


#: What once was stored and could not be read again, or not by everybody.
KNOWN = [
    posted("jobspec-update", {"attributes.system.queue": []}),
    posted("jobspec-update", {"attributes.system.duration": "x"}),
    posted("jobspec-update", {"attributes.system": 3}),
    posted("resource-update", {"expiration": 1e308}),
    posted("priority", {"priority": 2**63}),
    posted("urgency", {"urgency": 99}),
    posted("finish", {"status": 2**63}),
    posted("exception", {"type": "x", "severity": 8, "note": ""}),
    (update.update, {"id": 1, "updates": {"attributes.system.duration": 1e15}}),
    (update.update, {"id": 1, "updates": {"attributes.system.duration": 1e308}}),
    (control.raise_, {"id": 1, "type": "x", "severity": 1, "wait_status": 2**31}),
]


@pytest.mark.parametrize("request_", KNOWN)
@pytest.mark.parametrize("running", [False, True])
def test_what_nobody_could_read_again_is_refused(bench, jobspec, request_, running):
    bench.submit(jobspec(60.0), id=1)
    if running:
        bench.online()
        bench.settle()
        bench.alloc(1)
    bench.settle()
    stored = list(bench.job(1).lines)
    handler, payload = request_
    with pytest.raises((OSError, FormatError)):
        handler(bench.manager, bench.request(payload=payload))
    bench.settle()
    assert bench.job(1).lines == stored


@pytest.mark.parametrize(
    "fields",
    [{"userid": -1}, {"userid": 2**32}, {"flags": -1}, {"flags": 2**31}, {"t_submit": 0}, {"urgency": 32}],
)
def test_a_job_that_could_not_be_read_again_is_refused(bench, jobspec, fields):
    job = {"id": 1, "userid": 1, "urgency": 16, "t_submit": 1.0, "flags": 0, "jobspec": jobspec()}
    try:
        refused = submit.submit(bench.manager, {"jobs": [{**job, **fields}]})["errors"]
    except FormatError:
        refused = True
    assert refused
    assert not bench.manager.active


def state(job):
    """What two jobs must have in common to be the same one."""
    names = (
        "state urgency priority flags queue jobspec annotations dependencies satisfied immutable R t_clean"
    )
    return {name: getattr(job, name) for name in names.split()}


def read_again(bench, jobspec):
    """A manager that reads what *bench* has stored of job 1; the job as it was and as it is replayed."""
    manager = type(bench)().manager
    restart.restore(manager, _json.loads(bench.manager.saved()))
    assert manager.queues.save() == bench.manager.queues.save()
    job = bench.manager.active.get(1)
    if job is None:
        return None
    replayed = restart.replay(1, b"".join(line + b"\n" for line in job.lines), jobspec, job.R)
    assert replayed is not None
    before = state(replayed)
    restart.load(manager, replayed)
    restart.resume(manager)
    manager.jobtap.ask("job.validate", replayed)
    return state(job), before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(REQUESTS, min_size=1, max_size=4),
    st.booleans(),
)
def test_what_requests_store_is_read_again(bench, jobspec, requests, running):
    bench = type(bench)()
    spec = jobspec(60.0, job={"name": "x"})
    bench.submit(spec, id=1)
    bench.settle()
    if running:
        bench.online()
        bench.settle()
        bench.alloc(1, annotations={"sched": {"x": 1}})
        bench.settle()
    for handler, payload in requests:
        try:
            handler(bench.manager, bench.request(payload=payload))
        except (OSError, FormatError):
            pass  # refused, so that nothing of it is stored
        bench.settle()
    same = read_again(bench, spec)
    assert same is None or same[0] == same[1]
