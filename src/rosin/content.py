# SPDX-License-Identifier: LGPL-3.0-or-later
"""Blobs of an instance's content store (RFC 10), for the instance owner.

The functions serve every kind of handle. *nodeid* is the rank whose cache is asked, by default the next one.
"""

from __future__ import annotations

from rosin.constants import FLUX_NODEID_ANY
from rosin.rfc import blobref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC

__all__ = ["load_async", "store_async"]


def load_async(flux_handle: Handle, ref: str | bytes, nodeid: int = FLUX_NODEID_ANY) -> RPC:
    """Ask for the blob with the reference (or digest) *ref*; the response is its bytes (``get_raw()``).

    OSError ENOENT: there is none. Raises FormatError for text that is no blob reference.
    """
    digest = ref if isinstance(ref, bytes) else blobref.parse(ref)[1]
    return flux_handle.rpc("content.load", digest, nodeid)


def store_async(flux_handle: Handle, blob: bytes, nodeid: int = FLUX_NODEID_ANY) -> RPC:
    """Store *blob*; the response is its digest (``get_raw()``) by the instance's ``content.hash``.

    OSError EFBIG: it is larger than the content service takes.
    """
    return flux_handle.rpc("content.store", blob or None, nodeid)
