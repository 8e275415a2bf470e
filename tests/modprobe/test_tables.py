# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the command loads is what a broker loads by itself."""

from rosin.broker import rctable
from rosin.broker.loader import MODULES
from rosin.broker.rcplan.tasks import Module
from rosin.handle.builtin import paths
from rosin.modprobe.files import read_modules


def test_the_file_and_the_table_agree():
    entries = read_modules(paths()["datadir"] + "/modprobe/modprobe.toml")["modules"]
    modules = {entry["name"]: Module(entry) for entry in entries}
    assert set(modules) <= set(MODULES)
    rows = {row.name: row for row in rctable.TABLE if not row.always}
    assert set(modules) - set(rows) == {"content-files", "sched-backfill", "sched-fifo"}  # alternatives
    assert {name: str(modules[name].ranks) for name in rows} == {
        name: "all" if row.everywhere else "0" for name, row in rows.items()
    }
