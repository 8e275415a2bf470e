# SPDX-License-Identifier: LGPL-3.0-or-later
"""[access.roles]: guests who have the role admin."""

import grp
import os
import pwd

import pytest

from rosin.broker.extra_roles import ExtraRoles
from rosin.constants import FLUX_ROLE_ADMIN, FLUX_ROLE_NONE
from rosin.errors import FormatError

ANN, BOB, EVE = 5001, 5002, 5003


@pytest.fixture(autouse=True)
def database(monkeypatch):
    """Users ann, bob and eve, of whom bob is in the group ops, besides the one of his own."""
    users = {"ann": ANN, "bob": BOB, "eve": EVE}

    def entry(name):
        return pwd.struct_passwd((name, "x", users[name], users[name], "", "", ""))

    def getgrnam(name):
        return grp.struct_group((name, "x", {**users, "ops": 6000}[name], []))

    monkeypatch.setattr(pwd, "getpwnam", entry)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: entry({uid: name for name, uid in users.items()}[uid]))
    monkeypatch.setattr(grp, "getgrnam", getgrnam)
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 6000] if name == "bob" else [gid])


def roles(uid, **admin):
    complaints = []
    found = ExtraRoles.parse({"access": {"roles": {"admin": admin}}}).of(uid, complaints.append)
    return found, complaints


@pytest.mark.parametrize(
    ("admin", "who"),
    [
        ({}, set()),
        ({"users": ["ann"]}, {ANN}),
        ({"groups": ["ops"]}, {BOB}),
        ({"groups": ["eve"]}, {EVE}),
        ({"users": ["ann", "eve"], "groups": ["ops"]}, {ANN, BOB, EVE}),
    ],
)
def test_users_and_groups(admin, who):
    for uid in (ANN, BOB, EVE, 7000):
        assert roles(uid, **admin) == (FLUX_ROLE_ADMIN if uid in who else FLUX_ROLE_NONE, [])


def test_names_that_nobody_has_are_noted_and_give_nobody_a_role():
    found, complaints = roles(BOB, users=["mallory"], groups=["nobodies", "ops"])
    assert found == FLUX_ROLE_ADMIN
    assert complaints == [
        "access.roles.admin.users: no user has the name mallory",
        "access.roles.admin.groups: no group has the name nobodies",
    ]
    assert roles(EVE, users=["mallory"], groups=["nobodies"])[0] == FLUX_ROLE_NONE


def test_a_user_database_that_fails_gives_nobody_a_role(monkeypatch):
    def fail(*args):
        raise OSError(5, "Input/output error")

    for module, name in ((pwd, "getpwnam"), (grp, "getgrnam"), (os, "getgrouplist")):
        monkeypatch.setattr(module, name, fail)
    assert roles(ANN, users=["ann"], groups=["ann"])[0] == FLUX_ROLE_NONE


@pytest.mark.parametrize(
    ("access", "text"),
    [
        ({"roles": {"operator": {}}}, "access.roles.operator: unknown key; known: admin"),
        ({"roles": 3}, "access.roles: expected a table, got 3"),
        ({"roles": {"admin": {"user": []}}}, "access.roles.admin.user: unknown key; did you mean users?"),
        ({"roles": {"admin": {"users": "ann"}}}, "access.roles.admin.users: expected an array"),
        (
            {"roles": {"admin": {"groups": [3]}}},
            "access.roles.admin.groups: expected an array of strings, got 3",
        ),
        ({"roles": {"admin": {"users": ["a\0b"]}}}, "access.roles.admin.users: expected an array of strings"),
    ],
)
def test_a_wrong_table_is_refused_and_named(access, text):
    with pytest.raises(FormatError) as caught:
        ExtraRoles.parse({"access": access})
    assert text in str(caught.value)
