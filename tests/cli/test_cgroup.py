# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin cgroup``."""

from rosin.process import cgroup


def test_the_path(command, monkeypatch):
    monkeypatch.setattr(cgroup, "own", lambda: cgroup.Cgroup("/sys/fs/cgroup/x"))
    assert command("cgroup", "path") == (0, "/sys/fs/cgroup/x\n", "")


def test_a_system_without(command, monkeypatch):
    def none():
        raise OSError(2, "no control group that can be used")

    monkeypatch.setattr(cgroup, "own", none)
    text = "incompatible cgroup configuration: no control group that can be used"
    assert command("cgroup", "path") == (1, "", f"rosin-cgroup: {text}\n")


def test_words_that_mean_nothing(command):
    assert command("cgroup", "path", "x").code == 2
    assert command("cgroup").code == 2
