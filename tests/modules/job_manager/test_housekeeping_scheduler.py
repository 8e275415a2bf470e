# SPDX-License-Identifier: LGPL-3.0-or-later
"""Housekeeping while schedulers come and go."""

import errno

from rosin.rfc import fluid

from .test_housekeeping import configure, end, freed, kills, run, running


def hello(bench, partial=True, sender=b"sched"):
    return list(bench.manager.hello(bench.request(payload={"partial-ok": partial}, sender=sender)))


def test_a_new_scheduler_is_told_what_housekeeping_holds(bench):
    bench.online()
    configure(bench, **{"release-after": "0"})
    id = run(bench)
    held = {"id": id, "priority": 16, "userid": 1000, "t_submit": bench.port.time}
    assert hello(bench) == [held]
    end(bench.port.streams[1])
    bench.port.advance(0.02)
    assert hello(bench) == [{**held, "free": "1"}]


def test_a_scheduler_that_knows_no_partial_release_makes_housekeeping_let_go(bench):
    bench.online()
    configure(bench, **{"release-after": "0"})
    id = run(bench)
    end(bench.port.streams[1])
    bench.port.advance(0.02)
    for stream in bench.port.streams[2:]:
        stream.each({"type": "started", "pid": 10 + stream.rank})
    freed(bench)
    assert hello(bench, partial=False) == []
    assert kills(bench) == [(2, 12, 15), (3, 13, 15)]
    assert (
        "error",
        f"housekeeping: node[0,2-3] (rank 0,2-3) from {fluid.encode(id, 'f58')} will be terminated because "
        "scheduler does not support restart with partially released resources",
    ) in bench.port.log.lines
    assert running(bench) == {}
    for stream in bench.port.streams[2:]:
        end(stream)
    assert freed(bench) == []


def test_a_job_that_was_purged_makes_housekeeping_let_go(bench):
    bench.online()
    configure(bench)
    id = run(bench)
    bench.manager.purge.run(-1, 0, 100)
    assert hello(bench) == []
    assert any(fluid.encode(id, "f58") in line for level, line in bench.port.log.lines if level == "error")


def test_what_is_freed_between_hello_and_ready_is_told_after_it(bench):
    bench.online()
    configure(bench)
    run(bench)
    bench.manager.alloc.disconnected(b"sched")
    assert len(hello(bench, sender=b"new")) == 1
    for stream in bench.port.streams:
        end(stream)
    assert freed(bench) == []
    bench.manager.alloc.ready(bench.request(payload={"mode": "unlimited"}, sender=b"new"))
    assert freed(bench) == [("0-3", True)]


def test_what_is_freed_without_a_scheduler_is_told_to_nobody(bench):
    """The next one asks what is in use."""
    bench.online()
    configure(bench)
    run(bench)
    bench.manager.alloc.disconnected(b"sched")
    hello(bench, sender=b"one that goes away")
    bench.manager.alloc.disconnected(b"one that goes away")
    for stream in bench.port.streams:
        end(stream)
    assert hello(bench) == []
    bench.manager.alloc.ready(bench.request(payload={"mode": "unlimited"}, sender=b"sched"))
    assert freed(bench) == []


def test_nothing_is_released_after_the_end_of_the_service(bench):
    bench.online()
    configure(bench)
    run(bench)
    bench.port.streams[0].each({"type": "started", "pid": 10})
    bench.manager.shut_down()
    bench.port.streams[1].each({"type": "started", "pid": 11})
    bench.port.streams[0].ended(OSError(errno.ENODATA, ""))
    assert freed(bench) == []
