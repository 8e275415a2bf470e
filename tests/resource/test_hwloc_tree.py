# SPDX-License-Identifier: LGPL-3.0-or-later
"""What lies where in hwloc XML; what flux-core finds in it is in tests/upstream/answers-options.txt."""

import pytest

from rosin.errors import FormatError
from rosin.resource.hwloc_tree import HwlocTree


def obj(kind, cpus, inner="", more=""):
    return f'<object type="{kind}" cpuset="{cpus:#x}" nodeset="0x1" {more}>{inner}</object>'


def topology(inner, cpus=0b1111):
    return f"<topology>{obj('Machine', cpus, inner)}</topology>"


def cores(*numbers):
    return "".join(obj("Core", 1 << n, obj("PU", 1 << n)) for n in numbers)


def gpu(address, *backends):
    inner = "".join(
        f'<object type="OSDev"><info name="Backend" value="{name}"/></object>' for name in backends
    )
    return f'<object type="PCIDev" pci_busid="{address}">{inner}</object>'


def test_gpus_are_in_the_sockets_that_they_are_near():
    xml = topology(
        obj("Package", 0b0011, cores(0, 1) + gpu("0000:01:00.0", "CUDA", "OpenCL"))
        + obj("Package", 0b1100, cores(2, 3) + gpu("0000:02:00.0", "RSMI") + gpu("0000:03:00.0", "RSMI"))
    )
    machine = HwlocTree(xml)
    assert machine.gpus == ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"]
    assert machine.domains() == {"socket": [{"cores": "0-1", "gpus": "0"}, {"cores": "2-3", "gpus": "1-2"}]}
    assert machine.of_gpus([2, 0]) == ["0000:03:00.0", "0000:01:00.0"]


def test_what_is_near_no_part_is_of_the_whole():
    memory = obj("NUMANode", 0b1111, more=f'local_memory="{3 << 30}"')
    xml = topology(
        memory + obj("Package", 0b0011, cores(0, 1)) + obj("Package", 0b1100, cores(2, 3)) + gpu("x", "NVML")
    )
    assert HwlocTree(xml).domains() == {
        "socket": [{"cores": "0-1"}, {"cores": "2-3"}],
        "gpus": "0",
        "memory": 3,
    }


def test_domains_that_overlap_are_none():
    shared = "".join(obj("NUMANode", 0b1111, more=f'local_memory="{1 << 30}"') for _ in range(2))
    assert HwlocTree(topology(shared + cores(0, 1, 2, 3))).domains() == {"cores": "0-3", "memory": 2}


@pytest.mark.parametrize("xml", ["", "<x/>", '<topology><object type="Core" cpuset="zz"/></topology>'])
def test_what_is_no_topology(xml):
    with pytest.raises(FormatError, match="hwloc XML"):
        HwlocTree(xml)


def test_cores_and_gpus_that_are_not_there():
    machine = HwlocTree(topology(cores(0, 1)))
    assert machine.of_cores([1]) == ("1", "0")
    with pytest.raises(FileNotFoundError, match="core 2 not found"):
        machine.of_cores([0, 2])
    with pytest.raises(OSError, match="gpu0 not found") as caught:
        machine.of_gpus([0])
    assert caught.value.errno == 19
