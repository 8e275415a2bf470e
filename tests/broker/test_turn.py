# SPDX-License-Identifier: LGPL-3.0-or-later
"""The order of a broker's steps within one turn of the loop."""

import asyncio
from functools import partial
from typing import Any

from rosin.broker.turn import LIMIT, Turn


async def test_steps_run_in_order_and_ends_after_them() -> None:
    turn, seen = Turn(), []
    turn.at_end(lambda: seen.append("end"))
    turn.soon(lambda: (seen.append("first"), turn.soon(lambda: seen.append("third"))))
    turn.soon(lambda: seen.append("second"))
    await asyncio.sleep(0)
    assert seen == ["first", "second", "third", "end"]


async def test_last_steps_wait_for_what_others_lead_to() -> None:
    turn, seen = Turn(), []
    turn.at_end(lambda: seen.append("end"))
    turn.last(lambda: (seen.append("last"), turn.soon(lambda: seen.append("after"))))
    turn.soon(lambda: (seen.append("first"), turn.soon(lambda: seen.append("second"))))
    await asyncio.sleep(0)
    assert seen == ["first", "second", "last", "after", "end"]


async def test_last_steps_have_their_turn_though_others_never_end() -> None:
    turn, seen = Turn(), []

    def again() -> None:
        if not seen:
            turn.soon(again)

    again()
    turn.last(lambda: seen.append("last"))
    await asyncio.sleep(0)
    assert seen == ["last"]
    await asyncio.sleep(0)


async def test_an_end_may_ask_for_another_turn() -> None:
    turn, seen = Turn(), []
    turn.at_end(lambda: turn.soon(lambda: seen.append("again")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen == ["again"]


async def test_a_step_that_fails_harms_no_other() -> None:
    turn, seen, failures = Turn(), [], []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))

    def fail() -> Any:
        raise ZeroDivisionError

    turn.soon(fail)
    turn.soon(lambda: seen.append("next"))
    await asyncio.sleep(0)
    assert seen == ["next"]
    assert isinstance(failures[0]["exception"], ZeroDivisionError)


async def test_endless_steps_do_not_shut_out_the_loop() -> None:
    turn, count = Turn(), 0

    def again() -> None:
        nonlocal count
        count += 1
        turn.soon(again)

    turn.soon(again)
    await asyncio.sleep(0)
    assert count == LIMIT


async def test_what_need_not_wait_runs_at_once_with_all_that_follows() -> None:
    turn, seen = Turn(), []

    def request() -> None:
        turn.at_end(lambda: seen.append("written"))
        turn.soon(lambda: seen.append("served"))

    turn.now(request)
    assert seen == ["served", "written"]


async def test_what_comes_while_a_turn_is_due_shares_it() -> None:
    turn, seen = Turn(), []
    turn.soon(lambda: seen.append("first"))
    turn.now(lambda: turn.soon(lambda: seen.append("second")))
    assert seen == []
    await asyncio.sleep(0)
    assert seen == ["first", "second"]


async def test_a_turn_that_takes_long_is_interrupted(monkeypatch) -> None:
    time = iter(range(1000))
    monkeypatch.setattr("rosin.broker.turn.thread_time", lambda: next(time))
    turn = Turn()
    seen: list[object] = []
    for number in range(100):
        turn.soon(partial(seen.append, number))
    turn.last(lambda: seen.append("last"))
    await asyncio.sleep(0)
    assert seen == [0, 1, 2, "last"]
    while len(seen) < 101:
        await asyncio.sleep(0)
    assert [number for number in seen if number != "last"] == list(range(100))
