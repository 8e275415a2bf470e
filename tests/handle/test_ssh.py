# SPDX-License-Identifier: LGPL-3.0-or-later
"""Instances on other hosts: what is executed, and handles over it; a script stands in for ssh."""

import stat
import sys

import pytest

from rosin.handle import AsyncFlux, Flux, ssh
from rosin.handle.uri import check


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("ssh://host/run/flux/local", ["ssh", "host", "rflux", "relay", "/run/flux/local"]),
        ("ssh://me@host:2222//a//b", ["ssh", "-p", "2222", "me@host", "rflux", "relay", "/a/b"]),
        ("ssh://[fe80::1]/x y", ["ssh", "fe80::1", "rflux", "relay", "'/x y'"]),
        ("ssh://host/$(id)", ["ssh", "host", "rflux", "relay", "'/$(id)'"]),
    ],
)
def test_what_is_executed(uri, expected, monkeypatch):
    monkeypatch.setenv("FLUX_SSH_RCMD", "rflux")
    monkeypatch.delenv("FLUX_SSH", raising=False)
    assert ssh.command(uri) == expected
    monkeypatch.setenv("FLUX_SSH", "/opt/rsh")
    monkeypatch.delenv("FLUX_SSH_RCMD")
    argv = ssh.command(uri)
    assert argv[0] == "/opt/rsh"
    assert argv[-3].endswith("rosin")


@pytest.mark.parametrize(
    "uri",
    ["ssh://", "ssh:///path", "ssh://host", "ssh://-oProxyCommand=x/p", "ssh://-l@host/p", "ssh://h:99999/p"],
)
def test_what_is_no_address(uri):
    with pytest.raises(ValueError, match=r"expected ssh://\[USER@\]HOST\[:PORT\]/PATH"):
        check(uri)
    with pytest.raises(OSError, match="names no host and socket"):
        Flux(uri)


@pytest.fixture
def far(real_instance, tmp_path, monkeypatch):
    """The URI of an instance that is reached by a stand-in of ssh, and what that was called with."""
    script = tmp_path / "ssh"
    script.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/log\nshift\nexec sh -c "$*"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("FLUX_SSH", str(script))
    monkeypatch.setenv("FLUX_SSH_RCMD", f"{sys.executable} -m rosin")
    return "ssh://far" + real_instance.uri.removeprefix("local://"), tmp_path / "log"


@pytest.mark.system
def test_a_handle(far):
    uri, log = far
    with Flux(uri) as h:
        assert h.attr_get("rank") == "0"
        process = h._stream._socket.process
    assert process.returncode == 0
    assert log.read_text().startswith("far ")


@pytest.mark.system
async def test_a_handle_of_asyncio(far):
    async with await AsyncFlux.connect(far[0]) as h:
        assert await h.attr("rank") == "0"


@pytest.mark.system
def test_when_there_is_nobody(far, tmp_path, monkeypatch, capfd):
    with pytest.raises(ConnectionResetError, match="ssh has ended"):
        Flux("ssh://far/no/such")
    assert "/no/such: No such file or directory" in capfd.readouterr().err
    monkeypatch.setenv("FLUX_SSH", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="FLUX_SSH names another program than ssh"):
        Flux(far[0])


@pytest.mark.system
async def test_when_there_is_nobody_for_asyncio(far):
    with pytest.raises(ConnectionResetError):
        await AsyncFlux.connect("ssh://far/no/such")
