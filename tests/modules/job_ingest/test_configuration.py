# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the configuration says of jobs that are submitted."""

import grp
import os
import pwd

import pytest

from rosin.errors import FormatError
from rosin.modules.job_ingest.access import names
from rosin.modules.job_ingest.policy import PolicyDefaults
from rosin.modules.job_ingest.validator import checks, instances
from rosin.testing.instance import Instance

from .test_ingest import Feasibility, Kvs, Manager, instance, jobspec, submit


@pytest.mark.rfc(14, "duration-zero")
async def test_defaults_of_the_configuration():
    config = {"policy": {"jobspec": {"defaults": {"system": {"duration": "1h"}}}}}
    async with instance(config=config) as inst:
        h = await inst.connect()
        await submit(h)
        await submit(h, jobspec(duration=5.0))
        systems = [
            job["jobspec"]["attributes"]["system"]
            for jobs in inst.broker.modules["job-manager"].batches
            for job in jobs
        ]
        assert systems == [{"duration": 3600.0}, {"duration": 5.0}]
        with pytest.raises(OSError, match="duration"):
            await h.rpc(
                "job-ingest.config-reload",
                {"policy": {"jobspec": {"defaults": {"system": {"duration": "1 fortnight"}}}}},
            )


DEFAULTS = {"policy": {"jobspec": {"defaults": {"system": {"queue": "batch", "duration": "2h"}}}}}


@pytest.mark.parametrize(
    ("frobnicator", "added"),
    [
        ({}, {"queue", "duration", "constraints"}),
        ({"plugins": ["defaults"]}, {"queue", "duration"}),
        ({"plugins": ["constraints"]}, set()),
        ({"plugins": []}, {"queue", "duration", "constraints"}),
        ({"disable": True}, set()),
    ],
)
def test_the_frobnicator_table_says_what_is_added(frobnicator, added):
    policy = PolicyDefaults(
        {**DEFAULTS, "queues": {"batch": {"requires": ["b"]}}, "ingest": {"frobnicator": frobnicator}}
    )
    spec = jobspec()
    system = policy.apply(spec)["attributes"]["system"]
    given = spec["attributes"]["system"]
    assert {key for key in system if system[key] != given.get(key)} == added


def test_constraints_of_a_queue_that_the_job_names():
    config = {
        "queues": {"batch": {"requires": ["b"]}},
        "ingest": {"frobnicator": {"plugins": ["constraints"]}},
    }
    system = PolicyDefaults(config).apply(jobspec(queue="batch"))["attributes"]["system"]
    assert system["constraints"] == {"properties": ["b"]}


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"plugins": ["mine"]}, "ingest.frobnicator.plugins: 'mine' is not known"),
        ({"plugins": "defaults"}, "plugins"),
        ({"args": ["-x"]}, "ingest.frobnicator.args: '-x'"),
        ({"disable": 1}, "disable"),
        ({"queue": {}}, "ingest.frobnicator.queue: unknown key"),
    ],
)
def test_a_frobnicator_table_that_asks_for_more_is_refused(table, text):
    with pytest.raises(FormatError) as info:
        PolicyDefaults({"ingest": {"frobnicator": table}})
    assert text in str(info.value)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"args": ["--require-version=2"]}, "ingest.validator.args: '--require-version=2'"),
        ({"args": [1]}, "ingest.validator.args: 1"),
        ({"required": {"minnodes": 1}}, "ingest.validator.required: unknown key"),
        (
            {"args": ["--require-instance-minnodes=x"]},
            ".args: '--require-instance-minnodes=x'",
        ),
    ],
)
def test_a_validator_table_that_asks_for_more_is_refused(table, text):
    with pytest.raises(FormatError) as info:
        checks({"ingest": {"validator": table}})
    assert text in str(info.value)
    assert checks({"ingest": {"validator": {"args": ["--require-version=1"]}}}) == {"jobspec"}


