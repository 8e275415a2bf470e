# SPDX-License-Identifier: LGPL-3.0-or-later
"""A configuration is taken by all modules, or by none."""

import errno
from typing import Any

import pytest

from rosin.broker.module import BrokerModule
from rosin.testing import Instance


class Picky(BrokerModule):
    """Refuses one key."""

    name = "picky"

    def reconfigure(self, config: dict[str, Any]) -> None:
        if "bad" in config:
            raise OSError(errno.EINVAL, "bad is not a key")


class Second(Picky):
    """One that has been asked before Picky refuses."""

    name = "aardvark"

    def reconfigure(self, config: dict[str, Any]) -> None:
        pass


async def test_configurations_are_offered_one_after_the_other() -> None:
    async with Instance([Second, Picky], config={"a": 1}) as inst:
        h = await inst.connect()
        bad, good = h.rpc("config.load", {"bad": 1}), h.rpc("config.load", {"a": 2, "b": 3})
        with pytest.raises(OSError, match="bad is not a key"):
            await bad
        await good
        assert await h.rpc("config.get") == {"a": 2, "b": 3}
        configs = [module.config for module in inst.broker.modules.values() if not module.builtin]
        assert configs == 2 * [{"a": 2, "b": 3}]


class Fickle(Second):
    """Takes a configuration, but not the one before it any more."""

    name = "fickle"

    def reconfigure(self, config: dict[str, Any]) -> None:
        if "a" in config:
            raise OSError(errno.EINVAL, "not that one again")


async def test_a_module_that_cannot_go_back_is_logged() -> None:
    async with Instance([Fickle, Picky], config={"a": 1}) as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match="error updating picky: bad is not a key"):
            await h.rpc("config.load", {"bad": 1})
        assert any("fickle: not that one again" in line for line in inst.logged())


async def test_config_is_refused_as_a_whole() -> None:
    async with Instance([Picky], config={"a": 1}) as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match="bad is not a key"):
            await h.rpc("config.load", {"bad": 1})
        assert await h.rpc("config.get") == {"a": 1}
        await h.rpc("config.load", {"a": 2})
        assert await h.rpc("config.get") == {"a": 2}
        await h.rpc("config.reload")  # from the files, of which there are none
        assert await h.rpc("config.get") == {}


async def test_what_rank_0_takes_reaches_all_ranks_and_a_refusal_on_one_is_logged() -> None:
    async with (
        Instance(size=3, config={"a": 1}) as top,
        Instance([Picky], rank=1, size=3, parent=top, below=(2,)) as middle,
        Instance(rank=2, size=3, parent=middle) as end,
    ):
        for inst in (middle, end):
            await service(inst).follow()
        handles = [await inst.connect() for inst in (top, middle, end)]
        guest = await end.connect(userid=4242)
        for config, below in (({"a": 2}, {"a": 2}), ({"bad": 1}, {"a": 2}), ({"b": 3}, {"b": 3})):
            await handles[0].rpc("config.load", config)
            await top.settle()
            got = [await h.rpc("config.get") for h in (*handles, guest)]
            assert got == [config, below, below, below]
        assert any("refused here: error updating picky: bad is not a key" in line for line in middle.logged())
        for h, topic in ((handles[1], "load"), (handles[2], "reload")):
            with pytest.raises(OSError, match="configuration can only be changed on rank 0") as caught:
                await h.rpc(f"config.{topic}", {"c": 4})
            assert caught.value.errno == errno.EINVAL
        assert middle.link is not None
        middle.link.cut()
        await end.settle()
        assert any("is followed no more: overlay disconnect" in line for line in middle.logged())
        assert await handles[2].rpc("config.get") == {"b": 3}


def service(inst: Instance) -> Any:
    return inst.broker.modules["config"]
