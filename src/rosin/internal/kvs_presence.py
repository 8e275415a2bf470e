# SPDX-License-Identifier: LGPL-3.0-or-later
"""How a service is told that no root of the KVS can come any more: it waits for one that never does.

``kvs.wait-version`` fails for who waits in this way when the KVS that was asked ends, or cannot be told by
rank 0 any more. So does flux-core's, as far as it knows.
"""

from __future__ import annotations

#: A sequence number that no root reaches.
NEVER = 0x7FFFFFFF
#: The payload of ``kvs.wait-version``.
REQUEST = {"rootseq": NEVER, "namespace": "primary"}
