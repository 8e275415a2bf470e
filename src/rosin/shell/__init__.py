# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job shell."""

#: What to give to :meth:`rosin.process.zygote.Zygote.start` for a zygote that starts shells.
PRELOAD = ["rosin.shell.main:warm"]
#: The function that such a zygote calls for a shell.
TARGET = "rosin.shell.main:main"
