# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which broker a command talks to without being told."""

import os
import socket
from pathlib import Path

import pytest

from rosin.broker.rundir import UserLink
from rosin.handle import uri


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLUX_URI", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(uri, "SYSTEM_SOCKET", str(tmp_path / "system"))


def test_flux_uri_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUX_URI", "local:///x")
    assert uri.default_uri() == "local:///x"


def test_the_system_instance_is_the_last_resort(tmp_path: Path) -> None:
    assert uri.default_uri() == f"local://{tmp_path}/system"


def test_an_instance_of_the_user_is_found_while_it_runs(tmp_path: Path) -> None:
    target = tmp_path / "local-0"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(target))
    link = UserLink(str(target))
    link.place()
    assert uri.default_uri() == f"local://{tmp_path}/rosin/{os.getpid()}"
    assert (tmp_path / "rosin").stat().st_mode & 0o777 == 0o700
    (tmp_path / "rosin" / "999999999").symlink_to(target)
    assert uri.default_uri() == f"local://{tmp_path}/rosin/{os.getpid()}"
    link.remove()
    assert uri.default_uri() == f"local://{tmp_path}/system"


def test_the_system_instance_wins(tmp_path: Path) -> None:
    (tmp_path / "system").touch()
    UserLink(str(tmp_path)).place()
    assert uri.default_uri() == f"local://{tmp_path}/system"


@pytest.mark.parametrize("text", ["nothing", "gopher://x", ""])
def test_other_uris_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="local://PATH"):
        uri.local_path(text)
