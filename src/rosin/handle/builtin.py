# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where this installation's parts are: ``rosin config builtin``, ``broker.conf-builtin``, ``rosin env``."""

from __future__ import annotations

import os
import sys

from rosin.handle.uri import SYSTEM_SOCKET

#: Where flux-core's packages keep a site's configuration.
CONFDIR = "/etc/flux"


def paths() -> dict[str, str]:
    """The paths by flux-core's names; those of parts that there are not (Lua, a PMI library) are left out."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return {
        "confdir": CONFDIR,
        "datadir": package,
        "connector_path": os.path.join(package, "handle"),
        "exec_path": os.path.dirname(sys.executable),
        "libexecdir": package,
        "module_path": os.path.join(package, "modules"),
        "python_path": os.path.dirname(package),
        "rc1_path": "flux modprobe rc1",
        "rc3_path": "flux modprobe rc3",
        "rundir": os.path.dirname(SYSTEM_SOCKET),
    }


def search_path(path: str, program: str = "rosin") -> str:
    """``path`` with the directory of this installation's commands behind it unless ``program`` is in it.

    So it is when a command was called by its path, as from a virtual environment that is not active.
    """
    directories = path.split(os.pathsep)
    if any(os.access(os.path.join(directory, program), os.X_OK) for directory in directories):
        return path
    return os.pathsep.join([*directories, os.path.dirname(sys.executable)])
