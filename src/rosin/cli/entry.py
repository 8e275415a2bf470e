# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where the program ``rosin`` begins.

Python turns SIGINT into an exception, which is raised wherever the interpreter happens to be: in the middle
of an import that is a traceback, or a crash of an extension module. Until a command runs nothing is done
that would have to be undone, so that the signal's default action is the cleanest end.
"""

import _signal

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from rosin.cli.main import main

__all__ = ["main"]
