# SPDX-License-Identifier: LGPL-3.0-or-later
"""``[access.roles]``: a role that some guests have besides that of a user (flux-config-access, RFC 12).

Names are looked up when somebody connects, so that who joins a group has its role from then on. Who cannot be
looked up has no role.
"""

from __future__ import annotations

import grp
import os
import pwd
from typing import TYPE_CHECKING, NamedTuple

from rosin.broker.settings import NO_ARGUMENTS, Table
from rosin.constants import FLUX_ROLE_ADMIN, FLUX_ROLE_NONE
from rosin.errors import FormatError
from rosin.rfc.payload import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.settings import Config


class ExtraRoles(NamedTuple):
    """Who has the role ``admin``: names of users and of groups."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @classmethod
    def parse(cls, config: Config, _arguments: Config = NO_ARGUMENTS) -> ExtraRoles:
        """Read the table. Raises FormatError that names the key."""
        Table(config, "access.roles", ("admin",))
        table = Table(config, "access.roles.admin", cls._fields)
        return cls(*(_names(table, key) for key in cls._fields))

    def of(self, uid: int, complain: Callable[[str], None]) -> int:
        """The roles of the user *uid*; *complain* is told of names that nobody has."""
        for name in self.users:
            try:
                if pwd.getpwnam(name).pw_uid == uid:
                    return FLUX_ROLE_ADMIN
            except (KeyError, OSError):
                complain(f"access.roles.admin.users: no user has the name {name}")
        if not self.groups:
            return FLUX_ROLE_NONE
        mine = _groups(uid)
        for name in self.groups:
            try:
                if grp.getgrnam(name).gr_gid in mine:
                    return FLUX_ROLE_ADMIN
            except (KeyError, OSError):
                complain(f"access.roles.admin.groups: no group has the name {name}")
        return FLUX_ROLE_NONE


def _groups(uid: int) -> set[int]:
    """The groups of a user, by the user database."""
    try:
        user = pwd.getpwuid(uid)
        return set(os.getgrouplist(user.pw_name, user.pw_gid))
    except (KeyError, OSError):
        return set()


def _names(table: Table, key: str) -> tuple[str, ...]:
    names = table.get(key, list, [])
    for name in names:
        if not isinstance(name, str) or "\0" in name:
            raise FormatError(f"{table.name}.{key}: expected an array of strings, got {describe(name)} in it")
    return tuple(names)
