# SPDX-License-Identifier: LGPL-3.0-or-later
"""The banks, users, queues and factors, what users have used, and what follows for their fair share.

What changes goes into a :class:`Store` at once. Texts of refusals are flux-accounting's where it has them.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from rosin.accounting.fairshare import Share, fair_shares
from rosin.accounting.rows import (
    FACTORS,
    TABLES,
    Association,
    Bank,
    Factor,
    QueueAccount,
    changed,
    key_of,
    make,
)
from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rosin.accounting.rows import R, Row

    Key = tuple[int, str]

#: What somebody has who is not in the database, and everybody before the first usage is known.
NEUTRAL = 0.5


class LedgerStore(Protocol):
    """Where rows and usages are kept."""

    def rows(self, cls: type[Row]) -> Iterable[Row]:
        """All rows of a table."""

    def usages(self) -> Iterable[tuple[Key, float, float]]:
        """The usage of each association, and when that was."""

    def put(self, row: Row) -> None:
        """Add *row*, or replace the one with its key."""

    def remove(self, row: Row) -> None:
        """Remove *row*."""

    def put_usage(self, key: Key, usage: float, when: float) -> None:
        """Keep a usage."""


class Usage:
    """A usage that halves with time: ``amount`` as of ``when`` (seconds since the epoch)."""

    __slots__ = ("amount", "when")

    def __init__(self, amount: float = 0.0, when: float = 0.0) -> None:
        self.amount = amount
        self.when = when

    def at(self, now: float, half_life: float) -> float:
        """What is left of it *now*; a half life of 0 is none: nothing is forgotten."""
        age = max(0.0, now - self.when)
        return self.amount * 2.0 ** -min(age / half_life, 1000.0) if half_life > 0 else self.amount

    def add(self, amount: float, now: float, half_life: float) -> None:
        """Use *amount* more *now*."""
        self.amount = self.at(now, half_life) + amount
        self.when = max(self.when, now)


class Ledger:
    """All of it. ``fair_share`` is by (userid, bank), as of the last :meth:`calculate`."""

    def __init__(self, store: LedgerStore) -> None:
        self.store = store
        self._tables: dict[Any, dict[tuple[Any, ...], Any]] = {
            cls: {key_of(row): row for row in store.rows(cls)} for cls in TABLES.values()
        }
        self._defaults = {row.userid: row for row in self.all(Association) if row.default}
        self.usage: dict[Key, Usage] = {key: Usage(amount, when) for key, amount, when in store.usages()}
        self.fair_share: dict[Any, float] = {}

    # -- reading ------------------------------------------------------------------------------------

    def all(self, cls: type[R]) -> list[R]:
        """The rows of a table, in the order in which they were added."""
        return list(self._tables[cls].values())

    def bank(self, name: str) -> Bank | None:
        """The bank *name*."""
        found: Bank | None = self._tables[Bank].get((name,))
        return found

    def association(self, userid: int, bank: str | None) -> Association | None:
        """The user in *bank*, or in the user's default bank."""
        if bank is not None:
            found: Association | None = self._tables[Association].get((userid, bank))
            return found
        return self._defaults.get(userid)

    def queue(self, name: str | None) -> QueueAccount | None:
        """What is known of the queue *name*."""
        found: QueueAccount | None = self._tables[QueueAccount].get((name,))
        return found

    def factors(self) -> list[Factor]:
        """All factors, changed or not."""
        return [Factor(name, self.weight(name)) for name in FACTORS]

    def weight(self, name: str) -> float:
        """A factor."""
        row: Factor | None = self._tables[Factor].get((name,))
        return row.weight if row is not None else FACTORS[name]

    # -- changes ------------------------------------------------------------------------------------

    def add(self, table: str, values: dict[str, Any]) -> Row:
        """Add a row. Raises FormatError, OSError EEXIST or ENOENT."""
        row: Row = make(_class(table), values)
        there = self._tables[type(row)].get(key_of(row))
        if there is not None and getattr(there, "active", True):
            raise OSError(errno.EEXIST, f"{_name(row)} already active in {table}_table")
        if isinstance(row, Bank):
            self._check_bank(row)
        elif isinstance(row, Association):
            self._check_association(row)
            if self.association(row.userid, None) is None:
                row = replace(row, default=True)
        self._put(row)
        return row

    def edit(self, table: str, key: list[Any], values: dict[str, Any]) -> Row:
        """Change a row. Raises FormatError, OSError ENOENT or EINVAL."""
        if not values:
            raise OSError(errno.EINVAL, "no fields provided for update")
        row: Row = changed(self._row(table, key), _class(table), values)
        if isinstance(row, Bank):
            self._check_bank(row)
        self._put(row)
        return row

    def delete(self, table: str, key: list[Any], force: bool = False) -> None:
        """Make a bank or a user inactive; *force* removes it, as all others. Raises OSError ENOENT, EBUSY."""
        row = self._row(table, key)
        if isinstance(row, Bank):
            below = [other for other in self.all(Bank) if other.parent == row.bank and other.active]
            users = [user for user in self.all(Association) if user.bank == row.bank and user.active]
            if below or users:
                raise OSError(errno.EBUSY, f"bank {row.bank} has {len(below)} banks and {len(users)} users")
        if force or not isinstance(row, Bank | Association):
            self._tables[type(row)].pop(key_of(row), None)
            self.store.remove(row)
            if isinstance(row, Association):
                self._default(replace(row, default=False))
        else:
            self._put(replace(row, active=False))

    def clear(self, bank: str) -> int:
        """Forget what the users of *bank* have used; returns how many these are. Raises OSError ENOENT."""
        self._row("bank", [bank])
        keys = [key for key in self.usage if key[1] == bank]
        for key in keys:
            del self.usage[key]
            self.store.put_usage(key, 0.0, 0.0)
        return len(keys)

    def charge(self, key: Key, amount: float, now: float) -> None:
        """The association *key* has used *amount*."""
        usage = self.usage.setdefault(key, Usage())
        usage.add(amount, now, self.weight("half-life"))
        self.store.put_usage(key, usage.amount, usage.when)

    def calculate(self, now: float) -> None:
        """Calculate the fair shares anew."""
        half_life = self.weight("half-life")
        nodes = {row.bank: Share(row.shares) for row in self.all(Bank) if row.active}
        top = Share(1)
        for row in self.all(Bank):
            if row.active:
                nodes.get(row.parent, top).children.append(nodes[row.bank])
        for user in self.all(Association):
            if user.active and user.bank in nodes:
                key = (user.userid, user.bank)
                used = self.usage[key].at(now, half_life) if key in self.usage else 0.0
                nodes[user.bank].children.append(Share(user.shares, used, key))
        self.fair_share = fair_shares(top)

    # -- checks -------------------------------------------------------------------------------------

    def _row(self, table: str, key: list[Any]) -> Any:
        row = self._tables[_class(table)].get(tuple(key))
        if row is None and table == "factor":
            return _first_factor(str(key[0]))
        if row is None:
            raise OSError(errno.ENOENT, f"{table} {'/'.join(map(str, key))} not found in {table}_table")
        return row

    def _put(self, row: Row) -> None:
        if isinstance(row, Factor):
            _first_factor(row.factor)
        if isinstance(row, Association) and row.default:  # a user has one
            before = self._defaults.get(row.userid)
            if before is not None and before.bank != row.bank:
                self._keep(replace(before, default=False))
        self._keep(row)

    def _keep(self, row: Row) -> None:
        self._tables[type(row)][key_of(row)] = row
        self.store.put(row)
        if isinstance(row, Association):
            self._default(row)

    def _default(self, row: Association) -> None:
        """Remember whether *row* is what its user has by default."""
        if row.default:
            self._defaults[row.userid] = row
        elif self._defaults.get(row.userid, row).bank == row.bank:
            self._defaults.pop(row.userid, None)

    def _check_bank(self, row: Bank) -> None:
        banks = {bank.bank: bank for bank in self.all(Bank)}
        if not row.parent:
            others = [bank for bank in banks.values() if not bank.parent and bank.bank != row.bank]
            if others:
                raise OSError(errno.EEXIST, "bank_table already has a root bank")
            return
        if row.parent not in banks:
            raise OSError(errno.ENOENT, f"parent bank {row.parent} not found in bank_table")
        if any(user.bank == row.parent for user in self.all(Association)):
            raise OSError(errno.EINVAL, f"bank {row.parent} has users: a bank holds users or banks, not both")
        above: str = row.parent
        while above:
            if above == row.bank:
                raise OSError(errno.EINVAL, f"bank {row.bank} cannot be below itself")
            above = banks[above].parent

    def _check_association(self, row: Association) -> None:
        bank = self.bank(row.bank)
        if bank is None or not bank.active:
            raise OSError(errno.ENOENT, f"Bank {row.bank} does not exist in bank_table")
        if any(other.parent == row.bank for other in self.all(Bank)):
            raise OSError(errno.EINVAL, "associations cannot be added to the same parent bank as a sub-bank")


def _first_factor(name: str) -> Factor:
    """A factor as it is at first. Raises OSError EINVAL."""
    if name not in FACTORS:
        raise OSError(errno.EINVAL, f"there is no factor {name:.64} (known: {', '.join(FACTORS)})")
    return Factor(name, FACTORS[name])


def _class(table: str) -> Any:
    cls = TABLES.get(table)
    if cls is None:
        raise FormatError(f"there is no table {table!r:.64} (known: {', '.join(TABLES)})")
    return cls


def _name(row: Row) -> str:
    return f"{row.TABLE} {','.join(str(value) for value in key_of(row))}"
