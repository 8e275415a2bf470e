# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where the program ``rosin`` begins.

Python turns SIGINT into an exception, which is raised wherever the interpreter happens to be: in the middle
of an import that is a traceback, or a crash of an extension module. Until a command runs nothing is done
that would have to be undone, so that the signal's default action is the cleanest end.
"""

import _signal
import sys

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from rosin.cli.main import main as run

__all__ = ["main"]


def main(argv: list[str] | None = None, prog: str = "rosin") -> int:
    """Run ``prog COMMAND ARGS...`` as the last thing that this process does; returns the exit code."""
    code = run(argv, prog)
    if "rosin.broker.boot" in sys.modules:
        _leave(code)
    return code


def _leave(code: int) -> None:
    """End the process of a broker: to free all that it has imported would take longer than all else there.

    What was registered for the end is done. With threads that go on, or under a profiler or a debugger, this
    returns, and the process ends as usual.
    """
    import atexit
    import os
    import threading

    if threading.active_count() > 1 or sys.getprofile() is not None or sys.gettrace() is not None:
        return
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # the interpreter says so
        return
    os._exit(code)
