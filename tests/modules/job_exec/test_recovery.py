# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is read again after a restart."""

import errno

import pytest

from rosin.modules.job_exec.recovery import read_history


class Kvs:
    """A handle whose lookups all fail in one way."""

    def __init__(self, error):
        self.error = error

    async def rpc(self, _topic, _payload):
        raise self.error


@pytest.mark.parametrize(
    ("error", "warnings"),
    [
        (OSError(errno.ENOENT, "no such key"), []),
        (
            OSError(errno.EIO, "blob is damaged"),
            ["exec.eventlog", "job.0000.0000.0000.0001.eventlog", "exec.ended", "exec.critical-ranks"],
        ),
    ],
)
async def test_a_log_that_is_damaged_is_told_of_and_one_that_never_was_is_not(error, warnings):
    told = []
    history = await read_history(Kvs(error), 1, told.append)
    assert (history.exec_events, history.start_time) == ([], None)
    assert len(told) == len(warnings)
    for text, key in zip(told, warnings, strict=True):
        assert text.startswith(f"cannot read {key} in namespace ")
