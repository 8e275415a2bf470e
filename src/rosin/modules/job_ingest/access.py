# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 33, access policy: who may submit jobs to a queue."""

from __future__ import annotations

import errno
import grp
import os
import pwd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosin.rfc.queues import QueueConfig


class Access:
    """The ``access`` tables of a configuration.

    Users and groups are looked up in the system's databases when a queue asks for them, once per user.
    """

    def __init__(self, queues: QueueConfig) -> None:
        policies = {name: queues.effective(name) for name in [None, *queues.queues]}
        self._policies = {
            name: policy
            for name, policy in policies.items()
            if policy.users is not None or policy.groups is not None
        }
        self._known: dict[int, tuple[str, frozenset[str]]] = {}

    def check(self, queue: str | None, userid: int) -> None:
        """Raise OSError EACCES unless the user may submit jobs to ``queue`` (None: the anonymous one)."""
        policy = self._policies.get(queue)
        if policy is None:
            return
        if userid not in self._known:
            self._known[userid] = names(userid)
        user, groups = self._known[userid]
        if not policy.admits(user, groups):
            to = f"queue {queue}" if queue else "this instance"
            raise OSError(errno.EACCES, f"user {user or userid} may not submit jobs to {to}")


def names(userid: int) -> tuple[str, frozenset[str]]:
    """Return the name of a user and the names of the user's groups; ``""`` and none when unknown."""
    try:
        user = pwd.getpwuid(userid)
    except KeyError:
        return "", frozenset()
    groups = set()
    for number in os.getgrouplist(user.pw_name, user.pw_gid):
        try:
            groups.add(grp.getgrgid(number).gr_name)
        except KeyError:
            continue  # a group without a name is in no list
    return user.pw_name, frozenset(groups)
