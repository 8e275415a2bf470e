# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python -m rosin.shell``: a job shell in an interpreter of its own."""

import os
import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # else it were a traceback while modules are imported

from rosin.process.signals import set_defaults
from rosin.shell.main import main

if __name__ == "__main__":
    set_defaults()  # whatever the subprocess server has inherited, the tasks do not
    code = main(sys.argv, os.environ)
    sys.stderr.flush()
    os._exit(code)  # nothing is left to be done, and taking an interpreter down takes time
