# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which instance a program talks to without being told, and how it is told."""

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rosin import _json
from rosin.broker.registration import Registration
from rosin.handle import registry, uri
from rosin.handle.stream import connect
from rosin.process import directory

_HOLD = """
import os, sys
from rosin.broker.registration import Registration
name, nested = sys.argv[1], sys.argv[2] == "nested"
record = {"uri": "local:///" + name, "started": 1e9, "size": 1}
record |= {"program": name + " \\x1b[31m", "nested": nested}
assert Registration(record).place() is None
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLUX_URI", raising=False)
    monkeypatch.setenv("ROSIN_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setattr(uri, "SYSTEM_SOCKET", str(tmp_path / "system"))


class Brokers:
    """Processes that are registered as brokers are."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, nested: bool = False) -> "subprocess.Popen[bytes]":
        argv = [sys.executable, "-c", _HOLD, name, "nested" if nested else ""]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        return process


@pytest.fixture
def brokers() -> Iterator[Brokers]:
    result = Brokers()
    yield result
    for process in result.processes:
        process.kill()
        process.communicate()


def test_flux_uri_comes_first(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    brokers.start("a")
    monkeypatch.setenv("FLUX_URI", "local:///x")
    assert uri.default_uri() == "local:///x"


def test_an_empty_flux_uri_is_none(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    brokers.start("a")
    monkeypatch.setenv("FLUX_URI", "")
    assert uri.default_uri() == "local:///a"


@pytest.mark.parametrize("text", ["nothing", "gopher://x", "local://"])
def test_a_bad_flux_uri_is_named(text: str, brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    brokers.start("a")
    monkeypatch.setenv("FLUX_URI", text)
    with pytest.raises(OSError, match=r"FLUX_URI: .*local://PATH") as info:
        uri.default_uri()
    assert info.value.errno == errno.EINVAL


def test_an_ended_instance_in_flux_uri_is_told_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUX_URI", "local:///none")
    assert "FLUX_URI names has ended" in uri.not_found("/none")
    assert "rosin start" in uri.not_found("/other")


def test_none_is_an_error_that_says_how_to_start_one() -> None:
    with pytest.raises(
        OSError, match=r"Unable to connect to Flux: .* was not found; .*'rosin start'"
    ) as info:
        uri.default_uri()
    assert info.value.errno == errno.ENOENT


def test_several_are_listed(brokers: Brokers) -> None:
    brokers.start("a")
    brokers.start("b")
    with pytest.raises(OSError, match="Unable to connect to Flux: several instances are running") as info:
        uri.default_uri()
    # By time, which two that begin in one moment may have in common.
    lines = sorted(str(info.value.strerror).splitlines()[1:])
    assert [line.split()[1] for line in lines] == ["FLUX_URI=local:///a", "FLUX_URI=local:///b"]
    assert "# a ?[31m, since " in lines[0]
    assert f"1 broker, pid {brokers.processes[0].pid}" in lines[0]


def test_a_nested_instance_is_not_meant(brokers: Brokers) -> None:
    brokers.start("job", nested=True)
    with pytest.raises(FileNotFoundError):
        uri.default_uri()
    brokers.start("a")
    assert uri.default_uri() == "local:///a"


def test_the_system_instance_wins_over_the_users(brokers: Brokers, tmp_path: Path) -> None:
    brokers.start("a")
    (tmp_path / "system").touch()
    assert uri.default_uri() == f"local://{tmp_path}/system"


def test_the_enclosing_instance_wins_over_both(brokers: Brokers, tmp_path: Path) -> None:
    """This process is a broker, its child's child asks."""
    brokers.start("a")
    (tmp_path / "system").touch()
    record = {"uri": "local:///me", "started": 2e9, "size": 1, "program": "", "nested": True}
    registration = Registration(record)
    assert registration.place() is None
    try:
        code = "from rosin.handle.uri import default_uri; print(default_uri())"
        argv = ["sh", "-c", '"$0" "$@"; exit', sys.executable, "-c", code]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == "local:///me\n"
    finally:
        registration.remove()


def test_a_dead_instance_is_forgotten(brokers: Brokers, tmp_path: Path) -> None:
    process = brokers.start("a")
    file = tmp_path / "registry" / str(process.pid)
    assert _json.loads(file.read_bytes())["uri"] == "local:///a"
    process.kill()
    process.wait()
    assert registry.running() == []
    assert not file.exists()


def test_what_is_no_record_is_passed_over(brokers: Brokers, tmp_path: Path) -> None:
    brokers.start("a")
    (tmp_path / "registry" / "1").symlink_to("/etc/passwd")
    (tmp_path / "registry" / "x").touch()
    os.mkfifo(tmp_path / "registry" / "2")
    assert [entry.uri for entry in registry.running()] == ["local:///a"]


def test_a_registry_of_others_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [str(tmp_path / name) for name in ("link", "open", "good")]
    (tmp_path / "link").symlink_to("open")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setattr("rosin.broker.registration.directories", lambda: names)
    monkeypatch.setattr(registry, "directories", lambda: names)
    record = {"uri": "local:///me", "started": 1, "size": 1, "program": "", "nested": False}
    registration = Registration(record)
    assert registration.place() is None
    assert os.listdir(tmp_path / "open") == []
    assert os.listdir(tmp_path / "good") == [str(os.getpid())]
    assert (tmp_path / "good").stat().st_mode & 0o777 == 0o700
    registration.remove()
    names.pop()
    fault = Registration(record).place()
    assert fault is not None
    assert "link is a symbolic link" in fault
    assert registry.running() == []


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(tmp_path / "theirs", 1234, 1234)
    with pytest.raises(PermissionError, match="belongs to another user"):
        directory.open_private(str(tmp_path / "theirs"))
    (tmp_path / "lure").symlink_to(tmp_path)
    os.lchown(tmp_path / "lure", 1234, 1234)
    with pytest.raises(PermissionError, match="symbolic link of another user"):
        directory.check_link(str(tmp_path / "lure"))


def test_a_long_path_is_reached(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    path = str(deep / "local-0")
    with socket.socket(socket.AF_UNIX) as listener:
        with directory.socket_path(path) as name:
            listener.bind(name)
        listener.listen(1)

        def welcome() -> None:
            with listener.accept()[0] as peer:
                peer.sendall(b"\0")

        thread = threading.Thread(target=welcome)
        thread.start()
        connect(path).close()
        thread.join()


@pytest.mark.parametrize("text", ["nothing", "gopher://x", ""])
def test_other_uris_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="local://PATH"):
        uri.local_path(text)
