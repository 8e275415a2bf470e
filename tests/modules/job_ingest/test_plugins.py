# SPDX-License-Identifier: LGPL-3.0-or-later
"""Validators and frobnicators in files, written for flux-core, and what the wild ones among them do."""

import asyncio
import errno
import os
import re

import pytest

from rosin import _json
from rosin.broker.connector import ConnectorLocal
from rosin.constants import FLUX_JOB_NOVALIDATE
from rosin.errors import FormatError
from rosin.job.validator import JobValidator
from rosin.modules.job_ingest.settings import IngestSettings

from .test_ingest import instance, jobspec, submit

VALIDATOR = """
import os, signal, sys, time
from flux.job.validator import ValidatorPlugin

def scribble():
    for fd in os.listdir("/proc/self/fd"):
        if os.path.exists(f"/proc/self/fd/{fd}") and os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
            os.write(int(fd), b"junk\\n")

class Validator(ValidatorPlugin):
    def __init__(self, parser):
        parser.add_argument("--project", default="none")

    def configure(self, args):
        self.project = args.project

    def validate(self, job):
        command = job.jobspec["tasks"][0]["command"]
        if command[0] == "say":
            return int(command[1]), f"{self.project} says no to {job.userid} {job.urgency}"
        if command[0] == "python":
            exec(command[1])
"""

FROBNICATOR = """
from flux.job.frobnicator import FrobnicatorPlugin

class Frobnicator(FrobnicatorPlugin):
    def configure(self, args, config):
        self.bank = config["ingest"]["frobnicator"]["bank"]["name"]

    def frob(self, jobspec, userid, urgency, flags):
        if jobspec.jobspec["tasks"][0]["command"] == ["none"]:
            raise ValueError("no such project")
        jobspec.setattr("system.bank", self.bank)
        jobspec.setattr("system.seen", [jobspec.jobspec["attributes"]["system"].get("queue"), userid])
        jobspec.setattr("system.queue", "later")
"""


SLOW = """
class Frobnicator:
    def __init__(self, parser):
        signal.pause()
"""


@pytest.fixture
def validator(tmp_path):
    path = tmp_path / "site.py"
    path.write_text(VALIDATOR)
    return str(path)


def checking(path, **more):
    return {"ingest": {"validator": {"plugins": ["jobspec", path], **more}}}


async def refused(h, spec):
    with pytest.raises(OSError) as info:
        await submit(h, spec)
    return info.value.errno, info.value.strerror


async def test_a_validator_of_a_site(validator):
    async with instance(config=checking(validator, args=["--project=apollo"])) as inst:
        h = await inst.connect()
        assert await submit(h)
        text = f"apollo says no to {os.getuid()} 16"
        assert await refused(h, jobspec(["say", "13"])) == (errno.EACCES, text)
        assert await refused(h, jobspec(["say", "1"])) == (errno.EINVAL, text)
        assert (await refused(h, jobspec([])))[1].startswith(
            "jobspec: tasks[0].command: expected a non-empty"
        )
        assert await submit(h, jobspec(["say", "13"]), flags=FLUX_JOB_NOVALIDATE)
        figures = (await h.rpc("job-ingest.stats-get", {}))["pipeline"]["validator"]
        assert (figures["running"], figures["requests"], figures["errors"]) == (1, 3, 2)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("raise KeyError('x')", r"site: KeyError: 'x'"),
        ("raise ValueError('two\\nlines')", "two lines"),
        ("os._exit(3)", r"job-validator \(site\): it has ended \(Exit 3\)"),
        ("print('on fire', file=sys.stderr); sys.exit(4)", r"job-validator .* \(Exit 4\): on fire"),
        ("os.kill(0, signal.SIGSEGV)", r"job-validator .* \(Segmentation fault\)"),
        ("scribble()", r"it has answered b'junk.*': expected an object with errnum: it was killed"),
        ("signal.pause()", r"job-validator .* no answer within 2 seconds: it was killed"),
    ],
)  # fmt: skip
async def test_a_wild_validator_costs_its_job_alone(validator, code, text):
    async with instance(config=checking(validator, timeout="2s")) as inst:
        h = await inst.connect()
        await submit(h)
        wild = asyncio.create_task(refused(h, jobspec(["python", code])))
        others = [asyncio.create_task(submit(h)) for _ in range(4)]
        errnum, said = await wild
        assert errnum == errno.EINVAL
        assert re.search(text, said), said
        assert "\n" not in said
        assert all(await asyncio.gather(*others))


