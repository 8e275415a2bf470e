# SPDX-License-Identifier: LGPL-3.0-or-later
"""Users other than the instance owner: refused, or limited to what is theirs."""

import base64
import errno
import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rosin import _json
from rosin.constants import FLUX_JOB_EVENT_WATCH_WAITCREATE, FLUX_RPC_STREAMING
from rosin.handle import Flux
from rosin.handle.stream import connect
from rosin.job.submission import submit
from rosin.rfc import fluid, sign
from rosin.rfc.jobspec.build import from_command
from rosin.testing.guest import GUEST, as_guest
from rosin.testing.process import RealInstance

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user"),
]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[RealInstance]:
    # The socket must be in a directory that others may enter.
    run = Path(f"/tmp/rosin-guests-{os.getpid()}")
    run.mkdir(mode=0o755)
    with RealInstance("-S", f"rundir={run}", "--conf", "access.allow-guest-user=true") as instance:
        yield instance
    for path in run.iterdir():
        path.unlink()
    run.rmdir()


def mock(seconds: float = 0.001) -> dict[str, Any]:
    jobspec = from_command(["mock"])
    jobspec["attributes"]["system"]["exec"] = {"test": {"run_duration": f"{seconds}s"}}
    return jobspec


def first_byte(path: str) -> int:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        return sock.recv(1)[0]


def test_refused_by_default() -> None:
    run = Path(f"/tmp/rosin-guests-{os.getpid()}")
    run.mkdir(mode=0o755)
    try:
        with RealInstance("-S", f"rundir={run}") as instance:
            path = instance.uri.removeprefix("local://")
            assert as_guest(first_byte, path) == errno.EPERM
            with pytest.raises(PermissionError, match="Operation not permitted"):
                as_guest(connect, path)
            assert first_byte(path) == 0
    finally:
        for entry in run.iterdir():
            entry.unlink()
        run.rmdir()


def rpc(uri: str, topic: str, payload: Any = None, flags: int = 0) -> Any:
    with Flux(uri) as h:
        return h.rpc(topic, payload, flags=flags).get()


def test_admins_see_all_jobs_in_private_mode_and_may_do_no_more(instance: RealInstance) -> None:
    admin = pwd.getpwuid(GUEST).pw_name
    with Flux(instance.uri) as h:
        id = submit(h, mock())
        listed = {"id": int(id), "attrs": ["state"]}
        for users, sees in (([], False), ([admin], True)):
            access = {"allow-guest-user": True, "private-mode": True, "roles": {"admin": {"users": users}}}
            h.rpc("config.load", {"access": access}).get()
            if sees:
                assert as_guest(rpc, instance.uri, "job-list.list-id", listed)["job"]["id"] == id
                assert as_guest(rpc, instance.uri, "job-manager.getinfo", {})["max_jobid"] == id
            else:
                with pytest.raises(OSError):
                    as_guest(rpc, instance.uri, "job-list.list-id", listed)
            with pytest.raises(PermissionError):
                as_guest(rpc, instance.uri, "job-manager.queue-enable", {"enable": True, "all": True})


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("attr.set", {"name": "log-level", "value": "0"}),
        ("broker.rusage-nonexistent", {}),
        ("config.load", {}),
        ("config.reload", {}),
        ("content.load", {}),
        ("content-backing.load", {}),
        ("job-exec.start", {}),
        ("job-manager.disconnect-all", {}),
        ("job-manager.events-journal", {}),
        ("job-manager.exec-hello", {"service": "mine"}),
        ("job-manager.purge", {"age_limit": -1.0, "num_limit": 0, "batch": 1, "force": True}),
        ("job-manager.queue-enable", {"enable": False, "all": True}),
        ("job-manager.submit", {"jobs": []}),
        ("kvs.namespace-create", {"namespace": "mine", "owner": GUEST, "flags": 0}),
        ("kvs.lookup", {"key": ".", "namespace": "primary", "flags": 1}),
        ("module.remove", {"name": "kvs"}),
        ("rexec.exec", {"cmd": {"cwd": "/", "cmdline": ["id"], "env": {}, "opts": {}, "channels": []}}),
        ("rexec.list", {}),
        ("resource.drain", {"targets": "0", "reason": "mine"}),
        ("runat.push", {"name": "rc3", "commands": ["id"]}),
        ("shutdown.start", {"loglevel": 3}),
        ("state-machine.post", {"event": "shutdown"}),
        ("sched.alloc", {}),
        ("service.add", {"service": "kvs2"}),
    ],
)  # fmt: skip
def test_what_guests_may_not(instance: RealInstance, topic: str, payload: dict[str, Any]) -> None:
    with pytest.raises(OSError) as caught:
        as_guest(rpc, instance.uri, topic, payload)
    assert caught.value.errno in (errno.EPERM, errno.ENOSYS)
    assert rpc(instance.uri, "attr.get", {"name": "rank"})["value"] == "0"


