# SPDX-License-Identifier: LGPL-3.0-or-later
"""Programs that share a connection: routes, subscriptions, services, and what the broker is told."""

import errno

import pytest

from rosin.cli.proxy.multiplexer import Multiplexer
from rosin.constants import FLUX_MSGFLAG_NORESPONSE, FLUX_ROLE_OWNER
from rosin.rfc.message import Message


class Program:
    def __init__(self, programs):
        self.got = []
        self.programs = programs
        self.client = programs.join(self)

    def send(self, msg):
        self.got.append(msg)

    def ask(self, topic, payload=None, matchtag=1, flags=0):
        msg = Message.request(topic, payload, flags=flags)
        msg.matchtag = matchtag
        self.programs.from_client(self.client, msg)

    def take(self):
        got, self.got = self.got, []
        # flux-core's client library drops responses of others.
        assert all(msg.rolemask == FLUX_ROLE_OWNER for msg in got)
        return [(msg.topic, msg.matchtag, msg.aux1) for msg in got]


class Given:
    def __init__(self):
        self.sent = []
        self.programs = Multiplexer(self.sent.append)
        self.one, self.two = Program(self.programs), Program(self.programs)

    def take(self):
        sent, self.sent[:] = self.sent[:], []
        return sent

    def answer(self, errnum=0):
        """The broker answers all that it was asked."""
        for msg in self.take():
            response = msg.response(None, errnum)
            response.userid, response.rolemask = 7, FLUX_ROLE_OWNER
            self.programs.from_broker(response)


@pytest.fixture
def given():
    return Given()


def test_answers_find_back(given):
    given.one.ask("kvs.lookup", {"key": "a"}, matchtag=5)
    given.two.ask("kvs.lookup", {"key": "b"}, matchtag=5)
    first, second = given.take()
    assert first.route == [given.one.client.name]
    given.programs.from_broker(second.response({"val": 2}))
    assert given.one.got == []
    (answer,) = given.two.got
    assert (answer.args, answer.matchtag, answer.route) == ({"val": 2}, 5, [])


def test_a_proxy_behind_a_proxy(given):
    msg = Message.request("x.y", None)
    msg.route = [b"deep"]
    given.programs.from_client(given.one.client, msg)
    (sent,) = given.take()
    assert sent.route == [b"deep", given.one.client.name]
    given.programs.from_broker(sent.response())
    assert given.one.got[0].route == [b"deep"]


def test_an_answer_for_who_has_gone(given):
    given.one.ask("a.b")
    (msg,) = given.take()
    given.programs.leave(given.one.client)
    given.programs.from_broker(msg.response())
    assert given.one.got == given.two.got == []


def test_the_broker_hears_once_of_a_topic(given):
    given.one.ask("event.subscribe", {"topic": "a"})
    given.two.ask("event.subscribe", {"topic": "a"}, matchtag=2)
    (msg,) = given.sent
    assert msg.route == []  # by this proxy: the broker serves such requests of its clients alone
    given.answer()
    assert given.one.take() == [("event.subscribe", 1, 0)]
    assert given.two.take() == [("event.subscribe", 2, 0)]
    given.programs.from_broker(Message.event("a.b", {}))
    given.programs.from_broker(Message.event("b", {}))
    assert [len(program.got) for program in (given.one, given.two)] == [1, 1]
    given.one.ask("event.unsubscribe", {"topic": "a"})
    assert given.sent == []
    given.programs.leave(given.two.client)
    (msg,) = given.take()
    assert (msg.topic, msg.args) == ("event.unsubscribe", {"topic": "a"})
    assert msg.flags & FLUX_MSGFLAG_NORESPONSE


def test_services(given):
    given.one.ask("service.add", {"service": "mine"}, matchtag=7)
    given.answer()
    assert given.one.take() == [("service.add", 7, 0)]
    given.two.ask("service.add", {"service": "mine"})
    assert given.two.take() == [("service.add", 1, errno.EEXIST)]
    msg = Message.request("mine.a.b", None)
    msg.route = [b"somebody"]
    given.programs.from_broker(msg)
    (request,) = given.one.got
    assert request.route == [b"somebody"]
    given.programs.from_client(given.one.client, request.response({"x": 1}))
    (answer,) = given.take()
    assert (answer.route, answer.args) == ([b"somebody"], {"x": 1})
    given.two.ask("service.remove", {"service": "mine"})
    assert given.two.take() == [("service.remove", 1, errno.ENOENT)]
    given.programs.leave(given.one.client)
    assert [msg.topic for msg in given.take()] == ["service.remove"]
    given.programs.from_broker(msg)
    assert [(msg.topic, msg.aux1) for msg in given.take()] == [("mine.a.b", errno.ENOSYS)]


def test_a_service_that_the_broker_refuses(given):
    given.one.ask("service.add", {"service": "kvs"})
    given.answer(errno.EEXIST)
    assert given.one.take() == [("service.add", 1, errno.EEXIST)]
    given.programs.leave(given.one.client)
    assert given.take() == []


def test_services_are_told_who_has_gone(given):
    given.one.ask("a.b.c")
    given.one.ask("a.b.d")
    given.one.ask("e.f")
    given.take()
    given.programs.leave(given.one.client)
    told = given.take()
    assert [msg.topic for msg in told] == ["a.b.disconnect", "e.disconnect"]
    assert all(msg.route == [given.one.client.name] for msg in told)


@pytest.mark.parametrize("topic", ["event.subscribe", "event.unsubscribe", "service.add", "service.remove"])
def test_what_says_nothing(given, topic):
    given.one.ask(topic, {})
    given.one.ask(topic, None, matchtag=2)
    assert given.sent == []
    assert given.one.take() == [(topic, 1, errno.EPROTO), (topic, 2, errno.EPROTO)]
