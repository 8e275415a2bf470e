# SPDX-License-Identifier: LGPL-3.0-or-later
"""The machine as a file for tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.shell.fakes import FakeRPC, FakeShell

from rosin.process.topology import MachineTopology, PhysicalCore
from rosin.resource import hwloc
from rosin.shell import affinity
from rosin.shell.errors import ShellError

XML = hwloc.encode(MachineTopology("h", [PhysicalCore(0, (0, 2)), PhysicalCore(0, (1, 3))])).encode()


def prepare(options: dict[str, Any], tmp_path: Path, answer: Any = XML + b"\0") -> FakeShell:
    shell = FakeShell({"hwloc": options}, size=1)
    shell.info.tmpdir = str(tmp_path)
    shell.environment["HWLOC_COMPONENTS"] = "x86"

    def rpc(topic: str) -> FakeRPC:
        assert topic == "resource.topo-get"
        future = FakeRPC(topic, None)
        future.value = answer
        return future

    shell.h.rpc = rpc
    shell.load("hwloc").shell_post_init()
    return shell


def test_the_file(tmp_path: Path) -> None:
    shell = prepare({"xmlfile": 1}, tmp_path)
    assert shell.environment == {"HWLOC_XMLFILE": str(tmp_path / "hwloc.xml")}
    assert (tmp_path / "hwloc.xml").read_bytes() == XML
    assert (tmp_path / "hwloc.xml").stat().st_mode & 0o027 == 0


@pytest.mark.parametrize("options", [{}, {"restrict": 1}, {"xmlfile": 0, "restrict": 1}])
def test_no_file_unless_it_is_asked_for(tmp_path: Path, options: dict[str, Any]) -> None:
    assert prepare(options, tmp_path).environment == {"HWLOC_COMPONENTS": "x86"}
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_what_the_job_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity, "topology", lambda: [frozenset({0, 2}), frozenset({1, 3})])
    prepare({"xmlfile": 1, "restrict": 1}, tmp_path)  # core 0
    text = (tmp_path / "hwloc.xml").read_text()
    assert 'type="PU" os_index="2"' in text
    assert 'type="PU" os_index="1"' not in text
    assert hwloc.decode(text, 0)["execution"]["R_lite"][0]["children"] == {"core": "0"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (OSError(38, "Function not implemented"), "the machine is unknown: Function not implemented"),
        (b"<x", "the machine is unknown: hwloc XML: "),
    ],
)
def test_a_machine_that_is_not_known(tmp_path: Path, answer: Any, message: str) -> None:
    with pytest.raises(ShellError, match=message):
        prepare({"xmlfile": 1, "restrict": 1}, tmp_path, answer)


def test_cores_that_the_node_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity, "topology", list)
    with pytest.raises(ShellError, match="there are no cores 0"):
        prepare({"xmlfile": 1, "restrict": 1}, tmp_path)


def test_a_file_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "hwloc.xml").touch()
    with pytest.raises(ShellError, match=f"hwloc.xmlfile: {tmp_path}/hwloc.xml: File exists"):
        prepare({"xmlfile": 1}, tmp_path)
