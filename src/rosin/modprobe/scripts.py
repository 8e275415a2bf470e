# SPDX-License-Identifier: LGPL-3.0-or-later
"""Programs in the directories ``rc1.d`` and ``rc3.d``."""

from __future__ import annotations

import os
import subprocess

from rosin.handle.flux import Flux
from rosin.modprobe.context import say
from rosin.modprobe.files import RcFiles
from rosin.modprobe.places import places


def run_all_rc_scripts(runlevel: int) -> None:
    """Run the programs of a level, 1 or 3, in the order of their names. Raises OSError if one fails."""
    with Flux() as h:
        directories = RcFiles(places(h), lambda _text: None).script_directories(runlevel)
    failed = False
    for directory in directories:
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            path = os.path.join(directory, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                failed = not _run(path) or failed
    if failed:
        raise OSError(5, f"one or more rc{runlevel}.d scripts failed")


def _run(path: str) -> bool:
    print(f"running {path}", flush=True)
    try:
        code = subprocess.run([path], check=False).returncode
    except OSError as exc:
        say(f"{path}: {exc.strerror}")
        return False
    if code:
        say(f"{path} failed with exit code {code}")
    return not code
