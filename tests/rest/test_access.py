# SPDX-License-Identifier: LGPL-3.0-or-later
"""Each path, asked by everybody: who is let in is who the page docs/reference/rest-access.md names."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from rosin.rest.app import create_app
from rosin.rest.auth.identity import SCOPES
from rosin.rest.auth.users import hash_password

OWNER = ("ann", "correct horse battery")
PASSWORD = "a guest's password"
HASH = hash_password(PASSWORD)
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rest-access.md"
ROWS = [
    row.groups()
    for row in re.finditer(r"^\| `(\w+) (\S+)` \| ([^|]+) \| ([^|]+) \| (yes|no) \|$", PAGE.read_text(), re.M)
]
#: What it does is not for trying out.
_DANGEROUS = {"/service/stop", "/v1/service/stop"}
_REFUSED = (401, 403)


def test_the_page_has_every_path():
    described = create_app().openapi()["paths"]
    assert {(row[0], row[1]) for row in ROWS} == {
        (method.upper(), path) for path, about in described.items() for method in about
    }


@pytest.fixture
async def served(make, tmp_path: Path):
    path = tmp_path / "users.toml"
    lines = [
        f'[{name}]\npassword = "{HASH}"\nuserid = {os.getuid() + own}\n'
        for name, own in (("bob", 1), ("self", 0))
    ]
    path.write_text("".join(f'{line}scopes = ["read", "submit", "control"]\n' for line in lines))
    path.chmod(0o600)
    client = await make(user=OWNER[0], token=OWNER[1], users=str(path))
    made = await client.post("/rosin/v1/jobs", json={"command": "true"}, auth=OWNER)
    client.jobid = made.json()["id"]
    client.scoped = {}
    for scope in SCOPES:
        token = await client.post("/rosin/v1/tokens", json={"name": scope, "scopes": [scope]}, auth=OWNER)
        client.scoped[scope] = {"Authorization": f"Bearer {token.json()['token']}"}
    return client


async def status(client: Any, method: str, path: str, **who: Any) -> int:
    url = path.format(jobid=client.jobid, path="no-such/x", ident="0" * 12, name="none-such", action="start")
    url += "?offset=0" if method == "PUT" else ""
    if method == "GET":
        return int((await client.head(url, **who)).status_code)
    content = {"content": b"[", "headers": {**who.pop("headers", {}), "Content-Type": "application/json"}}
    return int((await client.request(method, url, **content, **who)).status_code)


async def test_strangers_come_to_what_is_for_them(served):
    for method, path, _, _, strangers in ROWS:
        found = await status(served, method, path)
        # What takes credentials itself says that these are none.
        taken = path.startswith("/v1/") or method == "POST"
        expected = found not in _REFUSED or taken if strangers == "yes" else found in _REFUSED
        assert expected, (method, path, found)


async def test_credentials_are_for_their_scope(served):
    for method, path, scope, _, _ in ROWS:
        for given in SCOPES:
            enough = scope in ("any", given) or given == "admin"
            if enough and path in _DANGEROUS:
                continue
            found = await status(served, method, path, headers=served.scoped[given])
            if scope != "any":  # there the route decides
                assert (found != 403) == enough, (method, path, given, found)


async def test_guests_do_what_guests_may(served):
    bob, self_ = ("bob", PASSWORD), ("self", PASSWORD)
    for method, path, _, guests, _ in ROWS:
        others, own = await _both(served, method, path, bob, self_)
        if guests == "no":
            assert (others, own) == (403, 403), (method, path)
        elif guests == "own jobs":
            assert others == 403, (method, path)
            assert own != 403, (method, path)
        else:
            assert 403 not in (others, own), (method, path, others, own)


async def _both(client: Any, method: str, path: str, first: Any, second: Any) -> tuple[int, int]:
    return await status(client, method, path, auth=first), await status(client, method, path, auth=second)
