# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 12: roles and credentials."""

import pytest

from rosin.rfc import role
from rosin.rfc.message import Message

OWNER, USER, LOCAL, ADMIN = 1, 2, 4, 8
UNKNOWN = 0xFFFFFFFF


@pytest.mark.rfc(12, "guests-refused", "peer-owner", "root-owner")
def test_peers():
    assert role.peer_roles(1000, 1000) == (1000, OWNER)
    assert role.peer_roles(5500, 1000) is None
    assert role.peer_roles(5500, 1000, allow_guest=True) == (5500, USER)
    assert role.peer_roles(0, 1000) is None
    assert role.peer_roles(0, 1000, allow_guest=True) == (0, USER)
    assert role.peer_roles(0, 1000, allow_root_owner=True) == (1000, OWNER)


@pytest.mark.rfc(12, "owner-unset", "owner-set", "guest-overwritten", "local-added")
@pytest.mark.parametrize(
    ("message", "peer", "credential"),
    [
        ((UNKNOWN, 0), (1000, OWNER), (1000, OWNER | LOCAL)),
        ((5500, USER), (1000, OWNER), (5500, USER)),
        ((UNKNOWN, OWNER), (1000, OWNER), (1000, OWNER)),
        ((5500, 0), (1000, OWNER), (5500, OWNER | LOCAL)),
        ((UNKNOWN, 0), (5500, USER), (5500, USER | LOCAL)),
        ((0, OWNER), (5500, USER), (5500, USER | LOCAL)),
        ((0, OWNER), (5500, USER | ADMIN), (5500, USER | ADMIN | LOCAL)),
    ],
)
def test_assignment(message, peer, credential):
    assert role.assign(*message, peer) == credential  # type: ignore[call-arg]


@pytest.mark.rfc(12, "local-cleared")
def test_the_local_role_ends_at_the_overlay():
    userid, mask = role.assign(UNKNOWN, 0, (5500, USER))
    assert (userid, role.from_overlay(mask)) == (5500, USER)
    assert role.from_overlay(OWNER | LOCAL) == OWNER


@pytest.mark.rfc_vectors(12)
@pytest.mark.rfc(12, "new-message", "local-added", "guest-overwritten", "local-cleared", "allow-mask")
def test_the_path_of_a_request_of_a_guest():
    msg = Message.request("kvs.ping")
    peer = role.peer_roles(5500, 1000, allow_guest=True)
    assert peer is not None
    at_rank_0 = role.assign(msg.userid, msg.rolemask, peer)
    assert at_rank_0 == (5500, USER | LOCAL)
    at_rank_1 = role.assign(at_rank_0[0], role.from_overlay(at_rank_0[1]), (1000, OWNER))
    assert at_rank_1 == (5500, USER)
    assert role.allowed(at_rank_1[1], USER)
    assert not role.allowed(at_rank_1[1])


@pytest.mark.rfc(12, "allow-mask", "owner-always", "roles")
def test_services_let_the_owner_in_always():
    assert role.allowed(OWNER)
    assert role.allowed(OWNER, USER)
    assert role.allowed(USER, USER)
    assert not role.allowed(USER)
    assert not role.allowed(0, 0xFFFFFFFF)
    assert role.required() == OWNER
    assert role.required(allow_guest=True) == OWNER | USER


def test_what_guests_do_not_see():
    assert role.privileged(OWNER)
    assert role.privileged(USER | ADMIN)
    assert not role.privileged(USER | LOCAL)


@pytest.mark.rfc(12, "further-checks")
def test_authorization_by_user():
    assert role.authorized(1000, OWNER, 5500)
    assert role.authorized(5500, USER, 5500)
    assert not role.authorized(5501, USER, 5500)
    assert not role.authorized(5500, LOCAL, 5500)
    assert not role.authorized(UNKNOWN, USER, UNKNOWN)


@pytest.mark.rfc(12, "private-event")
def test_private_events():
    assert role.may_receive(True, 5500, (5500, USER))
    assert role.may_receive(True, 5500, (1000, OWNER))
    assert not role.may_receive(True, 5500, (5501, USER))
    assert role.may_receive(False, 5500, (5501, USER))


@pytest.mark.rfc(12, "new-message")
def test_a_new_message_has_no_credential():
    msg = Message.request("a.b")
    assert (msg.userid, msg.rolemask) == (UNKNOWN, 0)
