# SPDX-License-Identifier: LGPL-3.0-or-later
"""The machine that a broker is on, and files that stand for it."""

import os
from pathlib import Path

import pytest

from rosin.process.topology import MachineTopology, PhysicalCore
from rosin.resource import hwloc
from rosin.resource.machine import ELSEWHERE, FILE, NO_DEDUP, look
from rosin.testing import Instance

MINE = sorted(os.sched_getaffinity(0))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A machine with a core that this process may run on, and three that it may not."""
    cores = [PhysicalCore(0, (unit,)) for unit in (MINE[0], 900, 901, 902)]
    path = tmp_path / "machine.xml"
    path.write_text(hwloc.encode(MachineTopology("elsewhere", cores, 2)))
    return path


def fail(text: str) -> None:
    pytest.fail(text)


def test_without_a_file_it_is_looked_at() -> None:
    machine = look(3, {}, fail, hostname="here")
    assert list(machine.rset) == [3]
    assert machine.rset.host(3) == "here"
    assert b'value="here"' in machine.xml()
    assert look(3, {FILE: ""}, fail).rset.cores(3) == machine.rset.cores(3)


def test_a_file_is_believed(file: Path) -> None:
    environ = {FILE: str(file)}
    machine = look(3, environ, fail, hostname="here")
    assert (machine.rset.dumps(), machine.rset.host(3)) == ("rank3/core0,gpu[0-1]", "elsewhere")
    assert machine.xml() == file.read_bytes()
    assert look(3, environ, fail, restrict=False).rset.dumps() == "rank3/core[0-3],gpu[0-1]"
    assert look(3, {**environ, ELSEWHERE: "1"}, fail).rset.dumps() == "rank3/core[0-3],gpu[0-1]"


def test_gpus_as_often_as_they_are_shown(tmp_path: Path) -> None:
    devices = "".join(
        f'<object type="OSDev"><info name="Backend" value="{name}"/></object>' for name in ("CUDA", "NVML")
    )
    core = f'<object type="Core" cpuset="{1 << MINE[0]:#x}"/>'
    info = '<info name="HostName" value="h"/>'
    path = tmp_path / "x.xml"
    pci = f'<object type="PCIDev">{devices}</object>'
    path.write_text(f'<topology><object type="Machine">{info}{core}{pci}</object></topology>')
    assert look(0, {FILE: str(path), ELSEWHERE: "1"}, fail).rset.ngpus == 1
    assert look(0, {FILE: str(path), ELSEWHERE: "1", NO_DEDUP: "1"}, fail).rset.ngpus == 2


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "No such file"),
        ("<topology", "hwloc XML"),
        ("<topology/>", "no host name"),
        (
            '<topology><object type="Core" cpuset="0xzz"/><info name="HostName" value="h"/></topology>',
            "cpuset '0xzz' is not a bitmap",
        ),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: str | None, text: str) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content)
    warnings: list[str] = []
    machine = look(0, {FILE: str(path)}, warnings.append, hostname="here")
    assert machine.rset.host(0) == "here"
    (warning,) = warnings
    assert warning.startswith(f"{FILE}={path}: ")
    assert text in warning
    assert warning.endswith("; the machine itself is looked at")


async def test_a_broker_on_a_machine_of_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE, str(file))
    monkeypatch.setenv(ELSEWHERE, "1")
    async with Instance(["content", "content-sqlite", "kvs", "groups", "resource"]) as inst:
        h = await inst.connect()
        R = (await h.rpc("resource.get"))["R"]["execution"]
        assert R["R_lite"] == [{"rank": "0", "children": {"core": "0-3", "gpu": "0-1"}}]
        assert R["nodelist"] == ["elsewhere"]
        assert await h.rpc("resource.topo-get").raw() == file.read_bytes() + b"\0"
