# SPDX-License-Identifier: LGPL-3.0-or-later
"""Days of jobs in minutes: the job manager and a scheduler on a clock that waits for nothing.

:mod:`.trace` reads what jobs come and :mod:`.generate` makes it, :mod:`.run` plays it, :mod:`.measures` and
:mod:`.plot` show what came of it.
"""
