# SPDX-License-Identifier: LGPL-3.0-or-later
"""Programs written for flux-core's bindings, on a running instance."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

SOURCE = Path(__file__).parents[2] / "dropin" / "src"

FORKS = """
import os, flux
h = flux.Flux()
assert h.get_rank() == 0 and flux.Flux() is not h
children = []
for n in range(4):
    child = os.fork()
    if not child:
        assert flux.Flux().rpc("broker.ping", {"n": n}).wait_for(30).get()["n"] == n
        os._exit(0)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
assert h.rpc("broker.ping", {"n": 9}).get()["n"] == 9
"""

TYPES = """
import flux, flux.message, flux.idset, flux.hostlist, flux.resource
from flux.constants import FLUX_MSGTYPE_REQUEST
h = flux.Flux()
h.event_subscribe("foo.")
h.event_send("foo.bar", {"a": 1})
msg = h.event_recv("foo.*")
assert isinstance(msg, flux.message.Message)
assert (msg.payload, msg.payload_str, msg.type_str) == ({"a": 1}, '{"a":1}', "event")
resources = flux.resource.resource_list(h).get().all
assert isinstance(resources.ranks, flux.idset.IDset)
assert isinstance(resources.nodelist, flux.hostlist.Hostlist)
status = flux.resource.resource_status(h).get()
assert all(isinstance(status[name], flux.idset.IDset) for name in ("all", "online", "avail", "drained"))
got = []
def request(handle, watcher, message, args):
    got.append((type(message), message.payload, args))
    handle.respond(message=message, payload={"ok": True})
    watcher.stop()
name = "dropin-test"
h.service_register(name).get()
with h.msg_watcher_create(request, FLUX_MSGTYPE_REQUEST, name + ".*", args=7):
    h.rpc(name + ".x", {"q": 1}).then(lambda rpc: got.append(rpc.get()))
    h.reactor_run()
assert got == [(flux.message.Message, {"q": 1}, 7), {"ok": True}], got
h.service_unregister(name).get()
"""

JOBS = """
import flux, flux.job
from flux.job import *
h = flux.Flux()
job = submit(h, JobspecV1.from_command(["echo", "hi"]))
assert [(stream, data) for stream, data in flux.job.output_watch(h, job)] == [("stdout", "hi\\n")]
watch = output_watch_async(h, job)
assert [watch.get_output(), watch.get_output()] == [("stdout", "hi\\n"), (None, None)]
held = submit(h, JobspecV1.from_command(["true"]), urgency=0)
cancel(h, held, "because")
for follow in (output_watch, output_watch_lines, output_event_watch):
    try: print(*follow(h, held))
    except OSError as exc: assert (exc.errno, exc.strerror) == (5, f"job {held} never started")
    else: raise SystemExit("no error")
try: event_wait(h, held, "start")
except JobException as exc: assert str(exc) == "job.exception: type=cancel: because" and not exc.args
ended = submit(h, JobspecV1.from_command(["false"]), waitable=True)
assert wait(h, ended).errstr == b"task(s) exited with exit code 1"
for wrong, error in ((1.5, ValueError), ("!", ValueError), (-1, OverflowError), (2**64, OverflowError)):
    try: JobID(wrong)
    except error: continue
    raise SystemExit(wrong)
"""


WATCH = """
import sys, flux
from flux.job import *
h = flux.Flux()
ids = [submit(h, JobspecV1.from_command(["sh", "-c", f"echo {n}; exit {n}"])) for n in range(3)]
got = []
watcher = JobWatcher(h, output_callback=lambda *args: got.append(args))
for id in ids: watcher.add_jobid(id)
assert watcher.start() is watcher
h.reactor_run()
watcher.stop()
assert sorted(got) == [(id, "stdout", f"{n}\\n") for n, id in enumerate(ids)], got
assert watcher.exitcode == 2
with open(sys.argv[1], "w") as stream:
    jobs = [job_list_id(h, id, attrs=["all"]).get_jobinfo() for id in ids[:2]]
    watcher = JobWatcher(h, jobs, log_status=True, progress=True, labelio=True, stdout=stream, stderr=stream)
    watcher.start(); h.reactor_run(); watcher.stop()
lines = sorted(open(sys.argv[1]))
assert f"{ids[0]}: 0: 0\\n" in lines and [line[-17:] for line in lines if "status" in line] == [
    "complete: status=0\\n"[-17:], "failed: status=256\\n"[-17:]
], lines
status = flux.job.watcher.JobStatus(jobs[1])
assert (status.status, status.exitcode, status.active) == ("failed", 1, False)
try: watcher.add_jobs(ids[0])
except ValueError: sys.stdout.write("done")
"""


def test_jobs_are_watched(real_instance, tmp_path):
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "FLUX_URI": real_instance.uri}
    command = [sys.executable, "-c", WATCH, str(tmp_path / "out")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "CD:1   F:1" in done.stdout
    assert done.stdout.endswith("\ndone")


@pytest.mark.parametrize("program", [FORKS, TYPES, JOBS], ids=["forks", "types", "jobs"])
def test_program(real_instance, program):
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "FLUX_URI": real_instance.uri}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
