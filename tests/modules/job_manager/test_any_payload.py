# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whatever a request holds, it is answered by its own fault or not at all, and the service goes on."""

import errno

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.modules.job_manager import control, jobtap, query, submit, update

WORDS = """
    id urgency severity type note states userid signum dry_run memo volatile updates attrs max_entries jobs
    name enable start all reason nocheckpoint age_limit num_limit batch force mode limit service slice
    query_only load remove context wait_status t_submit flags jobspec data
"""
KEYS = st.sampled_from(WORDS.split())
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(0, 20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "cancel", "limited", "jobspec", "attributes.system.duration", "[0:2]", "x y"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS | st.sampled_from(["attributes.system.duration", "R", "x"]), inner, max_size=5)
    ),
    max_leaves=8,
)
PAYLOADS = st.dictionaries(KEYS, VALUES, max_size=8)

HANDLERS = {
    "submit": lambda m, msg: submit.submit(m, msg.args),
    "urgency": control.urgency,
    "raise": control.raise_,
    "raiseall": control.raiseall,
    "kill": control.kill,
    "killall": control.killall,
    "memo": control.memo,
    "post-event": lambda m, msg: m.port.served["job-manager.post-event.post"](msg),
    "update": update.update,
    "list": query.list_jobs,
    "getattr": query.getattr_,
    "wait": lambda m, msg: m.waits.wait(msg, msg.args["id"]) if type(msg.args.get("id")) is int else None,
    "journal": lambda m, msg: m.journal.open(msg, m.inactive),
    "housekeeping-kill": lambda m, msg: m.housekeeping.kill(msg),
    "sched-hello": lambda m, msg: list(m.hello(msg)),
    "sched-ready": lambda m, msg: m.alloc.ready(msg),
    "alloc-response": lambda m, msg: m.alloc.response(msg.response(msg.args)),
    "exec-hello": lambda m, msg: m.start.hello(msg),
    "exec-response": lambda m, msg: m.start.response(msg.response(msg.args)),
    "queue-enable": lambda m, msg: m.queues.request_enable(msg.args),
    "queue-start": lambda m, msg: m.queues.request_start(msg.args),
    "purge": lambda m, msg: m.purge.request(msg),
    "jobtap": lambda m, msg: jobtap.request(m, msg),
}


EXPECTED = (errno.EPROTO, errno.EINVAL, errno.ENOENT, errno.EPERM, errno.ECHILD)


def refusal(handler, manager, msg):
    """(errno, text) of what a handler answers to a wrong request, None when it took it."""
    try:
        handler(manager, msg)
    except FormatError as error:
        return errno.EPROTO, str(error)
    except OSError as error:
        return error.errno, error.strerror
    return None


@pytest.mark.parametrize("name", list(HANDLERS))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=PAYLOADS, complete=st.booleans())
def test_any_payload(bench, jobspec, name, payload, complete):
    bench = type(bench)()
    manager = bench.manager
    bench.submit(id=1)
    if complete:
        payload = {"id": 1, "type": "cancel", "severity": 0, "userid": -1, "dry_run": False, **payload}
    topic = f"{manager.start.service}.start" if name == "exec-response" else "job-manager.x"
    fault = refusal(HANDLERS[name], manager, bench.request(topic, payload, streaming=True))
    assert fault is None or (fault[0] in EXPECTED and fault[1] and "\n" not in fault[1])
    bench.settle()
    manager.queues.request_enable({"enable": True, "all": True})
    bench.submit(jobspec(), id=2**63 + 2)
    assert manager.active[2**63 + 2].state == 8


def change(value, path, new):
    """A copy of *value* in which what *path* leads to is *new*."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    below = copy[path[0]] if len(path) > 1 else None
    copy[path[0]] = change(below, path[1:], new)
    return copy


PLACES = [
    ["attributes"],
    ["attributes", "system"],
    ["attributes", "system", "duration"],
    ["attributes", "system", "queue"],
    ["attributes", "system", "job"],
    ["attributes", "system", "job", "name"],
    ["attributes", "system", "dependencies"],
    ["attributes", "system", "constraints"],
    ["resources"],
    ["resources", 0],
    ["resources", 0, "count"],
    ["resources", 0, "with"],
    ["tasks"],
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_any_jobspec(bench, jobspec, place, value):
    bench = type(bench)()
    limits = {"job-size": {"max": {"ncores": 10}}, "duration": "1h"}
    bench.manager.jobtap.configure({"policy": {"limits": limits}})
    spec = jobspec(60.0, job={"name": "x"}, dependencies=[], constraints={})
    try:
        bench.submit(change(spec, place, value), id=1)
    except OSError as error:
        refused = error.strerror
    else:
        refused = None
    assert (refused is None) == (1 in bench.manager.active)
    assert refused is None or "\n" not in refused
