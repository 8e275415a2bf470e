# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.util.tree: trees on a terminal."""

from rosin.cli.tree import Tree

__all__ = ["Tree"]
