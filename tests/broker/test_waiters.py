# SPDX-License-Identifier: LGPL-3.0-or-later
"""Lists of requests that wait."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from rosin.broker.waiters import ANY, Waiter, Waiters
from rosin.errors import FormatError
from rosin.rfc.message import Message

ENODATA = errno.ENODATA


class Answers:
    """Records who was answered what, by the matchtag of the request."""

    def __init__(self) -> None:
        self.given: list[tuple[int, Any]] = []

    def respond(self, request: Message, payload: Any = None) -> None:
        self.given.append((request.matchtag, payload))

    def respond_error(self, request: Message, errnum: int, text: str | None = None) -> None:
        self.given.append((request.matchtag, (errnum, text)))

    def take(self) -> list[tuple[int, Any]]:
        given, self.given = self.given, []
        return given


def request(sender: bytes, matchtag: int, payload: Any = None) -> Message:
    msg = Message.request("test.wait", payload, matchtag=matchtag)
    msg.route = [sender, b"hop"]
    return msg


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def waiters(answers: Answers) -> Waiters[Waiter]:
    """Three requests of a, two of b; keys 1, 2 and 3."""
    waiters: Waiters[Waiter] = Waiters(answers)
    for sender, matchtag, key in ((b"a", 1, 1), (b"b", 2, 2), (b"a", 3, 2), (b"b", 4, 1), (b"a", 5, 3)):
        waiters.add(Waiter(request(sender, matchtag), key))
    return waiters


def tags(waiting: list[Waiter]) -> list[int]:
    return [waiter.msg.matchtag for waiter in waiting]


def test_nobody_waits(answers: Answers) -> None:
    waiters: Waiters[Waiter] = Waiters(answers)
    assert not waiters
    assert len(waiters) == 0
    assert list(waiters) == []
    assert waiters.of(1) == waiters.by(b"a") == waiters.take() == waiters.drop(b"a") == []
    waiters.respond()
    waiters.end()
    assert answers.given == []


def test_those_with_a_key_come_in_order_of_arrival(waiters: Waiters[Waiter]) -> None:
    assert waiters
    assert len(waiters) == 5
    assert tags(waiters.of(1)) == [1, 4]
    assert tags(waiters.of(2)) == [2, 3]
    assert [waiters.count(key) for key in (1, 2, 3, 4)] == [2, 2, 1, 0]
    assert 3 in waiters
    assert 4 not in waiters
    assert list(waiters.keys()) == [1, 2, 3]
    assert sorted(tags(list(waiters))) == [1, 2, 3, 4, 5] == sorted(tags(waiters.of(ANY)))


def test_none_is_a_key(answers: Answers) -> None:
    waiters: Waiters[Waiter] = Waiters(answers)
    waiters.add(Waiter(request(b"a", 1)))
    waiters.add(Waiter(request(b"a", 2), "other"))
    assert tags(waiters.of(None)) == [1]


def test_those_of_a_client(waiters: Waiters[Waiter]) -> None:
    assert tags(waiters.by(b"a")) == [1, 3, 5]
    assert tags(waiters.by(b"a", 3)) == [3]
    assert waiters.by(b"b", 3) == [] == waiters.by(b"c") == waiters.by(b"c", 1)


def test_a_client_that_goes_gets_no_answer(waiters: Waiters[Waiter], answers: Answers) -> None:
    assert tags(waiters.drop(b"a")) == [1, 3, 5]
    assert sorted(tags(waiters.of(ANY))) == [2, 4]
    assert waiters.drop(b"a") == []
    assert 3 not in waiters
    assert answers.given == []
    waiters.drop(b"b")
    assert not waiters
    assert waiters._by_sender == {}


def test_taken_are_forgotten_without_an_answer(waiters: Waiters[Waiter], answers: Answers) -> None:
    assert tags(waiters.take(2)) == [2, 3]
    assert waiters.take(2) == []
    assert tags(waiters.by(b"a")) == [1, 5]
    assert tags(waiters.take(1, lambda waiter: waiter.msg.sender == b"b")) == [4]
    assert tags(waiters.take(where=lambda waiter: waiter.key < 3)) == [1]
    assert tags(waiters.take()) == [5]
    assert not waiters
    assert answers.given == []


def test_one_is_discarded_once(waiters: Waiters[Waiter]) -> None:
    (first, *_) = waiters.of(1)
    assert waiters.waits(first)
    assert waiters.discard(first)
    assert not waiters.waits(first)
    assert not waiters.discard(first)
    assert tags(waiters.of(1)) == [4]
    assert tags(waiters.by(b"a")) == [3, 5]


def test_a_response_does_not_end_a_stream(waiters: Waiters[Waiter], answers: Answers) -> None:
    waiters.respond("news", 2)
    waiters.respond("more", 2)
    assert answers.take() == [(2, "news"), (3, "news"), (2, "more"), (3, "more")]
    waiters.respond("all")
    assert sorted(answers.take()) == [(tag, "all") for tag in (1, 2, 3, 4, 5)]


def test_who_got_what_it_waited_for_waits_no_more(waiters: Waiters[Waiter], answers: Answers) -> None:
    waiters.fulfil("here", 2)
    assert answers.take() == [(2, "here"), (3, "here")]
    assert len(waiters) == 3
    waiters.fulfil("low", where=lambda waiter: waiter.key < 2)
    assert answers.take() == [(1, "low"), (4, "low")]
    waiters.fulfil()
    assert answers.take() == [(5, None)]
    assert not waiters


def test_an_end_has_an_error(waiters: Waiters[Waiter], answers: Answers) -> None:
    waiters.end(key=2)
    assert answers.take() == [(2, (ENODATA, None)), (3, (ENODATA, None))]
    waiters.end(errno.ENOSYS, "over", where=lambda waiter: waiter.key == 1)
    assert answers.take() == [(1, (errno.ENOSYS, "over")), (4, (errno.ENOSYS, "over"))]
    waiters.end()
    assert answers.take() == [(5, (ENODATA, None))]
    assert not waiters


def test_cancel_is_about_the_streams_of_its_own_client(waiters: Waiters[Waiter], answers: Answers) -> None:
    waiters.cancel(request(b"b", 9, {"matchtag": 1}))
    assert answers.take() == []
    assert len(waiters) == 5
    assert tags(waiters.named(request(b"a", 9, {"matchtag": 1}))) == [1]
    waiters.cancel(request(b"a", 9, {"matchtag": 1}))
    assert answers.take() == [(1, (ENODATA, None))]
    assert tags(waiters.of(1)) == [4]
    waiters.cancel(request(b"a", 9, {"matchtag": 1}))
    assert answers.take() == []


def test_cancel_needs_a_matchtag(waiters: Waiters[Waiter]) -> None:
    with pytest.raises(FormatError, match="matchtag"):
        waiters.cancel(request(b"a", 9, {}))


def test_a_matchtag_may_be_used_twice(answers: Answers) -> None:
    waiters: Waiters[Waiter] = Waiters(answers)
    one, two = (waiters.add(Waiter(request(b"a", 0))) for _ in range(2))
    assert waiters.by(b"a", 0) == [one, two]
    assert waiters.discard(one)
    assert waiters.by(b"a") == [two] == waiters.of(None)


def test_answers_may_change_the_list() -> None:
    """An answer can make a client go, or ask again."""

    class Again(Answers):
        def respond(self, request: Message, payload: Any = None) -> None:
            super().respond(request, payload)
            waiting.add(Waiter(request))

    again = Again()
    waiting: Waiters[Waiter] = Waiters(again)
    waiting.add(Waiter(request(b"a", 1)))
    waiting.fulfil("x")
    assert again.given == [(1, "x")]
    assert len(waiting) == 1
