# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin pmi``: against a process manager in this process, alone, and in jobs."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rosin.rfc.pmi import Lines
from rosin.rfc.pmi.server import Abort, Server


class Manager:
    """Serves one process of a program of one."""

    def __init__(self, keys: dict[str, str]) -> None:
        ours, self.theirs = socket.socketpair()
        self.server = Server("job7", 1, 1, keys)
        self.aborted: tuple[str, int] | None = None
        self._thread = threading.Thread(target=self._serve, args=(ours,))
        self._thread.start()

    def _serve(self, ours: socket.socket) -> None:
        lines = Lines()
        with ours:
            while data := ours.recv(4096):
                for line in lines.feed(data):
                    try:
                        replies = self.server.request(0, line)
                    except Abort as abort:
                        self.aborted = (str(abort), abort.code)
                        return
                    for _, text in replies:
                        ours.sendall(text.encode())

    def end(self) -> None:
        self.theirs.close()
        self._thread.join()


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    for name in ("FLUX_JOB_CC", "FLUX_PMI_CLIENT_METHODS"):
        monkeypatch.delenv(name, raising=False)
    manager = Manager({"flux.instance-level": "1"})
    fd = os.dup(manager.theirs.fileno())  # the command closes it
    for name, value in {"FD": str(fd), "RANK": "0", "SIZE": "1"}.items():
        monkeypatch.setenv(f"PMI_{name}", value)
    monkeypatch.setenv("FLUX_JOB_ID", "ƒ7")
    yield manager
    manager.end()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PMI", "SLURM_", "PALS_", "ALPS_", "FLUX_PMI", "FLUX_JOB")):
            monkeypatch.delenv(name)


def test_a_barrier(command: Any, manager: Manager) -> None:
    line = "ƒ7: completed pmi barrier on 1 tasks\n"
    assert command("pmi", "barrier", "--test-count=2") == (0, line * 2, "")
    assert manager.server.finalized == {0}


def test_how_long_it_takes(command: Any, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUX_JOB_CC", "3")
    out = command("pmi", "barrier", "--test-timing").out
    assert re.fullmatch(r"3: completed pmi barrier on 1 tasks in \d+\.\d\d\ds\.\n", out)


def test_an_exchange(command: Any, manager: Manager) -> None:
    code, out, err = command("pmi", "-v", "exchange")
    assert code == 0
    assert re.fullmatch(r"ƒ7: completed pmi exchange on 1 tasks in \d+\.\d\d\ds\.\n", out)
    assert err.splitlines() == [
        "trying 'simple'",
        "simple: selected",
        "simple: initialize: rank=0 size=1 name=job7: success",
        "simple: barrier: success",
        "simple: put key=key.0 value=job7-0-1: success",
        "simple: barrier: success",
        "simple: get key=key.0 value=job7-0-1: success",
        "simple: barrier: success",
        "simple: finalize: success",
    ]


def test_lines_of_the_protocol(command: Any, manager: Manager) -> None:
    err = command("pmi", "--verbose=2", "--method=simple", "get", "flux.instance-level").err
    assert "C: cmd=get kvsname=job7 key=flux.instance-level\n" in err
    assert "S: cmd=get_result rc=0 value=1\n" in err


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("flux.instance-level",), "1\n"),
        (("--ranks=all", "flux.instance-level", "flux.instance-level"), "1\n1\n"),
        (("--ranks=1-3", "flux.instance-level"), ""),
        ((), ""),
    ],
)
def test_keys(command: Any, manager: Manager, words: tuple[str, ...], out: str) -> None:
    assert command("pmi", "get", *words) == (0, out, "")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("get", "nosuch"), "get nosuch: there is no such key"),
        (("get", "--ranks=x", "k"), "--ranks=x: expected all or an idset, as in 0-3"),
    ],
)
def test_what_fails(command: Any, manager: Manager, words: tuple[str, ...], text: str) -> None:
    assert command("pmi", *words) == (1, "", f"rosin-pmi: {text}\n")


def test_an_exchange_of_other_values(command: Any, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager.server, "barrier_complete", _spoilt(manager.server))
    text = "rosin-pmi: get key.0: returned unexpected value\n"
    assert command("pmi", "exchange") == (1, "", text)


def _spoilt(server: Server) -> Callable[..., Any]:
    whole = server.barrier_complete

    def spoilt(keys: dict[str, str] | None = None, failed: bool = False) -> Any:
        replies = whole(keys, failed)
        for key in list(server._global):
            server._global[key] = "other"
        return replies

    return spoilt


def test_an_abort(command: Any, manager: Manager) -> None:
    text = "rosin-pmi: rank 0 is aborting\n"
    assert command("pmi", "barrier", "--test-abort=0") == (1, "", text)
    manager.end()
    assert manager.aborted == ("rank 0 is aborting", 1)


@pytest.mark.usefixtures("alone")
def test_no_process_manager(command: Any) -> None:
    code, out, err = command("pmi", "-v", "barrier")
    assert (code, out) == (0, "0: completed pmi barrier on 1 tasks\n")
    lines = err.splitlines()
    assert lines[:2] == ["trying 'simple'", "simple: PMI_FD is not in the environment"]
    assert lines[-4:-2] == ["single: selected", "single: initialize: rank=0 size=1 name=single: success"]
    code, _, err = command("pmi", "--method=single", "barrier", "--test-abort=0")
    assert (code, err) == (1, "rosin-pmi: rank 0 is aborting\n")


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("foo", "plugin matching 'foo' not found: expected one of simple, libpmi2, libpmi, pmix, single"),
        ("config", "plugin matching 'config' not found: expected one of simple"),
        ("simple", "no process manager: simple: PMI_FD is not in the environment"),
        ("libpmi:/nowhere.so", "no process manager: libpmi: /nowhere.so: cannot open shared object"),
        ("pmix", "no process manager: pmix: PMIX_NAMESPACE is not in the environment"),
    ],
)
def test_methods_that_are_not_there(command: Any, method: str, text: str) -> None:
    code, out, err = command("pmi", f"--method={method}", "barrier")
    assert (code, out) == (1, "")
    assert err.startswith(f"rosin-pmi: {text}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [("barrier", "x"), (), ("foo",), ("-t", "x", "barrier"), ("barrier", "--test-count=x")]
)
def test_usage(command: Any, words: tuple[str, ...]) -> None:
    assert command("pmi", *words).code == 2


# --- in jobs


@pytest.mark.system
def test_tasks_of_a_job(program: Any) -> None:
    code, out, err = program("run", "-n2", "rosin", "pmi", "exchange", "--count=2")
    assert (code, err) == (0, "")
    assert len(re.findall(r"completed pmi exchange on 2 tasks in", out)) == 2


@pytest.mark.system
def test_who_waits_in_vain(program: Any) -> None:
    script = "test $FLUX_TASK_RANK = 1 || exec rosin pmi --timeout=0.05s barrier"
    code, out, err = program("run", "-n2", "sh", "-c", script)
    assert (code, out) == (1, "")
    assert err.startswith("rosin-pmi: timeout expired before PMI operation completed\n")


@pytest.mark.system
def test_an_abort_ends_the_job(program: Any) -> None:
    code, out, err = program("run", "-n2", "rosin", "pmi", "barrier", "--test-abort=1")
    assert (code, out) == (1, "")
    assert "PMI_Abort: rank 1 is aborting" in err
