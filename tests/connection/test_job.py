# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin.connect: an instance and its jobs for asyncio programs."""

import asyncio
import errno
import os

import pytest

import rosin
from rosin.connection import AsyncJob
from rosin.job import JobException, JobspecV1

pytestmark = pytest.mark.system


@pytest.fixture
async def flux(real_instance):
    async with rosin.connect(real_instance.uri) as flux:
        yield flux


async def test_a_job_from_its_submission_to_its_end(flux, tmp_path):
    script = "echo hello; echo oops >&2; pwd; echo $WORD; exit 3"
    job = await flux.submit(["sh", "-c", script], cwd=tmp_path, environment={**os.environ, "WORD": "amber"})
    names = [event.name async for event in job.events()]
    assert (names[0], names[-1]) == ("submit", "clean")
    assert (await job.event("finish")).context["status"] == 3 << 8
    output = await job.output()
    assert (output.stdout, output.stderr) == (f"hello\n{tmp_path}\namber\n", "oops\n")
    lines = [line async for line in job.lines()]
    assert [text for stream, text in lines if stream == "stdout"] == ["hello", str(tmp_path), "amber"]
    assert [text for stream, text in lines if stream == "stderr"] == ["oops"]
    ended = await job
    assert (ended.returncode, ended.result) == (3, "FAILED")
    assert (await job.info()).name == "sh"
    assert flux.job(job.id.f58) == job == AsyncJob(flux, int(job.id))


async def test_lines_come_as_they_are_written(flux, tmp_path):
    go = tmp_path / "go"
    os.mkfifo(go)
    job = await flux.submit(["sh", "-c", f"echo one; cat {go}; echo two"])
    found = []
    async for stream, line in job.lines():
        found.append((stream, line))
        if line == "one":
            await asyncio.to_thread(go.write_text, "")
    assert found == [("stdout", "one"), ("stdout", "two")]


async def test_the_directory_and_the_environment_are_those_of_the_program(flux, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLOUR", "amber")
    job = await flux.submit(["sh", "-c", "pwd; echo $COLOUR"], name="mine", num_tasks=1)
    assert (await job.output()).stdout == f"{tmp_path}\namber\n"
    assert [each.name for each in await flux.jobs(1, filters=["completed"])] == ["mine"]


async def test_what_is_done_to_a_job(flux):
    held = await flux.submit(["true"], urgency=0)
    (why,) = await held.why()
    assert "held" in why
    await held.urgency(16)
    assert (await held.result()).returncode == 0
    with pytest.raises(OSError, match="inactive") as caught:
        await held.why()
    assert caught.value.errno == errno.ENOENT
    running = await flux.submit(JobspecV1.from_command(["sleep", "600"]))
    await running.event("start", "eventlog")
    await running.kill(9)
    assert (await running).returncode == 128 + 9
    waiting = await flux.submit(["sleep", "600"], urgency=0)
    await waiting.cancel("not needed")
    with pytest.raises(JobException, match="not needed"):
        await waiting.event("start")
    with pytest.raises(OSError, match="'nosuch' did not occur before the end of eventlog"):
        await held.event("nosuch")
    with pytest.raises(OSError, match="never started"):
        await waiting.output()


async def test_many_on_one_connection(flux):
    jobs = await asyncio.gather(*(flux.submit(["sh", "-c", f"exit {n}"]) for n in range(10)))
    assert [(await job).returncode for job in jobs] == list(range(10))


async def test_what_is_left_is_given_up(flux):
    """A loop that is left early, and a wait that is cancelled, leave no watch at the broker."""
    job = await flux.submit(["sleep", "600"], urgency=0)
    before = await _watchers(flux)
    events = job.events()
    assert (await anext(events)).name == "submit"
    assert await _watchers(flux) > before
    await events.aclose()
    waiting = asyncio.create_task(job.event("start"))
    while await _watchers(flux) == before:
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    while await _watchers(flux) != before:
        await asyncio.sleep(0)
    await job.cancel()


async def _watchers(flux):
    return (await flux.handle.rpc("job-info.stats-get"))["watchers"]


async def test_what_is_wrong_is_said(flux):
    with pytest.raises(ValueError, match=r"a command is a list of words, such as .*got 'echo hello'"):
        await flux.submit("echo hello")
    with pytest.raises(ValueError, match="name: options of a command; a jobspec has them already"):
        await flux.submit(JobspecV1.from_command(["true"]), name="x")
    job = await flux.submit(["true"], cores_per_task=10**6)
    with pytest.raises(JobException, match="unsatisfiable"):
        await job.event("start")
    with pytest.raises(FileNotFoundError):
        await flux.job(1).info()
    with pytest.raises(ValueError, match="nosuch"):
        flux.job("nosuch!")
    with pytest.raises(FileNotFoundError, match="was not found"):
        await rosin.connect("local:///nowhere")


async def test_without_with(real_instance):
    flux = await rosin.connect(real_instance.uri)
    job = await flux.submit(["true"])
    assert repr(job) == f"<Job {job.id.f58}>"
    await flux.close()
    with pytest.raises(ConnectionResetError):
        await job.info()
