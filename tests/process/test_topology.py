# SPDX-License-Identifier: LGPL-3.0-or-later
"""Discovery of a machine from the files that describe it."""

import os

from rosin.process.topology import PhysicalCore, discover


def machine(root, units, *, online, package=lambda unit: 0, core=lambda unit: unit):
    cpus = root / "sys/devices/system/cpu"
    for unit in range(units):
        topology = cpus / f"cpu{unit}" / "topology"
        topology.mkdir(parents=True)
        (topology / "core_id").write_text(f"{core(unit)}\n")
        (topology / "physical_package_id").write_text(f"{package(unit)}\n")
    (cpus / "online").write_text(online + "\n")


def test_two_packages_with_two_threads_a_core(tmp_path):
    machine(tmp_path, 8, online="0-7", package=lambda unit: unit % 4 // 2, core=lambda unit: unit % 2)
    found = discover(restrict=False, root=tmp_path, hostname="h")
    expected = [(0, (0, 4)), (0, (1, 5)), (1, (2, 6)), (1, (3, 7))]
    assert found.cores == [PhysicalCore(package, units) for package, units in expected]
    assert (found.hostname, found.gpus) == ("h", 0)


def test_only_online_units_count(tmp_path):
    machine(tmp_path, 4, online="0,2-3")
    assert [core.pus for core in discover(restrict=False, root=tmp_path).cores] == [(0,), (2,), (3,)]


def test_restricted_to_where_this_process_may_run():
    units = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    found = sorted(unit for core in discover().cores for unit in core.pus)
    assert found == units if units is not None else found


def test_nothing_readable(tmp_path):
    found = discover(root=tmp_path)
    assert found.cores
    assert all(len(core.pus) == 1 for core in found.cores)
    assert found.memory > 0


def test_devices(tmp_path):
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).touch()
    for node, simd in (("0", 0), ("1", 256), ("2", 256)):
        where = tmp_path / "sys/class/kfd/kfd/topology/nodes" / node
        where.mkdir(parents=True)
        (where / "properties").write_text(f"cpu_cores_count 0\nsimd_count {simd}\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:       1024 kB\nMemFree: 1 kB\n")
    found = discover(root=tmp_path)
    assert (found.gpus, found.memory) == (4, 1024 * 1024)
