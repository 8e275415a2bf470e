# SPDX-License-Identifier: LGPL-3.0-or-later
"""Machines as hwloc XML and back."""

import pytest

from rosin.errors import FormatError
from rosin.process.topology import MachineTopology, PhysicalCore
from rosin.resource import hwloc
from rosin.rfc.rset import ResourceSet


def test_hwloc_round_trip():
    cores = [PhysicalCore(n // 20, (n, n + 40)) for n in range(40)]
    topology = MachineTopology('a"&<b', cores, 3, 1 << 30)
    R = ResourceSet.decode(hwloc.decode(hwloc.encode(topology), 5))
    assert (R.dumps(), R.host(5)) == ("rank5/core[0-39],gpu[0-2]", 'a"&<b')
    assert 'cpuset="0x00000000,' not in hwloc.encode(topology)
    assert 'cpuset="0x00000001,0x00000000,0x00000001"' not in hwloc.encode(topology)
    assert 'cpuset="0x00000100,0x00000001"' in hwloc.encode(topology)  # PUs 0 and 40


def test_gpus_that_two_interfaces_show_count_once():
    def device(backend):
        return f'<object type="OSDev" osdev_type="5"><info name="Backend" value="{backend}"/></object>'

    pci = f'<object type="PCIDev">{device("CUDA")}{device("OpenCL")}</object>'
    info = '<info name="HostName" value="h"/>'
    xml = f'<topology><object type="Machine">{info}<object type="Core"/>{pci}{pci}</object></topology>'
    assert hwloc.decode(xml, 0)["execution"]["R_lite"][0]["children"] == {"core": "0", "gpu": "0-1"}


@pytest.mark.parametrize("xml", ["", "<topology>", "<topology/>", "x"])
def test_malformed_xml(xml):
    with pytest.raises(FormatError, match="hwloc XML"):
        hwloc.decode(xml, 0)


def test_a_part_of_a_machine():
    cores = [PhysicalCore(n // 20, (n, n + 40)) for n in range(40)]
    xml = hwloc.restrict(hwloc.encode(MachineTopology("h", cores, 2)).encode(), [19, 20, 60])
    R = ResourceSet.decode(hwloc.decode(xml, 0))
    assert R.dumps() == "rank0/core[0-1],gpu[0-1]"
    text = xml.decode()
    assert text.count('type="PU"') == 3
    assert text.count('type="Package"') == 2
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology')
    assert 'allowed_cpuset="0x10000000,0x00180000"' in text


def test_devices_of_what_is_left_out_stay():
    def core(number, inside=""):
        mask = f'cpuset="0x{1 << number:x}"'
        return f'<object type="Core" {mask}><object type="NUMANode" {mask}/>{inside}</object>'

    pci = '<object type="PCIDev"><info name="x" value="y"/></object>'
    info = '<info name="HostName" value="h"/>'
    machine = f'<object type="Machine" cpuset="0x3">{info}{core(0, pci)}{core(1)}</object>'
    text = hwloc.restrict(f"<topology>{machine}</topology>".encode(), [1]).decode()
    assert text.count("NUMANode") == 2
    assert text.count("PCIDev") == 1
    assert text.count("Core") == 1


@pytest.mark.parametrize(
    "xml", [b"<", b"<topology/>", b'<topology><object type="Machine" cpuset="0x1"/></topology>']
)
def test_a_part_that_is_not_there(xml):
    with pytest.raises(FormatError, match="hwloc XML"):
        hwloc.restrict(xml, [1])
