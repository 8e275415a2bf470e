# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who a request is from, and what that allows."""

from __future__ import annotations

from dataclasses import dataclass

#: Look at everything that may be seen.
READ = "read"
#: Submit jobs. Jobs are programs of the account that they run as, and may do all that it may.
SUBMIT = "submit"
#: Cancel, signal and change jobs.
CONTROL = "control"
#: All of these, and what concerns the whole instance and server: stop, drain, queues, tokens.
ADMIN = "admin"

SCOPES = (READ, SUBMIT, CONTROL, ADMIN)
ALL = frozenset(SCOPES)


@dataclass(frozen=True, slots=True)
class Identity:
    """A known client.

    Attributes:
        name: whom credentials name.
        userid: the account whose jobs are its own.
        owner: False for a guest, who has only rights on jobs of *userid* (RFC 12).
        scopes: what the credentials are for, some of :data:`SCOPES`.
        via: how it was proved: ``connection``, ``password``, ``token``, ``access``, ``session``, ``open``.
    """

    name: str
    userid: int
    owner: bool = True
    scopes: frozenset[str] = ALL
    via: str = "open"

    @property
    def role(self) -> str:
        """``owner`` or ``guest``."""
        return "owner" if self.owner else "guest"

    def allows(self, scope: str) -> bool:
        """Whether the credentials are for *scope*."""
        return scope in self.scopes or ADMIN in self.scopes
