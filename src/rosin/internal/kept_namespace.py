# SPDX-License-Identifier: LGPL-3.0-or-later
"""KVS namespaces that outlive their broker: where the root of one is in the primary namespace.

Who makes a namespace ``kept`` (a key of ``kvs.namespace-create`` that is Rosin's own) finds its last root
here, as a directory, when its broker was killed, and makes the namespace again with it. It is removed with
the namespace.
"""

from __future__ import annotations

_DIRECTORY = "checkpoint.namespace"


def kept_key(name: str) -> str:
    """The key of a namespace's root. Characters that a key gives a meaning to are written in hexadecimal."""
    return f"{_DIRECTORY}.{''.join(c if c.isalnum() or c in '-_' else f'%{ord(c):x}' for c in name)}"
