# SPDX-License-Identifier: LGPL-3.0-or-later
"""Arguments of modules: each module says what it takes, and everything else is refused before it starts."""

import errno
import math

import pytest

from rosin.broker.arguments import Argument, choice, duration, idle, number, parse, size
from rosin.broker.loader import MODULES, find
from rosin.broker.module import BrokerModule
from rosin.testing.instance import Instance

DECLARED = (
    Argument("period", "FSD", "", duration),
    Argument("count", "N", "", number(1, 9)),
    Argument("mode", "MODE", "", choice("a", "b")),
    Argument("name", "NAME"),
    Argument("buffer-size", "SIZE", "", size, "there are no buffers"),
    Argument("truncate"),
)


def test_values():
    args = ["period=1m", "count=3", "mode=b", "name=a=b", "buffer-size=1.5M", "truncate", "count=9"]
    values = parse("m", DECLARED, args)
    assert values == {
        "period": 60.0,
        "count": 9,
        "mode": "b",
        "name": "a=b",
        "buffer-size": "1.5M",
        "truncate": True,
    }
    assert [argument.name for argument in idle(DECLARED, values)] == ["buffer-size"]
    assert parse("m", DECLARED, []) == {}
    assert [parse("m", DECLARED, [f"count={number}"])["count"] for number in (1, 9)] == [1, 9]


@pytest.mark.parametrize(
    ("arg", "text"),
    [
        ("perod=1s", "m: unknown option 'perod=1s'; did you mean period?"),
        ("zzzz", "m: unknown option 'zzzz'; known: period=FSD, count=N,"),
        ("", "m: unknown option ''; known: period=FSD"),
        ("period", "m: unknown option 'period'; expected period=FSD"),
        ("truncate=1", "m: unknown option 'truncate=1'; expected truncate"),
        ("truncate=", "m: unknown option 'truncate='; expected truncate"),
        ("period=", "m: period: expected a duration above 0, such as \"10s\", got ''"),
        ("period=0", "m: period: expected a duration"),
        ("period=inf", "m: period: expected a duration"),
        ("count=0", "m: count: expected a number from 1 to 9, got '0'"),
        ("count=10", "m: count: expected a number from 1 to 9"),
        ("count=-1", "m: count: expected a number from 1 to 9"),
        ("count=" + "9" * 5000, "m: count: expected a number from 1 to 9"),
        ("mode=c", "m: mode: expected one of a, b, got 'c'"),
        ("buffer-size=bad", "m: buffer-size: expected a size"),
        ("x" * 5000, "m: unknown option 'xxx"),
    ],
)
def test_refused(arg, text):
    with pytest.raises(OSError, match=r"^.Errno 22. m: ") as caught:
        parse("m", DECLARED, [arg])
    assert caught.value.errno == errno.EINVAL
    assert caught.value.strerror.startswith(text)
    assert len(caught.value.strerror) < 200


def test_a_module_without_arguments_says_so():
    with pytest.raises(OSError, match="unknown option 'x'; this module takes none"):
        parse("m", (), ["x"])


def test_size_and_duration_are_read_as_they_are_written():
    assert math.isclose(duration("0.5s"), 0.5)
    assert size("10k") == "10k"
    for bad in ("", "k", "1.2.3", "-1", "\u0661"):
        with pytest.raises(ValueError, match="expected a size"):
            size(bad)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_declares_its_arguments(name):
    declared = find(name).arguments
    assert declared is not None
    assert all(bool(argument.text) != bool(argument.idle) for argument in declared)


@pytest.mark.parametrize("name", sorted(MODULES))
async def test_every_module_refuses_an_unknown_argument_before_it_starts(name):
    async with Instance() as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match=f"^.Errno 22. {name}: unknown option 'nosuch=1'; ") as caught:
            await h.rpc("module.load", {"path": name, "args": ["nosuch=1"]})
        assert caught.value.errno == errno.EINVAL
        assert name not in inst.broker.modules
        assert not any("Traceback" in line for line in inst.logged())


class Own(BrokerModule):
    name = "own"


async def test_a_module_that_declares_none_reads_its_words_itself():
    async with Instance() as inst:
        assert (await inst.load(Own, ["anything", "at=all"])).args == ["anything", "at=all"]


@pytest.mark.parametrize(
    ("name", "args"),
    [("content", ["purge-old-entry=10", "flush-batch-limit=256"])],
)
async def test_what_has_no_effect_is_named_in_the_log(name, args):
    async with Instance() as inst:
        await inst.load(name, args)
        for arg in args:
            text = f"argument {arg.partition('=')[0]} has no effect on this broker: blobs"
            assert any(text in line for line in inst.logged())