async def test_what_a_plugin_prints_is_no_answer(validator):
    async with instance(config=checking(validator)) as inst:
        h = await inst.connect()
        assert await submit(h, jobspec(["python", "print('{\"errnum\": 1}', flush=True)"]))
        assert await submit(h, jobspec(["python", "os.write(1, b'junk')"]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nosuch", "ModuleNotFoundError: No module named 'nosuch'"),
        ("x = 1", "expected a class Validator, which is the plugin"),
        ("class Validator:\n  def __init__(self, parser): 1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError: "),
    ],
)
async def test_a_file_that_is_no_validator(tmp_path, text, said):
    path = tmp_path / "site.py"
    path.write_text(text)
    async with instance(config=checking(str(path))) as inst:
        h = await inst.connect()
        for _ in range(2):  # the second one does not start it again
            errnum, message = await refused(h, jobspec())
            assert errnum == errno.EINVAL
            assert said in message
        await h.rpc("job-ingest.config-reload", {})
        assert await submit(h)


async def test_a_job_that_is_too_large_for_the_processes(validator):
    config = checking(validator)
    config["ingest"]["buffer-size"] = "2k"
    async with instance(config=config) as inst:
        h = await inst.connect()
        assert await submit(h)
        errnum, text = await refused(h, jobspec(environment={"X": "x" * 2048}))
        assert errnum == errno.EFBIG
        assert "larger than ingest.buffer-size" in text


async def test_a_frobnicator_of_a_site_between_those_that_come_with_rosin(tmp_path):
    path = tmp_path / "bank.py"
    path.write_text(FROBNICATOR)
    config = {
        "policy": {"jobspec": {"defaults": {"system": {"queue": "batch", "duration": "2h"}}}},
        "queues": {"batch": {"requires": ["b"]}, "later": {"requires": ["l"]}},
        "ingest": {
            "frobnicator": {"plugins": ["defaults", str(path), "constraints"], "bank": {"name": "apollo"}}
        },
    }
    async with instance(ConnectorLocal, config=config) as inst:
        inst.broker.modules["connector-local"].listen()
        h = await inst.connect()
        await submit(h)
        ((job,),) = inst.broker.modules["job-manager"].batches
        assert job["jobspec"]["attributes"]["system"] == {
            "duration": 7200.0,
            "queue": "later",
            "bank": "apollo",
            "seen": ["batch", os.getuid()],
            "constraints": {"properties": ["l"]},
        }
        assert await refused(h, jobspec(["none"])) == (errno.EINVAL, "no such project")


async def test_a_frobnicator_that_does_not_answer(tmp_path):
    path = tmp_path / "slow.py"
    path.write_text("import signal\n" + SLOW)
    async with instance(
        config={"ingest": {"frobnicator": {"plugins": [str(path)], "timeout": "1s"}}}
    ) as inst:
        h = await inst.connect()
        text = "job-frobnicator (slow): no answer within 1 seconds: it was killed"
        assert await refused(h, jobspec()) == (errno.EINVAL, text)


@pytest.mark.parametrize(
    ("ingest", "text"),
    [
        ({"validator": {"plugins": ["./no.py"]}}, "ingest.validator.plugins: './no.py': no such file"),
        ({"frobnicator": {"plugins": ["/no.py"]}}, "ingest.frobnicator.plugins: '/no.py': no such file"),
        ({"frobnicator": {"plugins": [5]}}, "ingest.frobnicator.plugins: 5 is not known"),
        ({"validator": {"plugins": [__file__], "timeout": "soon"}}, "ingest.validator.timeout: "),
        ({"buffer-size": "much"}, "ingest.buffer-size: expected a size"),
    ],
)  # fmt: skip
def test_settings_that_are_refused(ingest, text):
    with pytest.raises(FormatError, match=re.escape(text)):
        IngestSettings.parse({"ingest": ingest})


def test_settings_of_plugins_and_their_arguments(validator):
    table = {"plugins": [validator], "args": ["--require-version=any", "--project=x"], "site": {"a": 1}}
    settings = IngestSettings.parse({"ingest": {"validator": table}})
    assert settings.crew is not None
    assert settings.crew.args == ("--project=x",)
    assert settings.crew.argv()[2:] == ["rosin", "job-validator", f"--plugins={validator}", "--project=x"]
    assert _json.dumps(settings.crew.timeout) == b"30.0"


def test_no_job_at_all_is_valid():
    assert JobValidator([]).start().validate(None) == (0, None)
