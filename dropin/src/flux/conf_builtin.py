# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.conf_builtin: where this installation's parts are."""

from rosin.handle.builtin import paths

__all__ = ["conf_builtin_get"]


def conf_builtin_get(name: str, which: str = "auto") -> str:
    """A path of this installation by flux-core's name. Raises ValueError.

    ``which``: ``installed``, ``intree`` or ``auto``, which are all the same: Rosin runs where it is.
    """
    if which not in ("auto", "installed", "intree"):
        raise ValueError("which must be one of auto, installed, or intree")
    try:
        return paths()[name]
    except KeyError:
        raise ValueError(f"No builtin config value for '{name}'") from None
