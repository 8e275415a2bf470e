# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobspecs that cannot be run: refused with the place and the cause, and the instance serves on."""

import errno
import json
import os
from typing import Any

import pytest

from rosin.handle import Flux
from rosin.job.submission import submit, submit_async
from rosin.rfc import sign
from rosin.rfc.jobspec.build import from_command
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


def jobspec(path: str = "", value: Any = None, command: tuple[str, ...] = ("true",)) -> dict[str, Any]:
    """A good jobspec in which the member at a dotted path is replaced."""
    result = from_command(command, environment={"PATH": os.environ["PATH"]})
    if path:
        *above, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        place: Any = result
        for key in above:
            place = place[key]
        place[last] = value
    return result


BAD = [
    ("foo", 1, "unknown key 'foo'"),
    ("version", 7, "version: expected 1"),
    ("resources.0.count", -1, "resources[0].count: expected an integer >= 1, got -1"),
    ("resources.0.count", 0, "resources[0].count"),
    ("resources.0.count", "x", "resources[0].count"),
    ("resources.0.count", 10**30, "resources[0].count"),
    ("attributes.system.duration", -1, "attributes.system.duration"),
    ("attributes.system.duration", "1h", "attributes.system.duration"),
    ("attributes.system.duration", 1e308, "attributes.system.duration"),
    ("attributes.system.cwd", "/a\0b", "attributes.system.cwd: a path cannot hold a NUL"),
    ("attributes.system.environment", {"A": 5}, "attributes.system.environment.'A': expected a string"),
    ("attributes.system.environment", {"A": "b\0"}, "environment.'A': a value cannot hold a NUL"),
    ("attributes.system.environment", {"A=B": ""}, "'A=B' cannot be the name of a variable"),
    ("attributes.system.environment", {"": "b"}, "'' cannot be the name of a variable"),
    ("attributes.system.queue", "nope", "'nope' is not a valid queue"),
    ("attributes.system.dependencies", [5], "attributes.system.dependencies[0]"),
    ("attributes.system.shell", 5, "attributes.system.shell: expected an object"),
    ("attributes.user", {"deep": json.loads("[" * 400 + "]" * 400)}, "nested deeper than 128 levels"),
    ("tasks", [], "tasks: expected a non-empty array"),
    ("tasks.0.command", [], "tasks[0].command: expected a non-empty array of strings"),
    ("tasks.0.command", ["a\0b"], "tasks[0].command[0]: an argument cannot hold a NUL"),
    ("tasks.0.command", ["true", 10_000_000 * "x"], "an argument of 10000000 bytes is longer"),
    ("tasks.0.command", ["true", *100 * [100_000 * "x"]], "10000004 bytes are more than"),
    ("tasks.0.count", {"per_slot": -1}, "tasks[0].count.per_slot"),
    ("tasks.0.count", {"per_slot": 10**9}, "1000000000 tasks are more than"),
    ("tasks.0.count", {"total": 10**9}, "1000000000 tasks are more than"),
]


@pytest.mark.parametrize(
    ("path", "value", "text"), BAD, ids=[f"{path}-{n}" for n, (path, *_) in enumerate(BAD)]
)
def test_bad_jobspec(real_instance: RealInstance, path: str, value: Any, text: str) -> None:
    with Flux(real_instance.uri) as h:
        with pytest.raises(OSError) as caught:
            submit(h, jobspec(path, value))
        assert caught.value.errno == errno.EINVAL
        assert text in str(caught.value.strerror)
        assert h.rpc("attr.get", {"name": "rank"}).get()["value"] == "0"


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "5", "null", '{"a":"\\ud800"}', "[" * 100_000, '{"version":NaN}', b'{"a":"\xff"}'],
)
def test_payload_that_is_no_jobspec(real_instance: RealInstance, text: str | bytes) -> None:
    with Flux(real_instance.uri) as h:
        with pytest.raises(OSError, match="jobspec: ") as caught:
            submit(h, text)
        assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("change", "errnum"),
    [
        ({"J": 5}, errno.EPROTO),
        ({"J": "junk"}, errno.EINVAL),
        ({"urgency": 99}, errno.EINVAL),
        ({"urgency": -1}, errno.EINVAL),
        ({"flags": 1 << 20}, errno.EPROTO),
        ({"flags": 1 << 70}, errno.EPROTO),
        ({"flags": "x"}, errno.EPROTO),
    ],
)
def test_bad_request(real_instance: RealInstance, change: dict[str, Any], errnum: int) -> None:
    request = {"J": sign.wrap(json.dumps(jobspec()).encode(), os.getuid()), "urgency": 16, "flags": 0}
    with Flux(real_instance.uri) as h:
        with pytest.raises(OSError) as caught:
            h.rpc("job-ingest.submit", {**request, **change}).get()
        assert caught.value.errno == errnum


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("resources.0.count", -1),
        ("resources.0.count", "x"),
        ("resources.0.count", 10**9),
        ("resources.0.count", 1.5),
        ("attributes.system.constraints", {"x": [1]}),
    ],
)
def test_what_is_not_validated_ends_with_the_reason(
    real_instance: RealInstance, path: str, value: Any
) -> None:
    """The owner may skip the validators; the scheduler then says what is wrong."""
    with Flux(real_instance.uri) as h:
        id = submit_async(h, jobspec(path, value), novalidate=True, waitable=True).get_id()
        assert h.rpc("job-manager.wait", {"id": id}).get()["success"] is False
        log = h.rpc("job-info.lookup", {"id": id, "keys": ["eventlog"], "flags": 0}).get()["eventlog"]
        assert '"name":"exception"' in log
        assert '"type":"alloc"' in log


@pytest.mark.parametrize("duration", [-1, 1e15, "x"])
def test_a_duration_that_no_restart_could_read_is_never_stored(
    real_instance: RealInstance, duration: Any
) -> None:
    with Flux(real_instance.uri) as h:
        wrong = jobspec("attributes.system.duration", duration)
        with pytest.raises(OSError, match="duration") as caught:
            submit_async(h, wrong, novalidate=True).get_id()
        assert caught.value.errno == errno.EINVAL
