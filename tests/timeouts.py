# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a test that hangs leaves behind: pytest-timeout shows its threads' stacks, this its tasks' stacks.

A test ends after `timeout` seconds (pyproject.toml). Where its code does not let the exception through (a
callback of a loop swallows it), faulthandler ends the whole run a minute later.

For that, faulthandler starts a thread for each test, which blocks all signals as the first thing that it
does. Until then, and on a busy machine that may be a while, it would take a signal that is meant for the
test. So it is started with all signals blocked.
"""

import asyncio
import io
import signal
import sys
from collections.abc import Generator
from types import FrameType

import pytest


def task_stacks() -> str:
    """The stack of each unfinished task of every loop in this process."""
    text = io.StringIO()
    for task in list(_every_task()):
        if not task.done():
            print(f"\n~~~ task {task.get_name()}: {task.get_coro()!r}", file=text)
            task.print_stack(file=text)
    return text.getvalue()


def _every_task() -> "list[asyncio.Task[object]]":
    # all_tasks() knows the tasks of one loop; nobody here knows the loop.
    tasks = asyncio.tasks
    known = getattr(tasks, "_scheduled_tasks", None) or getattr(tasks, "_all_tasks", ())
    return list(known)


_mask: "list[set[int]]" = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Before faulthandler's own: what it starts inherits the mask."""
    _mask.append(signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))
    try:
        return (yield)
    finally:
        _unblock()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logstart() -> None:
    """The thread has been started; the test begins."""
    _unblock()


def _unblock() -> None:
    if _mask:
        signal.pthread_sigmask(signal.SIG_SETMASK, _mask.pop())


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: object) -> Generator[None, object, object]:
    result = yield
    fail = signal.getsignal(signal.SIGALRM)

    def handler(signum: int, frame: FrameType | None) -> None:
        capture = item.config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.suspend_global_capture(item)
        sys.stderr.write(task_stacks())
        sys.stderr.flush()
        if callable(fail):
            fail(signum, frame)

    if callable(fail):
        signal.signal(signal.SIGALRM, handler)
    return result
