# SPDX-License-Identifier: LGPL-3.0-or-later
"""Fair share: in which order users who have used too little of what is theirs come (flux-accounting; pure).

Each bank and each user in it has shares of what the bank above has. Among siblings that one comes first whose
part of the shares is the greatest in proportion to its part of the usage; all users of a bank that comes
before another come before the users of that. Banks that come equal are one: their users compete.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from math import inf, isclose
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

#: Less usage than this is none.
_NOTHING = 1e-9


@dataclass(slots=True)
class Share:
    """A bank, or a user in a bank, which has no children and a ``key``.

    The usage of a bank is what its users have used.
    """

    shares: int
    usage: float = 0.0
    key: Hashable = None
    children: list[Share] = field(default_factory=list)


def fair_shares(root: Share) -> dict[Hashable, float]:
    """The fair share of each user below *root*: 1.0 for the first, and ever less, but above 0.

    Users who come equal have the same; the next one has as much less as there are of them.
    """
    _sum_usage(root)
    ties = list(_ranking(root))
    users = left = sum(len(tie) for tie in ties)
    result = {}
    for tie in ties:
        for user in tie:
            result[user.key] = left / users
        left -= len(tie)
    return result


def _sum_usage(root: Share) -> None:
    """Set the usage of all banks."""
    order = [root]
    for bank in order:  # which grows meanwhile
        order += [child for child in bank.children if child.key is None]
    for bank in reversed(order):
        bank.usage = sum(child.usage for child in bank.children)


def _ranking(root: Share) -> Iterator[list[Share]]:
    """The users in their order, those who come equal together."""
    todo = [[root]]
    while todo:
        tie = todo.pop()
        if tie[0].key is not None:
            yield tie
            continue
        weights = [(weight, child) for bank in tie for weight, child in _weighted(bank)]
        # Of what is equal, users come before banks.
        weights.sort(key=lambda item: (-item[0], item[1].key is None))
        todo += reversed(_ties(weights))


def _weighted(bank: Share) -> Iterator[tuple[float, Share]]:
    """The children of *bank* with how much too little they have used."""
    shares = sum(child.shares for child in bank.children)
    for child in bank.children:
        if not child.shares:
            yield 0.0, child
        elif child.usage < _NOTHING:
            yield inf, child
        else:
            yield (child.shares / shares) / (child.usage / bank.usage), child


def _ties(weights: list[tuple[float, Share]]) -> list[list[Share]]:
    """What follows each other with the same weight, of the same kind."""
    numbers, number, last = [], 0, None
    for weight, child in weights:
        here = (weight, child.key is None)
        if last is not None and not (isclose(weight, last[0], rel_tol=1e-9) and here[1] == last[1]):
            number += 1
        numbers.append(number)
        last = here
    groups = groupby(zip(numbers, weights, strict=True), key=lambda item: item[0])
    return [[child for _, (_, child) in group] for _, group in groups]
