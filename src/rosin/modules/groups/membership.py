# SPDX-License-Identifier: LGPL-3.0-or-later
"""Group membership of one broker's subtree: joins and leaves, batched, combined and applied (pure).

Each broker knows the members of every group within its own subtree; rank 0 knows them all. Changes gather in
a batch, which is applied here and passed to the parent as the body of ``groups.update``:
``{GROUP: [{"ranks": IDSET, "set": BOOL}, ...]}``, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rosin.errors import FormatError
from rosin.rfc.idset import Idset

Change = tuple[bool, Idset]  # (join or leave, ranks)


class Membership:
    """All groups of a subtree. A group exists from its first member on and is never removed.

    *size*: how many ranks there are at most.
    """

    __slots__ = ("_batch", "_size", "groups")

    def __init__(self, size: int) -> None:
        self._size = size
        self.groups: dict[str, Idset] = {}
        self._batch: dict[str, list[Change]] = {}

    def members(self, name: str) -> Idset:
        """Members of group ``name`` as of the last :meth:`flush`; to ask does not create the group."""
        return self.groups.get(name) or Idset()

    @property
    def pending(self) -> bool:
        """Whether there is anything to flush."""
        return bool(self._batch)

    def change(self, name: str, ranks: Idset, join: bool) -> None:
        """Queue a join or leave of ``ranks``; it joins the preceding change when of the same kind."""
        changes = self._batch.setdefault(name, [])
        if changes and changes[-1][0] == join:
            changes[-1] = (join, changes[-1][1] | ranks)
        else:
            changes.append((join, ranks))

    def update(self, update: Mapping[str, Any]) -> None:
        """Queue the body of a child's ``groups.update``. Raises FormatError; nothing is queued then."""
        decoded = [
            (name, decode_change(entry, self._size))
            for name, entries in update.items()
            for entry in _list(entries)
        ]
        for name, (join, ranks) in decoded:
            self.change(name, ranks, join)

    def lost(self, ranks: Idset) -> None:
        """Make ``ranks`` leave every group they are in since the last flush: their connection is gone."""
        for name, members in self.groups.items():
            gone = members & ranks
            if gone:
                self.change(name, gone, False)

    def flush(self) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
        """Apply the batch. Returns the update for the parent and the names of groups that changed."""
        batch, self._batch = self._batch, {}
        changed = []
        for name, changes in batch.items():
            before = members = self.members(name)
            for join, ranks in changes:
                members = members | ranks if join else members - ranks
            self.groups[name] = members
            if members != before:
                changed.append(name)
        return {name: [encode_change(c) for c in changes] for name, changes in batch.items()}, changed

    def encode(self) -> dict[str, str]:
        """Every group with its members as an idset string (RFC 22)."""
        return {name: members.encode() for name, members in self.groups.items()}


def encode_change(change: Change) -> dict[str, Any]:
    """One entry of an update: ``{"ranks": "0-3", "set": true}``."""
    join, ranks = change
    return {"ranks": ranks.encode(), "set": join}


def decode_change(entry: Any, size: int) -> Change:
    """The inverse of :func:`encode_change`, in an instance of *size* ranks. Raises FormatError."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("ranks"), str):
        raise FormatError("groups.update: ranks must be an idset string")
    if not isinstance(entry.get("set"), bool):
        raise FormatError("groups.update: set must be a boolean")
    return entry["set"], Idset.decode(entry["ranks"], limit=size)


def _list(entries: Any) -> Iterable[Any]:
    if not isinstance(entries, list):
        raise FormatError("groups.update: a group's changes must be an array")
    return entries
