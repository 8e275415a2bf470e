# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin token``: made, listed, revoked, and what cannot be."""

import pytest

from rosin.rest.auth.tokens import TokenStore


@pytest.fixture(autouse=True)
def state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "rosin" / "tokens.json"


def test_a_token_is_made_listed_and_revoked(command, state):
    made = command("token", "create", "--scope=submit,read", "--expires=never", "nightly build")
    assert (made.code, made.err) == (0, "")
    secret = made.out.strip()
    token = TokenStore(str(state)).find(secret)
    assert token is not None
    assert (token.name, token.scopes, token.expires) == ("nightly build", ("read", "submit"), None)
    listed = command("token", "list").out.splitlines()
    assert listed[0].split() == ["ID", "SCOPES", "EXPIRES", "USER", "NAME"]
    assert listed[1].split() == [token.id, "read,submit", "never", "owner", "nightly", "build"]
    assert secret not in "\n".join(listed)
    bare = command("token", "list", "--no-header").out.splitlines()
    assert [line.split() for line in bare] == [line.split() for line in listed[1:]]
    assert command("token", "revoke", token.id) == (0, "", "")
    assert TokenStore(str(state)).find(secret) is None
    again = command("token", "revoke", token.id)
    assert (again.code, "there is no token" in again.err) == (1, True)


def test_a_token_reads_for_three_months(command, tmp_path):
    path = tmp_path / "other"
    assert command("token", "create", "--file", str(path), "a").code == 0
    (token,) = TokenStore(str(path)).all()
    assert token.expires is not None
    assert (token.scopes, token.expires - token.created) == (("read",), 90 * 86400)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("--scope=root", "a"),
            "--scope: expected some of read,submit,control,admin, such as read,submit, got 'root'",
        ),
        (("--expires=soon", "a"), "--expires: expected a time such as 12h or 30d, or never, got 'soon'"),
        (("--expires=0", "a"), "--expires: expected"),
        (("--expires=inf", "a"), "--expires: expected"),
        (("",), "name: expected 1 to 64 characters"),
    ],
)
def test_what_cannot_be(command, words, says):
    asked = command("token", "create", *words)
    assert (asked.code, asked.out) == (1 if words == ("",) else 2, "")
    assert says in asked.err


def test_a_file_that_is_none(command, tmp_path):
    path = tmp_path / "x"
    path.write_text("{")
    asked = command("token", "list", "--file", str(path))
    assert (asked.code, asked.err.count("\n")) == (1, 1)
    assert "not a file of tokens" in asked.err
    asked = command("token", "create", "--file", "/proc/nope/x", "a")
    assert (asked.code, asked.err.count("\n")) == (1, 1)