def sized(nodes, cores, command=("true",), **system):
    """A job of so many nodes with so many cores each."""
    spec = {**jobspec(), "tasks": [{"command": list(command), "slot": "s", "count": {"per_slot": 1}}]}
    slot = {"type": "slot", "count": 1, "label": "s", "with": [{"type": "core", "count": cores}]}
    spec["resources"] = [{"type": "node", "count": nodes, "with": [slot]}] if nodes else [slot]
    spec["attributes"] = {"system": {"duration": 0.0, **system}}
    return spec


EACH, NODES, CORES = {}, {"minnodes": 2}, {"mincores": 8}


@pytest.mark.parametrize(
    ("table", "spec", "refused"),
    [
        (EACH, sized(1, 1), "for all jobs in this instance. Please use flux-batch(1) or flux-alloc(1)"),
        (EACH, sized(0, 1, ["flux"]), "for all jobs"),
        (EACH, sized(0, 1, ["flux", "run", "broker"]), "for all jobs"),
        (EACH, sized(0, 1, ["/usr/bin/flux", "broker", "x"]), ""),
        (EACH, sized(0, 1, ["rosin", "start"]), ""),
        (EACH, sized(0, 1, batch={}), ""),
        (NODES, sized(2, 1), "for jobs >= 2 nodes or 32 cores."),
        (NODES, sized(1, 1), ""),
        (NODES, sized(1, 32), "for jobs >= 2 nodes or 32 cores."),
        (NODES, sized(0, 31), ""),
        (CORES, sized(0, 8), "for jobs >= 8 cores."),
        (CORES, sized(0, 7), ""),
    ],
)
async def test_jobs_that_have_to_be_instances(table, spec, refused):
    config = {"ingest": {"validator": {"plugins": ["require-instance"], "require-instance": table}}}
    async with instance(config=config) as inst:
        h = await inst.connect()
        if not refused:
            await submit(h, spec)
            return
        with pytest.raises(OSError) as caught:
            await submit(h, spec)
        assert caught.value.strerror.startswith(f"Direct job submission disabled {refused}")
        await h.rpc("job-ingest.config-reload", {})
        await submit(h, spec)


async def test_arguments_say_which_jobs_have_to_be_instances():
    async with Instance([Kvs, Manager]) as inst:
        h = await inst.connect()
        args = "validator-args=--require-version=1,--require-instance-mincores=4"
        await inst.load("job-ingest", ["validator-plugins=jobspec,require-instance", args])
        await submit(h, sized(0, 3))
        with pytest.raises(OSError, match="for jobs >= 4 cores"):
            await submit(h, sized(0, 4))


def test_numbers_of_instances_are_not_negative():
    config = {"ingest": {"validator": {"require-instance": {"minnodes": -1}}}}
    with pytest.raises(FormatError, match="minnodes: expected a number >= 0"):
        instances(config, frozenset())


async def test_arguments_choose_the_checks_until_the_configuration_is_loaded_again():
    large = jobspec()
    large["resources"][0]["count"] = 5
    async with Instance([Kvs, Manager, Feasibility]) as inst:
        h = await inst.connect()
        await inst.load("job-ingest", ["validator-plugins=feasibility"])
        with pytest.raises(OSError, match="unsatisfiable"):
            await submit(h, large)
        await h.rpc("job-ingest.config-reload", {})
        await submit(h, large)
        await inst.broker.modules.remove("job-ingest")
        await inst.load("job-ingest", ["validator-plugins=jobspec,feasibility", "disable-validator"])
        await submit(h, {**large, "version": 7})


@pytest.mark.parametrize(
    ("arg", "text"),
    [
        ("validator-plugins=nosuch", "'nosuch' is not a check; expected some of jobspec, feasibility"),
        ("validator-plugins=jobspec,", "'' is not a check"),
        (
            "validator-args=--require-version=2",
            "validator-args: '--require-version=2': expected ",
        ),
        ("max-fluid-generator-id=16384", "expected a number from 0 to 16383"),
        ("buffer-size=bad", "buffer-size: expected a size"),
        ("validator-plugin=jobspec", "did you mean validator-plugins?"),
    ],
)
async def test_arguments_that_are_refused(arg, text):
    async with Instance([Kvs, Manager]) as inst:
        with pytest.raises(OSError, match=r"^.Errno 22. job-ingest: ") as caught:
            await inst.load("job-ingest", [arg])
        assert text in str(caught.value)


