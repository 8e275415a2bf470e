# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 6: a streaming RPC that steps through its stream by itself."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_NODEID_ANY, FLUX_RPC_STREAMING
from rosin.handle.rpc import RPC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.handle.handle import Handle


class Watch(RPC):
    """A streaming call whose :meth:`get` steps through the stream by itself and gives None at its end."""

    def __init__(
        self, handle: Handle, topic: str, payload: object = None, nodeid: int = FLUX_NODEID_ANY
    ) -> None:
        super().__init__(handle, topic, payload, nodeid, FLUX_RPC_STREAMING)

    def get(self, autoreset: bool = True) -> Any:
        """The next item, or None at the end of the stream (ENODATA).

        With ``autoreset`` the item is consumed; otherwise it stays current until :meth:`reset`. Raises
        OSError when the stream failed.
        """
        try:
            item = super().get()
        except OSError as exc:
            if exc.errno == errno.ENODATA:
                return None
            raise
        if autoreset:
            self.reset()
        return item

    def cancel(self, topic: str | bool | None = None) -> None:
        """Ask the service to end the stream; what is on its way still arrives, then the end."""
        super().cancel(topic if isinstance(topic, str) else f"{self.topic}-cancel")

    def close(self) -> None:
        """End the stream and drop what is still to come; a connection that is gone is no error."""
        try:
            self.cancel()
        except OSError:
            return
        self.abandon()

    def __iter__(self) -> Iterator[Any]:
        while (item := self.get()) is not None:
            yield item
