# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs with a prolog and an epilog on the bench."""

import errno

from rosin.modules.job_manager.plugins import load

from .test_housekeeping import R4


def settings(**tables):
    return {"job-manager": tables}


def make_world(bench, **tables):
    """A bench on which jobs have a prolog and an epilog on each of four ranks."""
    bench.manager.jobtap.configure(
        settings(**{name: {"command": [name], "per-rank": True} | table for name, table in tables.items()})
    )
    load.load(bench.manager.jobtap, "perilog")
    bench.port.rpcs.pop(0)[2]({"value": "node[0-3]"}, None)
    bench.port.streams.pop(0)
    bench.online()
    return bench


def job(bench, **kwargs):
    id = bench.submit(**kwargs)
    bench.settle()
    bench.alloc(id, R=R4)
    bench.settle()
    return id


def end(stream, status=0):
    stream.each({"type": "started", "pid": 100 + stream.rank})
    stream.each({"type": "finished", "status": status})
    stream.ended(OSError(errno.ENODATA, "No data available"))


def started(bench):
    """The commands that have been started since the last time."""
    found, bench.port.streams = bench.port.streams, []
    return found


def drains(bench):
    """What is to be drained; it is."""
    found = [rpc for rpc in bench.port.rpcs if rpc[0] == "resource.drain"]
    bench.port.rpcs = [rpc for rpc in bench.port.rpcs if rpc[0] != "resource.drain"]
    for _, _, done in found:
        done(None, None)
    return [(payload["targets"], payload["reason"]) for _, payload, _ in found]


def signals(bench):
    kills = [rpc for rpc in bench.port.rpcs if rpc[0] == "rexec.kill"]
    assert all(type(rpc[1]["signum"]) is int for rpc in kills)  # a server takes no member of an enum
    return [(rpc[3], rpc[1]["signum"]) for rpc in kills]


def tail(bench, id, count):
    return bench.names(id)[-count:]


def exceptions(bench, id):
    return [
        (event["context"]["type"], event["context"]["severity"], event["context"]["note"])
        for event in bench.events(id)
        if event["name"] == "exception"
    ]


def named(bench, id, name):
    return [event["context"] for event in bench.events(id) if event["name"] == name]


def query(bench):
    return bench.manager.jobtap.query("perilog.so")
