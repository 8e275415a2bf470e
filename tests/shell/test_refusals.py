# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a job is refused for: options, values and templates that would not do what was asked."""

import signal
from pathlib import Path

import pytest
from tests.shell.conftest import JOBID

from rosin.cli import run
from rosin.cli.submission import Builder
from rosin.shell import vocabulary
from rosin.shell.errors import ShellError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cpu-afinity": "off"}, "unknown shell option cpu-afinity: did you mean cpu-affinity?"),
        ({"output": {"stdout": {"pth": "x"}}}, "output.stdout.pth: did you mean output.stdout.path?"),
        ({"zzzzz": 1}, "unknown shell option zzzzz: see the reference"),
        ({"kill-timeout": 5}, "unknown shell option kill-timeout: the instance has it in its configuration"),
        ({"tmpdir": "/x"}, "unknown shell option tmpdir: the job's directory is FLUX_JOB_TMPDIR"),
        (
            {"input": 3},
            "shell option input=3: expected one of input.batch-timeout, input.limit, input.stdin.path, inp",
        ),
        ({"output": {"batch-timeout": "x"}}, "output.batch-timeout=x: expected seconds, as in"),
        ({"verbose": {"x": 1}, "q": 1}, "unknown shell option q"),
    ],
)
def test_unknown_names_are_refused(options, message):
    with pytest.raises(ShellError) as error:
        vocabulary.check(options)
    assert message in str(error.value)


def test_known_names_are_taken():
    vocabulary.check(
        {
            "rlimit": {"core": 0},
            "env-expand": {"ANY": "x"},
            "pty": 1,
            "signal": {"signum": 10},
            "output": {"stdout": {"buffer": {"type": "none"}}, "mode": "append"},
            "taskmap": {"scheme": "cyclic"},
        }
    )
    vocabulary.check({"pty": {"ranks": 0}, "signal": 5})


def test_what_the_commands_set_is_known():
    """Every option of ``rosin run`` that ends in a shell option."""
    words = "-u -l -t1 --signal=USR1@5 --taskmap=cyclic --rlimit=core=0"
    words += " --output=o --error=e --input=i --env=A={{id}}"
    args = run.parser("rosin-run").parse_command([*words.split(), "true"])
    options = Builder().build(args)["attributes"]["system"]["shell"]["options"]
    assert {"signal", "taskmap", "rlimit", "output", "input"} <= set(options)
    vocabulary.check(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cpu-affinity": "bogus"}, "cpu-affinity=bogus: expected off, on, per-task or map:LIST"),
        ({"gpu-affinity": "bogus"}, "gpu-affinity=bogus: expected off, on, per-task or map:LIST"),
        ({"cpu-affinity": "map:9999"}, "cpu-affinity: cpus 9999 are none of the job's"),
        ({"pmi": "bogus"}, "shell option pmi=bogus: unknown server 'bogus': expected simple or off"),
        ({"taskmap": "nosuch"}, "scheme=nosuch (known: block"),
        ({"taskmap": {"scheme": "nosuch"}}, "failed to map tasks with scheme=nosuch (known: block"),
        ({"input": {"limit": "40M"}}, "Invalid KVS input.limit=40M: expected a size from 1 to 32M"),
        ({"output": {"stdout": {"type": "bogus"}}}, "output.stdout.type=bogus: expected kvs or file"),
        (
            {"output": {"stdout": {"path": "o-{{id.nosuch}}"}}},
            "unknown encoding of the job id: expected one of",
        ),
        ({"output": {"stdout": {"path": "o-{{id"}}}, "output path o-{{id: a tag is not closed"),
        ({"umask": "8"}, "umask=8: expected octal digits up to 777, as in 022"),
        ({"umask": "1777"}, "umask=1777: expected octal digits up to 777, as in 022"),
        ({"umask": "-22"}, "umask=-22: expected octal digits up to 777, as in 022"),
        ({"nosuch": 1}, "unknown shell option nosuch"),
    ],
)
def test_the_job_ends_with_one_line(run, broker, tmp_path, options, message):
    assert run(["true"], options=options, cwd=str(tmp_path)) == 1
    assert message in broker.exceptions[0]["note"]
    assert list(tmp_path.glob("o-*")) == []


