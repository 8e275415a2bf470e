# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python -m flux``."""

import sys

from flux._command import main

sys.exit(main())
