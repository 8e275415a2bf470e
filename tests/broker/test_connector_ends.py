# SPDX-License-Identifier: LGPL-3.0-or-later
"""How connections end on the loop that brokers run: what was said before is heard, and nothing is kept."""

import socket

import pytest
import uvloop

from rosin.constants import FLUX_MSGFLAG_NORESPONSE
from rosin.handle.framing import frame
from rosin.rfc.message import Message

from .test_connector import ME, SOMEBODY, Local, send


@pytest.mark.parametrize("owner", [ME, SOMEBODY])
def test_a_program_that_goes_without_having_read_everything(owner: int) -> None:
    """Its socket is in an error, and the loop calls once for that, however much there is to read."""

    async def main() -> None:
        async with Local(owner) as local:
            sock, answer = await local.raw()
            assert not answer
            await send(sock, Message.request("echo.who", matchtag=1))
            await local.until(lambda: local.echo.h.counts["rx"][0] == 1)
            await local.inst.settle()  # the answer has been written
            note = Message.request("echo.who", {"pad": "x" * (1 << 12)}, flags=FLUX_MSGFLAG_NORESPONSE)
            words = 40 * frame(note)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            assert sock.send(words) == len(words)
            sock.close()
            await local.until(lambda: not local.connector.clients)
            assert local.echo.h.counts["rx"][0] == 42  # and that it has gone

    uvloop.run(main())
