# SPDX-License-Identifier: LGPL-3.0-or-later
"""perilog.so and the instance around it: its log, its end, and the plugin's."""

import errno

from rosin.modules.job_manager.plugins import load
from rosin.rfc import fluid, ioencode

from .perilogs import drains, end, exceptions, job, settings, started, tail

# -- output -----------------------------------------------------------------------------------------


def test_output_is_logged_but_for_what_is_ignored(perilogs):
    bench = perilogs(prolog={})
    bench.manager.jobtap.configure(
        settings(prolog={"command": ["p"]}, perilog={"log-ignore": ["^[[:space:]]*#", "noise"]})
    )
    id = job(bench)
    (process,) = started(bench)
    bench.port.log.lines.clear()
    for stream, text in (("stdout", b"one\n\n  # no\nmuch noise\n"), ("stderr", b"two\n")):
        process.each({"type": "output", "io": ioencode.encode_data(stream, 0, text)})
    name = fluid.encode(id, "f58")
    assert bench.port.log.lines == [
        ("info", f"{name}: prolog: node0 (rank 0): stdout: one"),
        ("error", f"{name}: prolog: node0 (rank 0): stderr: two"),
    ]


# -- the instance -----------------------------------------------------------------------------------


def test_no_epilog_is_started_once_the_instance_ends(bench):
    bench.manager.jobtap.configure(settings(epilog={"command": ["e"]}))
    load.load(bench.manager.jobtap, "perilog.so")
    monitor = started(bench)[0]
    assert (monitor.topic, monitor.payload) == ("state-machine.monitor", {"final": 6})
    bench.online()
    for state in (5, 6):
        monitor.each({"state": state})
        id = job(bench)
        bench.exec(id, "start")
        bench.exec(id, "finish", status=0)
        bench.exec(id, "release", ranks="all", final=True)
        assert len(started(bench)) == (state == 5)


def test_a_lost_watch_is_logged(bench):
    load.load(bench.manager.jobtap, "perilog.so")
    monitor = started(bench)[0]
    monitor.ended(OSError(errno.ENODATA, ""))
    assert not [line for line in bench.port.log.lines if line[0] == "warning"]
    monitor.ended(OSError(errno.EPROTO, "what"))
    assert [line for line in bench.port.log.lines if line[0] == "warning"]


def test_jobs_do_not_wait_for_a_plugin_that_is_removed(perilogs):
    bench = perilogs(prolog={}, epilog={})
    first, second = job(bench), job(bench)
    processes = started(bench)
    for process in processes[4:]:
        end(process)
    bench.settle()
    bench.exec(second, "start")
    bench.exec(second, "finish", status=0)
    bench.exec(second, "release", ranks="all", final=True)
    load.remove(bench.manager.jobtap, "perilog.so")
    assert exceptions(bench, first) == [
        ("prolog", 0, "prolog: the plugin was removed on node[0-3] (rank 0-3)")
    ]
    assert exceptions(bench, second)[0][:2] == ("epilog", 2)
    assert tail(bench, first, 1) == tail(bench, second, 1) == ["clean"]
    for process in processes[:4]:
        end(process)


def test_at_the_end_of_the_service_nothing_is_posted(perilogs):
    bench = perilogs(prolog={})
    id = job(bench)
    before = bench.names(id)
    bench.manager.shut_down()
    assert bench.names(id) == before


def test_tables_that_nobody_reads_are_named_in_the_log(bench):
    bench.manager.jobtap.configure(settings(prolog={"command": ["p"]}))
    load.configure(bench.manager.jobtap, [])
    assert [level for level, text in bench.port.log.lines if "perilog.so" in text] == ["warning"]
    load.configure(bench.manager.jobtap, [{"load": "perilog.so"}])
    assert len([text for _, text in bench.port.log.lines if "perilog.so" in text]) == 1


def test_an_event_that_somebody_else_posts_harms_nobody(perilogs):
    bench = perilogs(prolog={})
    id = job(bench)
    bench.manager.post(bench.job(id), "prolog-finish", {"description": "job-manager.prolog", "status": 0})
    bench.manager.except_(bench.job(id), "cancel", 0, "")
    assert tail(bench, id, 1) == ["clean"]
    for process in started(bench):
        end(process, 256)
    assert drains(bench) == []  # it was canceled
