# SPDX-License-Identifier: LGPL-3.0-or-later
"""Nodes that do not exist, and the paths of the installation."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rosin.broker.fakeresources import FakeResources
from rosin.errors import FormatError
from rosin.process.topology import MachineTopology, PhysicalCore
from rosin.resource import hwloc
from rosin.rfc.rset import ResourceSet
from rosin.testing.instance import Instance
from rosin.testing.process import RealInstance


def encode(table: dict[str, object]) -> ResourceSet:
    fake = FakeResources.parse({"fake-resources": table})
    assert fake is not None
    return fake.encode()


def test_without_the_table_there_are_none() -> None:
    assert FakeResources.parse({}) is None


def test_defaults() -> None:
    rset = encode({"nnodes": 4})
    assert (rset.nnodes, rset.ncores, rset.ngpus) == (4, 256, 0)
    assert rset.encode()["execution"]["nodelist"] == ["fake[0-3]"]


def test_all_keys() -> None:
    table = {"nnodes": 2, "cores-per-node": 3, "gpus-per-node": 1, "host-prefix": "x"}
    rset = encode(table)
    assert (rset.nnodes, rset.ncores, rset.ngpus) == (2, 6, 2)
    assert rset.encode()["execution"]["nodelist"] == ["x[0-1]"]


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"cores-per-node": 4}, "requires the 'nnodes' key"),
        ({"nnodes": 0}, "nnodes: expected 1 to 65536"),
        ({"nnodes": 10**9}, "nnodes: expected 1 to 65536"),
        ({"nnodes": 1, "cores-per-node": 0}, "cores-per-node: expected 1 to 4096"),
        ({"nnodes": 1, "host-prefix": "a["}, "host-prefix: "),
        ({"nnodes": 1, "host-prefix": "a,b"}, "host-prefix: "),
        ({"nnodes": 1, "amend-r": 5}, "amend-r: expected a string"),
        ({"nnodes": 1, "hwloc-xml-path": "/no/such"}, "hwloc-xml-path: /no/such: No such file"),
        ({"nnodes": 1, "hwloc-xml-path": "/dev/null"}, "hwloc-xml-path: hwloc XML: "),
    ],
)
def test_what_is_refused(table: dict[str, object], text: str) -> None:
    with pytest.raises(FormatError, match=text):
        encode(table)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine with two cores and a GPU."""
    path = tmp_path / "machine.xml"
    cores = [PhysicalCore(0, (0,)), PhysicalCore(0, (1,))]
    path.write_text(hwloc.encode(MachineTopology("elsewhere", cores, 1)))
    return path


def test_nodes_like_a_machine(machine: Path) -> None:
    rset = encode({"nnodes": 2, "hwloc-xml-path": str(machine), "cores-per-node": 9})
    assert rset.dumps() == "rank[0-1]/core[0-1],gpu0"
    assert list(rset.nodelist()) == ["fake0", "fake1"]


def amended(table: dict[str, object]) -> Any:
    fake = FakeResources.parse({"fake-resources": {"nnodes": 2, **table}})
    assert fake is not None
    return fake.R()


def test_r_is_amended(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
def amend(R, hwloc_xml=None):
    R["execution"]["properties"] = {"xml" if hwloc_xml else "none": "0"}
    return R

other = lambda R, hwloc_xml=None: {**R, "scheduling": {"writer": "mine"}}
fails = lambda R, hwloc_xml=None: R["nothing"]
wrong = lambda R, hwloc_xml=None: 5
"""
    (tmp_path / "my_amender.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    file = str(tmp_path / "my_amender.py")
    assert amended({"amend-r": file})["execution"]["properties"] == {"none": "0"}
    table = {"amend-r": file, "hwloc-xml-path": str(machine)}
    assert amended(table)["execution"]["properties"] == {"xml": "0"}
    assert amended({"amend-r": "my_amender:other"})["scheduling"] == {"writer": "mine"}
    assert "scheduling" not in amended({})
    for name, kind, words in (
        ("my_amender:fails", OSError, "fake-resources.amend-r: my_amender:fails: KeyError: 'nothing'"),
        ("my_amender:wrong", FormatError, "fake-resources.amend-r: my_amender:wrong: R: not an object"),
        ("my_amender:absent", OSError, "fake-resources.amend-r: my_amender:absent: no function absent"),
        ("no_such:f", OSError, "fake-resources.amend-r: no_such:f: ModuleNotFoundError"),
        ("/no/such.py", OSError, "fake-resources.amend-r: /no/such.py: No such file or directory"),
    ):
        with pytest.raises(kind, match=re.escape(words)):
            amended({"amend-r": name})


@pytest.mark.system
def test_an_instance_with_them() -> None:
    with RealInstance("--conf=fake-resources.nnodes=4") as instance:
        listing = instance.run("resource", "list", "-n", "-s", "free", "-o", "{nnodes} {ncores} {nodelist}")
        assert listing.stdout == "4 256 fake[0-3]\n"
        mock = ("submit", "-N4", "--setattr=system.exec.test.run_duration=0.01s", "--wait", "true")
        assert instance.run(*mock).returncode == 0


@pytest.mark.system
def test_rc1_as_a_program_amends_them_too(tmp_path: Path) -> None:
    amender = tmp_path / "amender.py"
    amender.write_text(
        "def amend(R, hwloc_xml=None):\n    R['execution']['properties'] = {'fine': '0'}\n    return R\n"
    )
    table = ("--conf=fake-resources.nnodes=2", f'--conf=fake-resources.amend-r="{amender}"')
    with RealInstance("-Sbroker.rc1_path=rosin modprobe rc1 --timing", *table) as instance:
        listing = instance.run("resource", "list", "-n", "-s", "all", "-o", "{nodelist} {properties}")
        assert "fake0 fine\n" in listing.stdout


async def test_builtin_paths() -> None:
    async with Instance() as inst:
        h = await inst.connect()
        values = (await h.rpc("broker.conf-builtin", {"keys": ["confdir", "rc1_path"]}))["values"]
        assert values == {"confdir": "/etc/flux", "rc1_path": "flux modprobe rc1"}
        for keys in (["confdir", "nope"], [[]], [3]):
            with pytest.raises(OSError) as info:
                await h.rpc("broker.conf-builtin", {"keys": keys})
            assert info.value.errno == (errno.EINVAL if "nope" in keys else errno.EPROTO)


@pytest.mark.system
def test_builtin_paths_and_environment_need_no_instance() -> None:
    def rosin(*argv: str) -> str:
        env = {**os.environ, "PYTHONPATH": "/mine"}
        command = (sys.executable, "-m", "rosin", *argv)
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60).stdout

    python_path = rosin("config", "builtin", "python_path").strip()
    assert os.path.isdir(os.path.join(python_path, "rosin"))
    text = rosin("env")
    assert f'export PYTHONPATH="/mine:{python_path}"\n' in text
    for name in ("FLUX_MODULE_PATH", "FLUX_EXEC_PATH", "FLUX_CONNECTOR_PATH"):
        assert f'export {name}="/' in text
    assert rosin("config", "builtin", "nope") == ""
