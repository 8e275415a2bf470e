# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job shell."""

#: What to give to :meth:`rosin.process.zygote.Zygote.start` for a zygote that starts shells.
PRELOAD = ["rosin.shell.main:warm"]
#: The function that such a zygote calls for a shell.
TARGET = "rosin.shell.main:main"
#: What of all that a broker imports as well: imported before the fork, it is done once for both.
SHARED = (
    "rosin.handle.handle",
    "rosin.job.control",
    "rosin.kvs.txn",
    "rosin.process.spawn",
    "rosin.process.topology",
    "rosin.rfc.eventlog",
    "rosin.rfc.exec_eventlog",
    "rosin.rfc.hostlist",
    "rosin.rfc.ioencode",
    "rosin.rfc.jobpath",
    "rosin.rfc.sign",
)
