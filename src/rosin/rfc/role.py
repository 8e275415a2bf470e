# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 12: what the credential of a message, a user id and a mask of roles, means and who sets it."""

from __future__ import annotations

from rosin.constants import (
    FLUX_ROLE_ADMIN,
    FLUX_ROLE_LOCAL,
    FLUX_ROLE_NONE,
    FLUX_ROLE_OWNER,
    FLUX_ROLE_USER,
    FLUX_USERID_UNKNOWN,
)


def required(allow_guest: bool = False) -> int:
    """Return the roles of which a sender must have one: the owner's, with *allow_guest* a user's too."""
    return FLUX_ROLE_OWNER | FLUX_ROLE_USER if allow_guest else FLUX_ROLE_OWNER


def privileged(rolemask: int) -> bool:
    """Tell whether a sender may see what is hidden from guests: the owner, or an administrator."""
    return bool(rolemask & (FLUX_ROLE_OWNER | FLUX_ROLE_ADMIN))


def allowed(rolemask: int, allow: int = FLUX_ROLE_OWNER) -> bool:
    """Tell whether a sender with *rolemask* may call a service that lets the roles *allow* in.

    The owner is always let in.
    """
    return bool(rolemask & (allow | FLUX_ROLE_OWNER))


def authorized(userid: int, rolemask: int, required: int) -> bool:
    """Tell whether the sender is the owner, or a user whose id is *required* (the owner of a job, say)."""
    if rolemask & FLUX_ROLE_OWNER:
        return True
    return bool(rolemask & FLUX_ROLE_USER) and userid == required and userid != FLUX_USERID_UNKNOWN


def peer_roles(
    peer: int, owner: int, allow_guest: bool = False, allow_root_owner: bool = False
) -> tuple[int, int] | None:
    """Return the (user id, roles) of a connection from local user *peer*, or None when it is refused.

    *allow_guest* lets other users than *owner* in; *allow_root_owner* makes root act as the owner.
    """
    if peer == owner or (peer == 0 and allow_root_owner):
        return owner, FLUX_ROLE_OWNER
    return (peer, FLUX_ROLE_USER) if allow_guest else None


def assign(userid: int, rolemask: int, peer: tuple[int, int]) -> tuple[int, int]:
    """Return the credential that a message received over a local connection gets.

    *userid* and *rolemask* are those in the message, *peer* is the (user id, roles) of the connection. The
    owner may set either word, to act as somebody else; a guest's are always overwritten.
    """
    peer_userid, roles = peer
    if not roles & FLUX_ROLE_OWNER:
        return peer_userid, roles | FLUX_ROLE_LOCAL
    if userid == FLUX_USERID_UNKNOWN:
        userid = peer_userid
    if rolemask == FLUX_ROLE_NONE:
        rolemask = roles | FLUX_ROLE_LOCAL
    return userid, rolemask


def from_overlay(rolemask: int) -> int:
    """Return the roles of a message that arrived from another broker: it is not local here."""
    return rolemask & ~FLUX_ROLE_LOCAL


def may_receive(private: bool, event_userid: int, peer: tuple[int, int]) -> bool:
    """Tell whether an event of *event_userid* is delivered to the connection of *peer* (user id, roles)."""
    return not private or bool(peer[1] & FLUX_ROLE_OWNER) or peer[0] == event_userid
