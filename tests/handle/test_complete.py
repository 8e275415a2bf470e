# SPDX-License-Identifier: LGPL-3.0-or-later
"""Coroutines on a blocking handle."""

import pytest

from rosin.handle import Flux
from rosin.handle.complete import complete


@pytest.fixture
def h(real_instance):
    with Flux(real_instance.uri) as handle:
        yield handle


def test_futures_are_awaited_in_any_order(h):
    async def ask():
        first, second = (h.rpc("groups.get", {"name": name}) for name in ("broker.online", "nobody"))
        return (await second)["members"], (await first)["members"], (await first)["members"]

    assert complete(h, ask()) == ("", "0", "0")


def test_streams_and_errors(h):
    async def numbers():
        for number in range(3):
            await h.rpc("groups.get", {"name": str(number)})
            yield number

    async def ask():
        found = [number async for number in numbers()]
        await h.rpc("nobody.nothing")
        return found

    with pytest.raises(OSError, match="nobody"):
        complete(h, ask())


def test_one_that_asks_nobody(h):
    async def answer():
        return 42

    assert complete(h, answer()) == 42
