# SPDX-License-Identifier: LGPL-3.0-or-later
"""A fresh fork becomes a zygote."""

from __future__ import annotations

import os
import socket
import sys
from typing import NoReturn

from rosin.process.zygote_server import run


def be_zygote(sock: socket.socket, preload: list[str], grace: float) -> NoReturn:
    """Keep the standard descriptors and the socket, and serve; what *preload* names is imported."""
    code = 1
    try:
        os.setpgid(0, 0)
        fd = sock.fileno()
        os.closerange(3, fd)
        os.closerange(fd + 1, 1 << 16)
        devnull = os.open(os.devnull, os.O_RDWR)
        os.dup2(devnull, 0)
        os.close(devnull)
        # The host may have put other objects in their place; ours must write to descriptors 1 and 2.
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        run(sock, preload, grace)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)
