# SPDX-License-Identifier: LGPL-3.0-or-later
"""Input that nobody reads any more."""

import errno
from types import SimpleNamespace
from typing import Any

import pytest

from rosin.rfc.ioencode import encode_data
from rosin.shell.errors import ShellError
from rosin.shell.options import Options
from rosin.shell.stdin import Input


def receive(deaf: list[bool], data: bytes, ranks: str = "all") -> list[bytes]:
    """What tasks get of input above the limit."""
    got: list[bytes] = []
    tasks: Any = [
        SimpleNamespace(rank=rank, deaf=flag, write_stdin=lambda chunk, eof: got.append(chunk))
        for rank, flag in enumerate(deaf)
    ]
    job_input = Input(Options({"input": {"limit": 4}}), 2)
    job_input.begin(lambda name, context: None)
    job_input.receive(encode_data("stdin", ranks, data), tasks)
    return got


def test_it_is_refused_and_counts_for_no_limit() -> None:
    for deaf, ranks in (([True, True], "all"), ([False, True], "1")):
        with pytest.raises(OSError, match="no more input") as error:
            receive(deaf, b"12345", ranks)
        assert error.value.errno == errno.EPIPE


def test_one_reader_is_enough_for_the_limit() -> None:
    with pytest.raises(ShellError, match="exceeds"):
        receive([True, False], b"12345")
    assert receive([True, False], b"1234") == [b"1234"] * 2


def test_a_task_of_another_shell_may_still_read() -> None:
    with pytest.raises(ShellError, match="exceeds"):
        receive([True], b"12345")
