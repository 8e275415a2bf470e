# SPDX-License-Identifier: LGPL-3.0-or-later
"""A test that hangs ends and tells where it stood."""

import re
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HANGING = {
    "task": (
        """
        import asyncio

        async def stuck_in_here():
            await asyncio.Event().wait()

        async def test_hangs():
            await asyncio.gather(stuck_in_here(), asyncio.sleep(3600))
        """,
        ["Timeout (>", "stuck_in_here", "await asyncio.Event().wait()"],
    ),
    "thread": (
        """
        import threading

        def stuck_in_here():
            threading.Event().wait()

        def test_hangs():
            thread = threading.Thread(target=stuck_in_here, daemon=True)
            thread.start()
            thread.join()
        """,
        ["Timeout (>", "in stuck_in_here", "thread.join()"],
    ),
}


@pytest.mark.parametrize("where", HANGING)
def test_stacks_are_shown(tmp_path, where):
    source, wanted = HANGING[where]
    (tmp_path / "test_one.py").write_text(textwrap.dedent(source))
    options = "-q -p tests.timeouts -p no:cacheprovider -o asyncio_mode=auto --timeout=1 -c /dev/null"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), f"--rootdir={tmp_path}", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    text = run.stdout + run.stderr
    assert [part for part in wanted if part not in text] == []


def test_signals_are_for_the_test_and_not_for_who_watches_it():
    watching = set()
    for thread in Path("/proc/self/task").iterdir():
        found = re.search(r"SigBlk:\s*(\w+)", (thread / "status").read_text())
        assert found is not None
        blocked = int(found[1], 16)
        if int(thread.name) == threading.get_native_id():
            assert blocked == 0
        else:
            watching.add(bool(blocked & 1 << signal.SIGTERM - 1))
    assert True in watching  # threads of other tests may be there, too
