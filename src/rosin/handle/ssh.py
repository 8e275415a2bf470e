# SPDX-License-Identifier: LGPL-3.0-or-later
"""The connector of ``ssh://[USER@]HOST[:PORT]/PATH``: the system's ssh, and ``relay`` on the other host.

FLUX_SSH names another program than ssh; FLUX_SSH_RCMD the command that is run there in place of this
installation's own. The stream is that of the UNIX socket at PATH.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from _socket import AF_UNIX, SOCK_STREAM, socket, socketpair

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import NamedTuple

    class SshAddress(NamedTuple):
        """The parts of the URI; ``user`` and ``port`` may be empty."""

        user: str
        host: str
        port: str
        path: str

else:
    from collections import namedtuple

    SshAddress = namedtuple("SshAddress", "user host port path")

#: No part may begin with a dash: ssh would take it for an option.
_URI = re.compile(r"ssh://(?:([\w.][\w.-]*)@)?([\w.][\w.-]*|\[[\da-fA-F:.]+\])(?::(\d{1,5}))?(/[^\0\n]+)")
#: Seconds that ssh has to end when the connection is closed.
_PATIENCE = 2.0


def parse(uri: str) -> SshAddress:
    """The parts of a URI. Raises ValueError that says what is accepted."""
    found = _URI.fullmatch(uri)
    if found is None or int(found[3] or 1) > 65535:
        raise ValueError(f"'{uri}' names no host and socket; expected ssh://[USER@]HOST[:PORT]/PATH")
    return SshAddress(found[1] or "", found[2].strip("[]"), found[3] or "", re.sub("//+", "/", found[4]))


def command(uri: str) -> list[str]:
    """What to execute. Raises ValueError for a URI that is none."""
    from shlex import quote

    address = parse(uri)
    target = f"{address.user}@{address.host}" if address.user else address.host
    port = ["-p", address.port] if address.port else []
    program = os.environ.get("FLUX_SSH_RCMD") or quote(_own())
    # The other host's shell reads the words again.
    return [os.environ.get("FLUX_SSH") or "ssh", *port, target, program, "relay", quote(address.path)]


def _own() -> str:
    """This installation's command, which is taken to be at the same place there."""
    path = os.path.join(os.path.dirname(sys.executable), "rosin")
    return path if os.path.exists(path) else "rosin"


class SshSocket(socket):
    """A socket to ssh's standard input and output; closing it ends ssh."""

    process: subprocess.Popen[bytes]

    def close(self) -> None:
        super().close()
        finish(self.process)


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for ssh, whose input has ended."""
    from subprocess import TimeoutExpired

    try:
        process.wait(_PATIENCE)
    except TimeoutExpired:
        process.terminate()
        process.wait()


def open_socket(uri: str) -> SshSocket:
    """Start ssh. Raises ValueError for a URI that is none, OSError that names the program."""
    from subprocess import Popen

    argv = command(uri)
    ours, theirs = socketpair(AF_UNIX, SOCK_STREAM)
    try:
        # A session of its own: Ctrl-C is for the command, which then ends the connection in good order.
        process = Popen(argv, stdin=theirs.fileno(), stdout=theirs.fileno(), start_new_session=True)
    except OSError as exc:
        ours.close()
        raise OSError(
            exc.errno,
            f"Unable to connect to Flux: {argv[0]}: {exc.strerror}; FLUX_SSH names another program than ssh",
        ) from None
    finally:
        theirs.close()
    result = SshSocket(AF_UNIX, SOCK_STREAM, 0, ours.detach())
    result.process = process
    return result


def connect(uri: str) -> SshSocket:
    """Connect, and read the broker's answer byte. Raises ValueError and OSError."""
    sock = open_socket(uri)
    try:
        answer = sock.recv(1)
    except BaseException:
        sock.close()
        raise
    if answer != b"\0":
        sock.close()
        errnum = answer[0] if answer else errno.ECONNRESET
        why = os.strerror(errnum) if answer else "ssh has ended"
        raise OSError(errnum, f"Unable to connect to Flux: {uri}: {why}")
    return sock
