# SPDX-License-Identifier: LGPL-3.0-or-later
"""Rate limits: of strangers always, of users when the settings say so, each alone."""

from rosin.rest.auth.rates import Rates

OWNER = ("ann", "correct horse battery")


def test_a_bucket():
    now = [0.0]
    rates = Rates(2.0, 3.0, lambda: now[0])
    assert [rates.take("a") for _ in range(5)] == [0, 0, 0, 1, 1]
    assert rates.take("b") == 0
    now[0] = 0.5
    assert [rates.take("a") for _ in range(2)] == [0, 1]
    now[0] = 100.0
    assert [rates.take("a") for _ in range(4)] == [0, 0, 0, 1]
    for number in range(10000):
        rates.take(str(number))
    assert len(rates._left) < 5000


async def test_strangers_are_slowed_down_and_nobody_else(make, monkeypatch):
    monkeypatch.setattr("rosin.rest.gate.STRANGER_BURST", 3.0)
    monkeypatch.setattr("rosin.rest.gate.STRANGER_RATE", 1e-6)
    client = await make(user=OWNER[0], token=OWNER[1])
    answers = [await client.get("/health") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    login = {"username": OWNER[0], "password": OWNER[1]}
    assert (await client.post("/v1/login/access-token", data=login)).status_code == 429  # before it is read
    assert (await client.get("/health", auth=OWNER)).status_code == 200


async def test_a_limit_for_users(make):
    client = await make(user=OWNER[0], token=OWNER[1], rate=1e-6)
    answers = [(await client.get("/health", auth=OWNER)).status_code for _ in range(3)]
    assert answers == [200, 429, 429]
