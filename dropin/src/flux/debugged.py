# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.debugged: whether a debugger (MPIR) says that it follows this process."""

__all__ = ["get_mpir_being_debugged", "set_mpir_being_debugged"]

_being_debugged = 0


def get_mpir_being_debugged() -> int:
    """What :func:`set_mpir_being_debugged` has set, else 0."""
    return _being_debugged


def set_mpir_being_debugged(value: int) -> None:
    """Say whether a debugger follows this process."""
    global _being_debugged
    _being_debugged = int(value)
