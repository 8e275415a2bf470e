# SPDX-License-Identifier: LGPL-3.0-or-later
"""Running commands in this process: as they are typed, without the start of an interpreter."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from rosin.cli.main import main
from rosin.testing.process import RealInstance


class Result(NamedTuple):
    """What a command has printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run ``rosin ARGS...``; ``stdin`` is its input."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("COLUMNS", "80")

    def run(*argv: str, stdin: str | bytes = b"") -> Result:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        try:
            code = main(list(argv))
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 0 if exc.code is None else 1
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return run


@pytest.fixture
def rosin(command: Run, real_instance: RealInstance, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same in the shared instance."""
    monkeypatch.setenv("FLUX_URI", real_instance.uri)
    monkeypatch.delenv("FLUX_KVS_NAMESPACE", raising=False)
    return command


@pytest.fixture
def program(real_instance: RealInstance) -> Callable[..., tuple[int, str, str]]:
    """Run ``rosin ARGS...`` as a program of its own in the shared instance."""

    def run(*command: str, **kwargs: str) -> tuple[int, str, str]:
        done = real_instance.run(*command, **kwargs)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def submit(program: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """Submit a job; returns its id."""

    def run(*command: str) -> str:
        code, out, err = program("submit", *command)
        assert (code, err) == (0, "")
        return out.strip()

    return run
