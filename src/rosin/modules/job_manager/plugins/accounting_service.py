# SPDX-License-Identifier: LGPL-3.0-or-later
"""The requests of ``rosin account`` (``job-manager.accounting.*``): anybody may look, the owner change."""

from __future__ import annotations

import errno
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rosin.accounting.ledger import NEUTRAL
from rosin.accounting.rows import TABLES, Association, Bank
from rosin.modules.job_manager.plugins.api import Plugin, callback, service
from rosin.rfc.payload import field, int_field
from rosin.rfc.role import allowed

if TYPE_CHECKING:
    from rosin.accounting.ledger import Ledger
    from rosin.accounting.limits import Tally
    from rosin.accounting.store import AccountingStore
    from rosin.rfc.message import Message

_MOST_JOBS = 100_000


class AccountingService(Plugin):
    """The part of the plugin that answers requests."""

    ledger: Ledger
    store: AccountingStore
    tallies: dict[tuple[int, str], Tally]

    def written(self) -> None:
        """Something was written."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Something has changed on which priorities and limits depend."""
        raise NotImplementedError

    @callback("plugin.query")
    def query(self) -> dict[str, Any]:
        """How many jobs each association has."""
        jobs = {
            f"{userid}/{bank}": {
                "active": len(tally.active),
                "running": len(tally.taken),
                "nodes": tally.nodes,
            }
            for (userid, bank), tally in self.tallies.items()
        }
        return {"conf": self.conf, "jobs": jobs}

    # -- to look ------------------------------------------------------------------------------------

    @service("list", allow_guest=True)
    def list(self, msg: Message) -> dict[str, Any]:
        """``{table}`` -> ``{rows}``; users and banks with their usage, users with their fair share."""
        table = field(msg.args, "table", str)
        if table not in TABLES:
            raise OSError(errno.EINVAL, f"there is no table {table!r:.64} (known: {', '.join(TABLES)})")
        found = self.ledger.factors() if table == "factor" else self.ledger.all(TABLES[table])
        rows = [self._shown(row) for row in found]
        if table == "user" and self.manager.restricted(msg.rolemask):
            rows = [row for row in rows if row["userid"] == msg.userid]
        return {"rows": rows}

    def _shown(self, row: Any) -> dict[str, Any]:
        shown = asdict(row)
        if isinstance(row, Association):
            key = (row.userid, row.bank)
            shown["usage"] = self._used(key)
            shown["fairshare"] = self.ledger.fair_share.get(key, NEUTRAL)
        elif isinstance(row, Bank):
            shown["usage"] = sum(
                self._used(key) for key in self.ledger.usage if self._is_below(key[1], row.bank)
            )
        return shown

    def _used(self, key: tuple[int, str]) -> float:
        usage = self.ledger.usage.get(key)
        return 0.0 if usage is None else usage.at(self.now(), self.ledger.weight("half-life"))

    def _is_below(self, name: str, top: str) -> bool:
        """Whether the bank *name* is *top*, or below it."""
        while name and name != top:
            bank = self.ledger.bank(name)
            name = bank.parent if bank is not None else ""
        return name == top

    @service("jobs", allow_guest=True)
    def jobs_of(self, msg: Message) -> dict[str, Any]:
        """``{userid?, since?, limit?}`` -> ``{jobs}`` that were, newest first; guests see their own."""
        args = msg.optional_args
        userid = field(args, "userid", (int, type(None)), None)
        if not allowed(msg.rolemask) and userid != msg.userid:
            raise OSError(errno.EPERM, "guests may only look at their own jobs")
        limit = int_field(args, "limit", 1, _MOST_JOBS) if "limit" in args else 1000
        found = self.store.jobs(userid, field(args, "since", float, 0.0), limit)
        return {"jobs": [job._asdict() for job in found]}

    @service("report")
    def report(self, msg: Message) -> dict[str, Any]:
        """``{start, end}`` -> ``{usage}``: bank, userid, jobs, node seconds of jobs that ended then."""
        start, end = field(msg.args, "start", float), field(msg.args, "end", float)
        names = ("bank", "userid", "jobs", "node_seconds")
        return {"usage": [dict(zip(names, row, strict=True)) for row in self.store.report(start, end)]}

    # -- to change ----------------------------------------------------------------------------------

    @service("add")
    def add(self, msg: Message) -> None:
        """``{table, values}``."""
        self.ledger.add(field(msg.args, "table", str), field(msg.args, "values", dict))
        self._changed()

    @service("edit")
    def edit(self, msg: Message) -> None:
        """``{table, key, values}``."""
        args = msg.args
        self.ledger.edit(field(args, "table", str), _key(args), field(args, "values", dict))
        self._changed()

    @service("delete")
    def delete(self, msg: Message) -> None:
        """``{table, key, force?}``."""
        args = msg.args
        self.ledger.delete(field(args, "table", str), _key(args), field(args, "force", bool, False))
        self._changed()

    @service("clear")
    def clear(self, msg: Message) -> dict[str, Any]:
        """``{bank}`` -> ``{count}`` of users whose usage was forgotten."""
        count = self.ledger.clear(field(msg.args, "bank", str))
        self._changed()
        return {"count": count}

    @service("scrub")
    def scrub(self, msg: Message) -> dict[str, Any]:
        """``{before}`` -> ``{count}`` of jobs that were forgotten."""
        count = self.store.scrub(field(msg.args, "before", float))
        self.store.commit()
        return {"count": count}

    def _changed(self) -> None:
        self.store.commit()
        self.refresh()


def _key(args: dict[str, Any]) -> list[Any]:
    """What identifies a row. Raises OSError EINVAL."""
    key: list[Any] = field(args, "key", list)
    if not key or not all(type(part) in (str, int) for part in key):
        raise OSError(errno.EINVAL, "key: expected an array of names and numbers")
    return key