def forge(uri: str) -> int:
    """Claim to be root in the message itself."""
    with Flux(uri) as h:
        send = h._send

        def forged(msg: Any) -> None:
            msg.userid, msg.rolemask = 0, 1
            send(msg)

        h._send = forged  # type: ignore[method-assign]
        try:
            h.rpc("module.remove", {"name": "kvs"}).get()
        except OSError as error:
            return error.errno or -1
    return 0


def test_credentials_cannot_be_forged(instance: RealInstance) -> None:
    assert as_guest(forge, instance.uri) == errno.EPERM


def publish(uri: str, topic: str, payload: dict[str, Any]) -> None:
    with Flux(uri) as h:
        h.event_send(topic, payload)
        h.rpc("attr.get", {"name": "rank"}).get()
        encoded = base64.b64encode(_json.dumps(payload) + b"\0").decode()
        h.rpc("event.publish", {"topic": topic, "flags": 0, "payload": encoded}).get()


def test_events_of_guests_do_not_steer_services(instance: RealInstance) -> None:
    with Flux(instance.uri) as h:
        id = int(submit(h, mock(0.5)))
        event = {"id": id, "type": "cancel", "severity": 0}
        as_guest(publish, instance.uri, "job-exception", event)
        h.rpc("job-manager.drain").get()
        log = h.rpc("job-info.lookup", {"id": id, "keys": ["eventlog"], "flags": 0}).get()["eventlog"]
    assert '"name":"finish","context":{"status":0}' in log


def test_a_guest_kills_no_job_by_an_event(instance: RealInstance) -> None:
    with Flux(instance.uri) as h:
        job = from_command(
            ["sh", "-c", "echo up; read line; exit 5"], environment={"PATH": os.environ["PATH"]}
        )
        id = int(submit(h, job, waitable=True))
        output = h.rpc(
            "job-info.eventlog-watch",
            {"id": id, "path": "guest.output", "flags": FLUX_JOB_EVENT_WATCH_WAITCREATE},
            flags=FLUX_RPC_STREAMING,
        )
        next(text for text in (msg.text for msg in output.messages()) if "up" in text)
        as_guest(publish, instance.uri, f"shell-{id}.kill", {"signum": 9})
        service = f"{os.getuid()}-shell-{fluid.encode(id, 'f58plain')}"
        with pytest.raises(PermissionError):
            as_guest(rpc, instance.uri, f"{service}.stdin", {"eof": True, "stream": "stdin", "rank": "all"})
        h.rpc(f"{service}.stdin", {"eof": True, "stream": "stdin", "rank": "all"}).get()
        status = h.rpc("job-manager.wait", {"id": id}).get()
    assert "exit code 5" in status["errstr"]  # it has ended by itself


def test_jobs_of_others_are_out_of_reach(instance: RealInstance) -> None:
    with Flux(instance.uri) as h:
        id = int(submit(h, mock(100)))
        cancel = {"id": id, "severity": 0, "type": "cancel", "note": ""}
        for topic, payload in (
            ("job-manager.raise", cancel),
            ("job-manager.urgency", {"id": id, "urgency": 0}),
            ("job-manager.kill", {"id": id, "signum": 9}),
            ("job-manager.memo", {"id": id, "memo": {"a": 1}}),
            ("job-manager.update", {"id": id, "updates": {"attributes.system.duration": 1.0}}),
            ("job-exec.critical-ranks", {"id": id, "ranks": "0"}),
            ("job-info.lookup", {"id": id, "keys": ["jobspec"], "flags": 0}),
            ("job-info.eventlog-watch", {"id": id, "path": "eventlog", "flags": 0}),
        ):
            flags = FLUX_RPC_STREAMING if "watch" in topic else 0
            with pytest.raises(PermissionError):
                as_guest(rpc, instance.uri, topic, payload, flags)
        h.rpc("job-manager.raise", cancel).get()
        h.rpc("job-manager.drain").get()


def signed_by(uri: str, userid: int) -> None:
    J = sign.wrap(_json.dumps(mock()), userid)
    rpc(uri, "job-ingest.submit", {"J": J, "urgency": 16, "flags": 0})


@pytest.mark.parametrize("userid", [0, GUEST])
def test_unsigned_jobs_of_guests_are_refused(instance: RealInstance, userid: int) -> None:
    with pytest.raises(PermissionError):
        as_guest(signed_by, instance.uri, userid)


def test_jobs_signed_for_somebody_else_are_refused(instance: RealInstance) -> None:
    with pytest.raises(OSError, match="signer"):
        signed_by(instance.uri, GUEST)
