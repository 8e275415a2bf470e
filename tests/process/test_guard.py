# SPDX-License-Identifier: LGPL-3.0-or-later
"""Guarded processes: a master that is killed -9 takes them along, whatever they ignore."""

import os
import select
import signal
import subprocess
import sys

import pytest

from rosin.process.guard import belonging
from rosin.process.platform import ProcessInfo, process_table

pytestmark = pytest.mark.system

MASTER = """
import os, subprocess, sys
from rosin.process.zygote import Zygote
zygote = Zygote.start([], grace=0.2)
child = subprocess.Popen(["sh", "-c", sys.argv[1]], process_group=0, stdout=subprocess.PIPE)
zygote.guard(child.pid)
pids = [child.pid, *map(int, child.stdout.readline().split())]
if "wait" in sys.argv:
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
if "release" in sys.argv:
    zygote.unguard(child.pid)
print(zygote.pid, *pids, flush=True)
sys.stdin.read()
"""

STUBBORN = "trap '' TERM; "


def pidfd(pid):
    poller = select.poll()
    poller.register(os.pidfd_open(pid), select.POLLIN)
    return poller


def killed(script, *words):
    """Start a master that guards *script*, kill it; the pollers of the script's processes."""
    master = subprocess.Popen(
        [sys.executable, "-c", MASTER, script, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    zygote, child, *others = map(int, master.stdout.readline().split())
    ends = [pidfd(pid) for pid in (zygote, *([] if "wait" in words else [child]), *others)]
    master.kill()
    master.communicate()
    return [child, *others], ends


@pytest.mark.parametrize(
    "script",
    [
        "echo; exec sleep 1000",
        STUBBORN + "echo; while :; do sleep 1000; done",
        STUBBORN + "sleep 1000 & echo $!; wait",
        STUBBORN + "setsid sleep 1000 & echo $!; wait; wait",
        STUBBORN + "setsid sh -c 'sleep 1000 & echo $! $$; wait; wait' & wait; wait",
    ],
    ids=["plain", "stubborn", "child", "session", "grandchildren"],
)
def test_nothing_survives(script):
    pids, ends = killed(script)
    assert len(ends) == len(pids) + 1
    for end in ends:
        assert end.poll(30000)


def test_the_group_of_a_process_that_has_ended():
    """Its zombie is kept as long as somebody holds its output, so its group is still its own."""
    _, (zygote, child) = killed(STUBBORN + "sleep 1000 & echo $!", "wait")
    assert child.poll(30000)
    assert zygote.poll(30000)


def test_what_is_no_longer_guarded_is_left_alone():
    (pid, child), (zygote, *ends) = killed("sleep 1000 & echo $!; wait", "release")
    assert zygote.poll(30000)
    os.kill(child, 0)
    os.killpg(pid, signal.SIGKILL)
    for end in ends:
        assert end.poll(30000)


def test_what_belongs_to_a_process():
    table = {
        2: ProcessInfo(1, 2, 1, 0),  # leads a group in a session that is not its own
        3: ProcessInfo(2, 2, 1, 0),
        4: ProcessInfo(1, 2, 1, 0),  # an orphan in the group
        5: ProcessInfo(3, 5, 5, 0),  # a session of its own
        6: ProcessInfo(1, 6, 5, 0),  # an orphan in that
        7: ProcessInfo(1, 7, 7, 0),
        8: ProcessInfo(1, 1, 1, 0),
    }
    assert sorted(belonging(table, {2})) == [2, 3, 4, 5, 6]
    assert belonging(table, {9}) == []
    del table[2]
    assert sorted(belonging(table, {2})) == [3, 4, 5, 6]


def test_the_process_table_knows_this_process():
    info = process_table([os.getpid(), 2**22 + 1])[os.getpid()]
    assert info[:3] == (os.getppid(), os.getpgrp(), os.getsid(0))
    assert process_table()[os.getpid()] == info