@pytest.mark.parametrize(("each", "options"), [(4, {}), (3, {"pmi": "off"})])
def test_more_tasks_than_there_can_be_open_files(run, broker, each, options):
    limit = 32 + 8 * each
    assert run(["true"], ntasks=8, options={"rlimit": {"nofile": limit}, **options}) == 0
    assert run(["true"], ntasks=8, options={"rlimit": {"nofile": limit - 1}, **options}) == 1
    needed = f"8 tasks on this node need {limit} open files, the limit is {limit - 1}"
    assert needed in broker.exceptions[-1]["note"]
    assert f"as in --rlimit=nofile={limit}" in broker.exceptions[-1]["note"]


def test_the_reference_names_every_option():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "shell.md").read_text()
    named = {name for name in vocabulary.OPTIONS if f"`{name}`" in page}
    assert set(vocabulary.OPTIONS) - named == {"signal", "taskmap"}  # whose parts are there


#: Options for which any text may be right.
ANY_TEXT = {"input.stdin.path", "mpi", "output.stdout.path", "output.stderr.path", "taskmap.value"}
ANY_TEXT |= {f"stage-in.{name}" for name in ("destination", "names", "pattern", "tags")}
#: The option whose value may be a list.
ANY_LIST = {"batch-args"}
BAD = [
    *((name, ["x"]) for name in sorted({*vocabulary.OPTIONS, *vocabulary.OPEN} - ANY_LIST)),
    *((name, "bogus") for name in sorted({*vocabulary.OPTIONS, *vocabulary.OPEN} - ANY_TEXT)),
    ("env-expand.A", 3),
    ("rlimit.nofile", "x"),
    ("rlimit.cpu", "x"),
    ("rlimit.x", 1),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_every_option_refuses_a_value_that_means_nothing(run, broker, tmp_path, name, value):
    """One line that names the option and what it takes, whoever checks it."""
    first, *rest = name.split(".")
    options = {first: value}
    if rest:  # a dot leads into an object, but for names that hold one
        options = {first: {rest[0]: value} if len(rest) == 1 else {rest[0]: {".".join(rest[1:]): value}}}
    if name.endswith("buffer.type"):
        options = {first: {rest[0]: {"buffer": {"type": value}}}}
    if name == "per-resource.count":
        options["per-resource"]["type"] = "node"
    if name == "input.stdin.path":
        options["input"]["stdin"]["type"] = "file"
    assert run(["true"], options=options, cwd=str(tmp_path)) == 1
    note = broker.exceptions[0]["note"]
    assert "\n" not in note
    row = vocabulary.OPTIONS.get(name) or vocabulary.OPEN.get(name) or vocabulary.OPEN[first]
    if (name, value) == ("taskmap", "bogus"):  # as flux-core says it
        name = "taskmap.scheme"
    assert name.split(".")[-1] in note
    if not row.accepted.startswith("nothing"):
        assert "expected" in note or "No such file" in note or "known:" in note


@pytest.mark.parametrize(("ntasks", "stream"), [(1, "stdout"), (2, "stderr")])
def test_output_that_a_file_cannot_take_fails_the_job(run, broker, ntasks, stream):
    redirect = "1" if stream == "stdout" else "2"
    options = {"output": {"stdout": {"path": "/dev/full"}}}
    assert run(["sh", "-c", f"echo hi >&{redirect}"], ntasks=ntasks, options=options) == 1
    assert broker.messages() == [f"write {stream} task 0 to /dev/full: No space left on device"] or (
        broker.messages() == [f"write {stream} task 1 to /dev/full: No space left on device"]
    )


def test_sigkill_reaches_what_a_task_left_behind(start, broker):
    job = start(["sh", "-c", "setsid sh -c 'echo up; exec sleep 600' & sleep 600"])
    broker.wait(lambda: broker.output() == b"up\n")
    broker.event(f"shell-{JOBID}.kill", {"signum": int(signal.SIGKILL)})
    assert job.wait() == 137
