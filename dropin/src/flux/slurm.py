# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.slurm: the time that is left of a Slurm job."""

from __future__ import annotations

import subprocess

__all__ = ["SLURM_TIME_UNLIMITED", "slurm_timeleft"]

SLURM_TIME_UNLIMITED = {"UNLIMITED", "NOT_SET", "INVALID"}


def _seconds(text: str) -> int | None:
    """Seconds of ``D-HH:MM:SS``, ``HH:MM:SS`` or ``MM:SS``; None for no limit and for anything else."""
    days, _, clock = text.strip().rpartition("-")
    parts = clock.split(":")
    if len(parts) not in (2, 3) or not all(part.isdecimal() for part in [days or "0", *parts]):
        return None
    hours, minutes, seconds = (int(part) for part in ["0", *parts][-3:])
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds


def slurm_timeleft(jobid: int | str) -> int | None:
    """Seconds that a Slurm job has left, None without a limit. Raises RuntimeError."""
    command = ["squeue", "--noheader", f"--job={jobid}", "-o", "%L"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        raise RuntimeError("squeue not found in PATH") from None
    if done.returncode:
        raise RuntimeError(f"squeue failed: {done.stderr}")
    return _seconds(done.stdout)
