# SPDX-License-Identifier: LGPL-3.0-or-later
"""Messages between brokers over ZeroMQ (RFC 3, tree based overlay network), as flux-core sends them.

A broker has a ROUTER socket for those below it, each of which it knows by the identity of its DEALER socket,
the text of the broker's UUID. CURVE encrypts, and proves to each end that the other has the secret half of a
key: the lower broker knows its parent's, the parent asks its :class:`~rosin.broker.overlay.zap.Doorkeeper`.

This module and those around it are imported by brokers that have others next to them.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rosin.errors import needs_package

try:
    import zmq
except ImportError:
    raise needs_package("an instance of several brokers", "pyzmq", "overlay") from None

from rosin.broker.overlay.cert import BrokerCertificate
from rosin.broker.overlay.zcontext import ZmqContext
from rosin.broker.overlay.zdownlink import ZmqDownlink
from rosin.broker.overlay.zuplink import ZmqUplink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.broker.overlay.transport import AboveLost, BelowLost, FromAbove, FromBelow, Keys


class ZmqTransport(ZmqContext):
    """ZeroMQ as a :class:`~rosin.broker.overlay.transport.Transport`; its settings are the context's."""

    def keys(self, path: str | None) -> BrokerCertificate:
        """Read the certificate of a file, or make one if there is no path. Raises OSError."""
        return BrokerCertificate.generate() if path is None else BrokerCertificate.read(path)

    async def bind(self, uris: list[str], keys: Keys, receive: FromBelow, lost: BelowLost) -> ZmqDownlink:
        """Wait for brokers at addresses, ``tcp://HOST:*`` and ``ipc://PATH`` among them. Raises OSError."""
        link = ZmqDownlink(self, receive, lost)
        with _opening(link, f"bind to {' '.join(uris)}"):
            link.open(uris, keys)
        return link

    async def connect(
        self, uri: str, server_key: str, keys: Keys, identity: bytes, receive: FromAbove, lost: AboveLost
    ) -> ZmqUplink:
        """Connect to a broker that proves to have the secret half of ``server_key``. Raises OSError."""
        link = ZmqUplink(self, receive, lost)
        with _opening(link, f"connect to {uri}"):
            link.open(uri, server_key, keys, identity)
        return link


@contextmanager
def _opening(link: ZmqDownlink | ZmqUplink, what: str) -> Iterator[None]:
    """Close a link that cannot be opened, and say so in one line."""
    try:
        yield
    except zmq.ZMQError as exc:
        link.close()
        raise OSError(exc.errno, f"overlay: {what}: {os.strerror(exc.errno or errno.EIO)}") from None
    except BaseException:
        link.close()
        raise