@pytest.mark.rfc(33, "access")
async def test_access_to_queues():
    me = pwd.getpwuid(os.getuid()).pw_name
    group = grp.getgrgid(os.getgid()).gr_name
    config = {
        "policy": {"jobspec": {"defaults": {"system": {"queue": "mine"}}}, "access": {"allow-user": []}},
        "queues": {
            "mine": {"policy": {"access": {"allow-user": [me]}}},
            "ours": {"policy": {"access": {"allow-group": ["no such group", group]}}},
            "virtual": {"parent": "ours"},
            "closed": {},
        },
    }
    async with instance(config=config) as inst:
        h = await inst.connect()
        await submit(h)
        for queue in ("mine", "ours", "virtual"):
            await submit(h, jobspec(queue=queue))
        with pytest.raises(PermissionError, match=f"user {me} may not submit jobs to queue closed"):
            await submit(h, jobspec(queue="closed"))
        await h.rpc("job-ingest.config-reload", {"policy": {"access": {"allow-user": ["nobody else"]}}})
        with pytest.raises(PermissionError, match=f"user {me} may not submit jobs to this instance"):
            await submit(h)
        await h.rpc("job-ingest.config-reload", {})
        await submit(h)


def test_names_of_users():
    assert names(os.getuid())[0] == pwd.getpwuid(os.getuid()).pw_name
    assert grp.getgrgid(pwd.getpwuid(os.getuid()).pw_gid).gr_name in names(os.getuid())[1]
    assert names(2**31 - 7) == ("", frozenset())


QUEUES = {
    "policy": {"jobspec": {"defaults": {"system": {"queue": "batch", "duration": "2h"}}}},
    "queues": {
        "batch": {"requires": ["b"]},
        "debug": {"policy": {"jobspec": {"defaults": {"system": {"duration": "5m"}}}}},
        "small": {"parent": "batch", "policy": {"jobspec": {"defaults": {"system": {"duration": "1h"}}}}},
        "wide": {"hosts": "all"},
    },
}


@pytest.mark.rfc(33, "defaults", "requires", "default-queue", "override")
@pytest.mark.rfc(33, "virtual-inherits", "virtual-membership", "virtual-name-kept")
async def test_what_queues_add_to_jobs():
    async with instance(config=QUEUES) as inst:
        h = await inst.connect()

        async def system(**given):
            await submit(h, jobspec(**given))
            return inst.broker.modules["job-manager"].batches[-1][0]["jobspec"]["attributes"]["system"]

        batch = {"properties": ["b"]}
        assert await system() == {"duration": 7200.0, "queue": "batch", "constraints": batch}
        assert await system(queue="debug") == {"duration": 300.0, "queue": "debug"}
        assert await system(queue="small") == {"duration": 3600.0, "queue": "small", "constraints": batch}
        assert (await system(queue="wide"))["constraints"] == {"properties": ["+wide"]}
        assert (await system(duration=7.0, constraints={"ranks": ["0"]})) == {
            "duration": 7.0,
            "queue": "batch",
            "constraints": {"and": [{"ranks": ["0"]}, batch]},
        }


def test_queue_defaults_and_constraints():
    policy = PolicyDefaults(QUEUES)

    def system(**given):
        return policy.apply(jobspec(**given))["attributes"]["system"]

    assert system() == {"duration": 7200.0, "queue": "batch", "constraints": {"properties": ["b"]}}
    assert system(queue="debug") == {"duration": 300.0, "queue": "debug"}
    assert system(constraints={"or": [{"ranks": ["0"]}]})["constraints"] == {
        "and": [{"or": [{"ranks": ["0"]}]}, {"properties": ["b"]}]
    }
    assert system(constraints={"properties": ["x"]})["constraints"] == {"properties": ["x", "b"]}
    with pytest.raises(FormatError, match="not a configured queue"):
        PolicyDefaults({"policy": {"jobspec": {"defaults": {"system": {"queue": "x"}}}}})
