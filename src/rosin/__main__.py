# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python -m rosin``."""

import sys

from rosin.cli.entry import main

sys.exit(main())
