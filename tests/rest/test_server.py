# SPDX-License-Identifier: LGPL-3.0-or-later
"""The socket that a server listens on when another was there before it."""

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from rosin.rest.server import unix_socket


def leave_behind(path: Path) -> None:
    """A socket whose server has died."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


def test_what_a_dead_server_left_is_replaced(tmp_path: Path) -> None:
    leave_behind(tmp_path / "s")
    with unix_socket(str(tmp_path / "s")) as sock:
        sock.listen()
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
        with pytest.raises(OSError, match="another server listens there") as info:
            unix_socket(str(tmp_path / "s"))
        assert info.value.errno == errno.EADDRINUSE


def test_nothing_else_is_removed(tmp_path: Path) -> None:
    leave_behind(tmp_path / "s")
    (tmp_path / "link").symlink_to("s")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "file").write_text("x")
    for name in ("link", "dangling", "file"):
        with pytest.raises(OSError, match=f"cannot listen on .*{name}: it exists and is not a socket"):
            unix_socket(str(tmp_path / name))
    assert sorted(os.listdir(tmp_path)) == ["dangling", "file", "link", "s"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
def test_the_socket_of_another_user_stays(tmp_path: Path) -> None:
    leave_behind(tmp_path / "s")
    os.chown(tmp_path / "s", 1234, 1234)
    with pytest.raises(OSError, match="it is the socket of another user"):
        unix_socket(str(tmp_path / "s"))
    assert (tmp_path / "s").exists()
