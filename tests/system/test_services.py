# SPDX-License-Identifier: LGPL-3.0-or-later
"""Services of the broker that only a process with a socket has."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rosin.constants import FLUX_CORE_VERSION, FLUX_JOB_STATE_INACTIVE, FLUX_RPC_STREAMING
from rosin.handle import Flux
from rosin.job.events import event_wait
from rosin.job.submission import submit
from rosin.rfc import eventlog, treeobj
from rosin.rfc.jobspec.build import from_command
from rosin.rfc.message import Message
from rosin.rfc.rset import ResourceSet
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


@pytest.fixture
def h(real_instance: RealInstance) -> Iterator[Flux]:
    with Flux(real_instance.uri) as handle:
        yield handle


def test_connector_counts_its_clients(h: Flux) -> None:
    before = h.rpc("connector-local.stats-get").get()["server"]
    with Flux(h.uri) as other:
        other.rpc("attr.list").get()
        now = h.rpc("connector-local.stats-get").get()
    assert now["server"]["connects"] == before["connects"] + 1
    assert len(now["server"]["clients"]) == len(before["clients"]) + 1
    (entry,) = [client for client in now["server"]["clients"] if client not in before["clients"]][-1:]
    assert entry["pid"] == os.getpid()
    assert entry["userid"] == os.getuid()
    assert now["allow_guest_user"] is False


def test_access_follows_the_configuration(h: Flux) -> None:
    config = h.rpc("config.get").get()
    try:
        h.rpc("config.load", {**config, "access": {"allow-guest-user": True}}).get()
        assert h.rpc("connector-local.stats-get").get()["allow_guest_user"] is True
        with pytest.raises(OSError, match=r"access.allow-guest-user: expected true or false, got 1"):
            h.rpc("config.load", {"access": {"allow-guest-user": 1}}).get()
        assert h.rpc("connector-local.stats-get").get()["allow_guest_user"] is True
    finally:
        h.rpc("config.load", config).get()
    assert h.rpc("connector-local.stats-get").get()["allow_guest_user"] is False


def test_cleanup_commands_cannot_be_empty(h: Flux) -> None:
    with pytest.raises(OSError, match="commands array is empty"):
        h.rpc("runat.push", {"name": "cleanup", "commands": []}).get()


def test_states_are_logged_in_the_words_of_flux() -> None:
    with RealInstance() as instance:
        lines = instance.run("dmesg").stdout.splitlines()
    for step in ("builtins-success: load-builtins->join", "sync-none: config-sync->init"):
        assert any(f"broker.info[0]: {step} " in line for line in lines)


def test_a_shutdown_streams_the_log() -> None:
    with RealInstance() as instance, Flux(instance.uri) as h:
        rpc = h.rpc("shutdown.start", {"loglevel": 6}, flags=FLUX_RPC_STREAMING)
        lines = [answer["log"] for answer in rpc]
        instance.wait()
    assert lines[0].startswith("broker.err[0]: rc2.0: ")
    assert all(line.endswith("\n") for line in lines)
    assert any(line.startswith("broker.info[0]: rc3-success: finalize->goodbye ") for line in lines)


def test_starts_and_clean_ends_are_noted(tmp_path: Path) -> None:
    names = []
    for _ in range(2):
        with RealInstance(f"-Sstatedir={tmp_path}") as instance, Flux(instance.uri) as h:
            answer = h.rpc("kvs.lookup", {"key": "admin.eventlog", "namespace": "primary", "flags": 0}).get()
            names = [entry.name for entry in eventlog.decode(treeobj.val_data(answer["val"]))]
            context = eventlog.decode(treeobj.val_data(answer["val"]))[-1].context
    assert names == ["start", "finish", "start"]
    assert context == {"version": 1, "core_version": FLUX_CORE_VERSION}


def test_a_client_can_be_the_scheduler() -> None:
    """RFC 27 and 28 over the socket: hello, acquire, ready, then one request at a time."""
    with RealInstance() as instance, Flux(instance.uri) as sched, Flux(instance.uri) as user:
        user.rpc("module.remove", {"name": "sched-simple"}).get()
        sched.service_register("sched").get()
        assert (
            list(sched.rpc("job-manager.sched-hello", {"partial-ok": False}, flags=FLUX_RPC_STREAMING)) == []
        )
        acquire = sched.rpc("resource.acquire", None, flags=FLUX_RPC_STREAMING)
        offered = acquire.get()
        assert offered["up"] == "0"
        assert sched.rpc("job-manager.sched-ready", {"mode": "limited", "limit": 1}).get() == {"count": 0}
        rset = ResourceSet.decode(offered["resources"]).encode()
        seen = []

        def alloc(msg: Message) -> None:
            seen.append("alloc")
            answer = {"id": msg.args["id"], "type": 0, "annotations": {"sched": {"note": "mine"}}, "R": rset}
            sched.respond(msg, answer)

        def free(msg: Message) -> None:
            seen.append("free")
            if seen.count("free") == 2:
                sched.reactor_stop()

        sched.on_request("sched.alloc", alloc)
        sched.on_request("sched.free", free)
        jobs = [submit(user, from_command(["true"])) for _ in range(2)]
        sched.reactor_run()
        assert sorted(seen) == ["alloc", "alloc", "free", "free"]
        for id in jobs:
            assert event_wait(user, id, "alloc").context == {"annotations": {"sched": {"note": "mine"}}}
            event_wait(user, id, "clean")


@pytest.mark.parametrize("name", ["kvs", "job-manager", "resource", "content"])
def test_a_reloaded_service_still_ends_after_those_that_need_it(tmp_path: Path, name: str) -> None:
    with (
        RealInstance("-S", f"statedir={tmp_path}/state", "-Sstatedir-cleanup=0") as instance,
        Flux(instance.uri) as h,
    ):
        h.rpc("module.remove", {"name": name}).get()
        h.rpc("module.load", {"path": name, "args": []}).get()
        id = submit(h, from_command(["true"], environment={"PATH": os.environ["PATH"]}))
        h.rpc("job-manager.drain", {}).get()
    assert instance.stderr == ""
    with (
        RealInstance("-S", f"statedir={tmp_path}/state", "-Sstatedir-cleanup=0") as instance,
        Flux(instance.uri) as h,
    ):
        request = {"id": id, "attrs": ["state"]}
        assert h.rpc("job-list.list-id", request).get()["job"]["state"] == FLUX_JOB_STATE_INACTIVE
