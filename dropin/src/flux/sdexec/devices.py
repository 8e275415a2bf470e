# SPDX-License-Identifier: LGPL-3.0-or-later
"""The device files of GPUs, which a unit of systemd has to be allowed."""

from __future__ import annotations

import errno
from pathlib import Path

#: Where the kernel shows PCI devices, and where device files are.
SYSFS_PCI_DEVICES = "/sys/bus/pci/devices"
DEV_DRI = "/dev/dri"
DEV_PREFIX = "/dev"
NVIDIA_DRIVER = "nvidia"
AMD_DRIVER = "amdgpu"
#: What programs of NVIDIA GPUs open besides the GPU's own file.
NVIDIA_SHARED_DEVICES = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"]


def of_gpu(address: str) -> list[str]:
    """The device files of the GPU at a PCI address. Raises OSError (ENODEV) if one is missing."""
    device = Path(SYSFS_PCI_DEVICES, address)
    found = [Path(DEV_DRI, entry.name) for entry in sorted((device / "drm").glob("*"))]
    found = [path for path in found if path.exists()]
    driver = (device / "driver").resolve().name.lower() if (device / "driver").exists() else ""
    if NVIDIA_DRIVER in driver:
        found.append(_nvidia(address))
        found += [path for name in NVIDIA_SHARED_DEVICES if (path := Path(DEV_PREFIX, name)).exists()]
    elif AMD_DRIVER in driver:
        if not found:
            raise OSError(errno.ENODEV, f"GPU {address}: no /dev/dri devices found")
        found.append(_existing(address, "kfd"))
    return [str(path) for path in found]


def _existing(address: str, name: str) -> Path:
    path = Path(DEV_PREFIX, name)
    if not path.exists():
        raise OSError(errno.ENODEV, f"GPU {address}: {path} not found")
    return path


def _nvidia(address: str) -> Path:
    """The file of an NVIDIA GPU; the driver says which. Cards of DRM are counted otherwise."""
    information = Path("/proc/driver/nvidia/gpus", address, "information")
    lines = information.read_text().splitlines() if information.exists() else []
    for line in lines:
        name, _, value = line.partition(":")
        if name == "Device Minor":
            return _existing(address, f"nvidia{int(value)}")
    raise OSError(errno.ENODEV, f"GPU {address}: Device Minor not found in {information}")
