# SPDX-License-Identifier: LGPL-3.0-or-later
"""Immutable directories that know their own blobref (RFC 11 ``dir`` objects).

A commit changes one or two entries of each directory on the path to a key. The entries are therefore kept in
runs of neighbouring names: a changed directory shares the untouched runs with its predecessor, together with
their encoded text and the state of the hash in front of them. The cost of a new version depends on the
changed runs and on what is hashed after them, not on the width of the directory.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from rosin import _json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rosin.rfc.treeobj import TreeObj

#: A run is split when it holds more than twice this number of entries.
RUN = 32

#: Bytes of memory for a directory, for each of its runs, and for each entry: its place and its text.
_WEIGHT = 1024
_RUN_WEIGHT = 16
_ENTRY_WEIGHT = 200
_HASHES = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}
_HEAD = b'{"data":{'
_TAIL = b'},"type":"dir","ver":1}'


class EntryRun:
    """Entries whose names are neighbours, with their encoded text."""

    __slots__ = ("_text", "entries", "first")

    def __init__(self, entries: dict[str, TreeObj], first: str) -> None:
        self.entries = entries
        self.first = first
        self._text: bytes | None = None

    @property
    def text(self) -> bytes:
        """The members as they stand in the encoded directory, without braces."""
        text = self._text
        if text is None:
            text = self._text = _json.dumps_sorted(self.entries)[1:-1]
        return text


class Directory:
    """One version of a directory. Never changes; :meth:`updated` makes the next version.

    ``ref`` is its blobref. ``weight`` is about how many bytes of memory it takes, without what it shares with
    its predecessor."""

    __slots__ = ("_states", "algo", "ref", "runs", "weight")

    def __init__(
        self,
        runs: list[EntryRun],
        algo: str = "sha1",
        states: list[Any] | None = None,
        own: int | None = None,
        ref: str | None = None,
    ) -> None:
        """``own``: the number of entries in runs that are new (default: all). ``ref``: of a blob read."""
        self.runs = runs
        if own is None:
            own = len(runs[0].entries) if len(runs) == 1 else len(self)
        self.weight = _WEIGHT + _RUN_WEIGHT * len(runs) + _ENTRY_WEIGHT * own
        self.algo = algo
        #: ``_states[i]`` is the hash of everything in front of run i; a prefix of the list may be known.
        self._states: list[Any] = [] if states is None else states
        self.ref = ref or f"{algo}-{self._digest()}"

    @classmethod
    def from_entries(
        cls, entries: Mapping[str, TreeObj], algo: str = "sha1", ref: str | None = None
    ) -> Directory:
        """A directory of *entries* (name to tree object), which are shared, not copied."""
        return cls(_split(dict(entries)) if entries else [], algo, ref=ref)

    def __len__(self) -> int:
        return sum(len(run.entries) for run in self.runs)

    def get(self, name: str) -> TreeObj | None:
        """The tree object called *name*, or None."""
        runs = self.runs
        if len(runs) == 1:
            return runs[0].entries.get(name)
        return runs[self._find(name)].entries.get(name) if runs else None

    def _find(self, name: str) -> int:
        return max(0, bisect_right(self.runs, name, key=_first) - 1)

    def values(self) -> Iterator[TreeObj]:
        """All tree objects, in the order of their names' runs."""
        for run in self.runs:
            yield from run.entries.values()

    def entries(self) -> dict[str, TreeObj]:
        """A new dict of all entries; the tree objects in it are shared."""
        entries: dict[str, TreeObj] = {}
        for run in self.runs:
            entries.update(run.entries)
        return entries

    def updated(self, changes: Mapping[str, TreeObj | None]) -> Directory:
        """The directory with *changes* applied: a tree object replaces or adds, None removes."""
        if len(self.runs) == 1:
            return Directory(_changed(self.runs[0], changes), self.algo)
        if not self.runs:
            return Directory.from_entries({k: v for k, v in changes.items() if v is not None}, self.algo)
        by_run: dict[int, dict[str, TreeObj | None]] = {}
        for name, obj in changes.items():
            by_run.setdefault(self._find(name), {})[name] = obj
        runs: list[EntryRun] = []
        done = own = 0
        for index in sorted(by_run):
            runs += self.runs[done:index]
            changed = _changed(self.runs[index], by_run[index])
            own += sum(len(run.entries) for run in changed)
            runs += changed
            done = index + 1
        runs += self.runs[done:]
        states = self._states[: min(by_run) + 1] if by_run else list(self._states)
        return Directory(runs, self.algo, states, own)

    def encode(self) -> bytes:
        """The canonical text, which is the blob."""
        return b"".join((_HEAD, b",".join([run.text for run in self.runs]), _TAIL))

    def _digest(self) -> str:
        runs, states = self.runs, self._states
        if len(runs) < 2:
            text = runs[0].text if runs else b""
            digest: str = _HASHES[self.algo](_HEAD + text + _TAIL).hexdigest()
            return digest
        if not states:
            states.append(_HASHES[self.algo](_HEAD))
        state = states[-1].copy()
        for index in range(len(states) - 1, len(runs)):
            if index:
                state.update(b",")
            state.update(runs[index].text)
            if index < len(runs) - 1:
                states.append(state.copy())
        state.update(_TAIL)
        return str(state.hexdigest())


def _first(run: EntryRun) -> str:
    return run.first


def _split(entries: dict[str, TreeObj]) -> list[EntryRun]:
    if len(entries) <= 2 * RUN:
        return [EntryRun(entries, min(entries))]
    names = sorted(entries)
    return [
        EntryRun({name: entries[name] for name in names[at : at + RUN]}, names[at])
        for at in range(0, len(names), RUN)
    ]


def _changed(run: EntryRun, changes: Mapping[str, TreeObj | None]) -> list[EntryRun]:
    entries = run.entries.copy()
    first = run.first
    for name, obj in changes.items():
        if obj is None:
            entries.pop(name, None)
        else:
            entries[name] = obj
            if name < first:
                first = name
    if len(entries) > 2 * RUN:
        return _split(entries)
    # A lower bound serves as well as the first name itself: runs stay in order either way.
    return [EntryRun(entries, first)] if entries else []
