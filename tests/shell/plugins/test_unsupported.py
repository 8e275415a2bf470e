# SPDX-License-Identifier: LGPL-3.0-or-later
"""Options of flux-core's shell that ours does not have."""

import os

import pytest

from rosin.shell.errors import ShellError
from rosin.shell.options import Options
from rosin.shell.plugins.unsupported import check


class Log:
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


@pytest.mark.parametrize("name", ["initrc", "userrc"])
def test_an_rc_file_that_is_missing_is_one_error(name, run, broker):
    assert run(["true"], options={name: "/no/such/file"}) == 1
    text = f"shell option {name}: loading rc file /no/such/file: No such file or directory"
    assert [exception["note"] for exception in broker.exceptions] == [text]
    assert broker.messages() == [text]


def test_an_rc_file_counts_from_the_directory_of_the_job(run, broker, tmp_path):
    (tmp_path / "rc.lua").write_text("-- nothing\n\n  -- at all\n")
    assert run(["true"], options={"userrc": "rc.lua"}, cwd=str(tmp_path)) == 0
    (tmp_path / "rc.lua").write_text("-- so\nshell.setenv('A', 'b')\n")
    assert run(["true"], options={"userrc": "rc.lua"}, cwd=str(tmp_path)) == 1
    assert broker.exceptions[-1]["note"] == (
        "shell option userrc=rc.lua: this job shell runs no Lua: leave the option out, or name a file of "
        "plugins in Python, as in userrc=mine.py"
    )


def test_files_that_never_end_or_never_begin(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    check(Options({"initrc": os.devnull, "userrc": str(fifo)}), Log())
    writer = os.open(fifo, os.O_RDWR)  # who has not written yet
    check(Options({"userrc": str(fifo)}), Log())
    os.close(writer)
    with pytest.raises(ShellError, match="runs no Lua"):
        check(Options({"initrc": "/dev/zero"}), Log())
    with pytest.raises(ShellError, match="expected the path of a file, got 3"):
        check(Options({"initrc": 3}), Log())


def test_what_only_informs_is_left_out():
    log = Log()
    check(Options({"pmix": 1, "cray-pals": 1}), log)
    assert len(log.warnings) == 2


def test_what_plugins_of_the_user_read_is_theirs():
    log = Log()
    check(Options({"pmix": 1, "mpi": "mine"}), log, {"pmix", "mpi"})
    assert log.warnings == []
